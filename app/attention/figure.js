// Maps over one picture: panels in sections, one of them large, and a point from which the heads' maps are drawn.
// data: {key, picture: {url, ratio, alt}, numbers: url of float32, sections: [{title, panels: [{title, at, shape, extent, scale}]}],
//        scales: {name: {low, high, signed, unit}}, colors: {sequential, diverging}, marks: [[x0, y0, x1, y1]], name, title, note,
//        first: the panel that is large at first, figure_view: what was chosen here when the link was made,
//        point: null | {row, column, size, heads, finer, models: [{title, content, position, shares}]}}
// out:  state "point" {row, column}, state "figure_view" "term.direction.range.panel.smooth.opacity"
import { createElement, placeBox } from "../components/dom.js";
import { paint, rangeOf, shown, tableOf } from "./colors.js";
import { Attention, difference, DIRECTIONS, highest, TERMS } from "./pointing.js";
import { pngOf, save, svgOf } from "./figure_export.js";

const views = new WeakMap();
const SCALES = [["point", "This point"], ["all", "All points"], ["each", "Each map"]];
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const SETTLED_MS = 500;

class Figure {
  constructor(root) {
    Object.assign(this, { root, chosen: 0, smooth: true, opacity: 0.65, term: "attention", direction: "from", range: "point", cells: [] });
    this.image = createElement("img", { className: "photo", draggable: "false" });
    this.heat = createElement("canvas", { className: "heat" });
    this.marks = createElement("div", { className: "marks" });
    this.dot = createElement("div", { className: "dot", hidden: "" });
    this.frame = createElement("div", { className: "frame" }, this.image, this.heat, this.marks, this.dot);
    this.stage = createElement("div", { className: "stage" }, this.frame);
    this.reading = createElement("p", { className: "reading", role: "status" });
    this.bar = createElement("div", { className: "bar" });
    this.large = createElement("div", { className: "large" }, this.stage, this.reading, this.bar);
    this.panels = createElement("div", { className: "panels" });
    this.choices = createElement("div", { className: "choices" });
    root.append(this.choices, createElement("div", { className: "body" }, this.large, this.panels), this.tools());
    this.frame.addEventListener("pointerdown", (event) => this.grab(event));
    this.frame.addEventListener("pointermove", (event) => this.moved(event));
    this.frame.addEventListener("keydown", (event) => this.key(event));
    this.image.addEventListener("load", () => this.fill());
  }

  tools() {
    const opacity = createElement("input", { type: "range", min: "0", max: "100", value: String(100 * this.opacity), "aria-label": "Opacity of the maps",
      oninput: () => { this.opacity = this.slider.valueAsNumber / 100; this.blend(); this.sendView(); } });
    this.slider = opacity;
    this.smoother = createElement("input", { type: "checkbox", checked: "", onchange: () => { this.smooth = this.smoother.checked; this.draw(); this.sendView(); } });
    const button = (words, act) => createElement("button", { type: "button", className: "tool", textContent: words, onclick: act });
    return createElement("div", { className: "tools" },
      createElement("label", {}, createElement("span", { textContent: "Opacity" }), opacity),
      createElement("label", {}, this.smoother, createElement("span", { textContent: "Smooth between cells" })),
      createElement("span", { className: "spring" }),
      button("PNG", () => this.export("png")), button("SVG", () => this.export("svg")));
  }

  async show(data, send) {
    const fresh = this.data?.key !== data.key;
    Object.assign(this, { data, send });
    if (this.image.getAttribute("src") !== data.picture.url) this.image.src = data.picture.url;
    this.image.alt = data.picture.alt;
    this.frame.style.aspectRatio = String(data.picture.ratio);
    this.frame.style.setProperty("--ratio", data.picture.ratio);
    this.marks.replaceChildren(...data.marks.map((box) => placeBox(createElement("div", { className: "mark" }), box)));
    this.tables = { sequential: tableOf(data.colors.sequential), diverging: tableOf(data.colors.diverging) };
    if (fresh) this.chosen = data.first;
    const point = data.point;
    if (this.form === undefined) {
      // Heads look at single cells: smoothed, they would look at stars.
      this.smooth = this.smoother.checked = !point || Boolean(point.finer);
      this.restoreView(data.figure_view);
    }
    if (point && (fresh || !this.at)) this.at = [point.row, point.column];
    if (this.fetched !== data.numbers) {
      const answer = await fetch(data.numbers);
      if (this.data !== data) return; // something newer came meanwhile
      if (!answer.ok) { this.reading.textContent = "The maps could not be loaded: reload the page."; return; }
      this.numbers = new Float32Array(await answer.arrayBuffer());
      if (this.data !== data) return;
      this.fetched = data.numbers;
    }
    const part = (at, length) => this.numbers.subarray(at, at + length);
    if (point) {
      const n = point.size ** 2;
      this.models = point.models.map((model) => new Attention(part(model.content, point.heads * n * n), part(model.position, point.heads * n * n),
        point.heads, n, model.shares === null ? null : part(model.shares, n * point.finer ** 2)));
      this.mosts = {};
    }
    this.frame.toggleAttribute("data-point", Boolean(point));
    if (point) {
      this.frame.tabIndex = 0;
      this.frame.setAttribute("role", "application");
    } else {
      this.frame.removeAttribute("tabindex");
      this.frame.removeAttribute("role");
    }
    this.dot.hidden = !point;
    this.buildChoices();
    this.draw();
  }

  // --- what can be chosen here, without the server

  buildChoices() {
    const group = (title, entries, name) => createElement("div", { className: "modes", role: "radiogroup", "aria-label": title },
      ...entries.map(([value, words]) => createElement("button", { type: "button", role: "radio", className: "mode", textContent: words,
        "aria-checked": String(this[name] === value), onclick: () => { this[name] = value; this.buildChoices(); this.draw(); this.sendView(); } })));
    if (!this.data.point) { this.choices.replaceChildren(); return; }
    const terms = this.models.length > 1 ? TERMS : [...TERMS, ["all", "All three"]];
    if (!terms.some(([value]) => value === this.term)) this.term = "attention";
    this.choices.replaceChildren(group("Terms", terms, "term"), group("Direction", DIRECTIONS, "direction"),
      createElement("span", { className: "field" }, createElement("span", { textContent: "Scale" }), group("Scale", SCALES, "range")));
  }

  // --- sections with values and scales: given, or of the point

  sections() {
    return this.data.point ? this.pointed() : this.data.sections.map(({ title, panels }) => ({
      title,
      panels: panels.map((panel) => ({ ...panel, scale: this.data.scales[panel.scale],
        values: this.numbers.subarray(panel.at, panel.at + panel.shape[0] * panel.shape[1]) })),
    }));
  }

  pointed() {
    const { point } = this.data;
    const side = point.finer || point.size;
    const place = this.at[0] * point.size + this.at[1];
    const titles = [this.range === "point" ? "Mean, own scale" : "Mean of the heads", ...Array.from({ length: point.heads }, (_, head) => `Head ${head + 1}`)];
    const section = (title, maps, scale) => ({
      title,
      // The mean of heads that look at different places is faint beside them: it has a scale of its own.
      panels: maps.map((values, index) => ({ title: titles[index], values, shape: [side, side], extent: [0, 0, 1, 1],
        scale: this.range === "each" || (this.range === "point" && !index) ? { ...rangeOf([values], scale.signed), unit: scale.unit } : scale })),
    });
    const terms = this.term === "all" ? TERMS : TERMS.filter(([value]) => value === this.term);
    const found = [];
    const unit = "share of attention";
    for (const [term, words] of terms) {
      const maps = this.models.map((model) => model.maps(term, this.direction, place));
      const scale = this.range === "all" ? { low: 0, high: this.most(term), signed: false } : rangeOf(maps.flat(), false);
      maps.forEach((each, index) => found.push(section(this.models.length > 1 ? `${words}: ${point.models[index].title}` : words, each, { ...scale, unit })));
      if (maps.length > 1) {
        const change = maps[1].map((after, index) => difference(after, maps[0][index]));
        const both = this.range === "all" ? { low: -scale.high, high: scale.high, signed: true } : rangeOf(change, true);
        found.push(section(`${words}: ${point.models[1].title} minus ${point.models[0].title}`, change, { ...both, unit }));
      }
    }
    return found;
  }

  most(term) {
    const key = `${term} ${this.direction}`;
    this.mosts[key] ??= Math.max(...this.models.map((model) => model.most(term, this.direction)));
    return this.mosts[key];
  }

  // --- drawing

  draw() {
    if (!this.numbers) return;
    this.drawn = this.sections();
    const shape = this.drawn.map(({ title, panels }) => [title, panels.length, panels.map((panel) => panel.title)]);
    const form = JSON.stringify(shape);
    if (this.form !== form) {
      this.form = form;
      this.build();
    }
    let index = 0;
    this.drawn.forEach((section, number) => {
      for (const panel of section.panels) {
        const cell = this.cells[index];
        cell.button.setAttribute("aria-pressed", String(index === this.chosen));
        this.paintPanel(cell.canvas, panel);
        index += 1;
      }
      this.drawBars(this.bars[number], section);
    });
    this.fill();
    this.drawLarge();
    this.blend();
  }

  build() {
    this.cells = [];
    this.bars = [];
    this.panels.replaceChildren(...this.drawn.map(({ title, panels }) => {
      const grid = createElement("div", { className: panels.length <= 4 ? "grid few" : "grid" }, ...panels.map((panel) => {
        const canvas = createElement("canvas", { className: "heat" });
        const photo = createElement("canvas", { className: "photo" });
        const frame = createElement("div", { className: "small" }, photo, canvas);
        const index = this.cells.length;
        const button = createElement("button", { type: "button", className: "panel", onclick: () => { this.chosen = index; this.draw(); this.sendView(); } },
          frame, createElement("span", { className: "name", textContent: panel.title }));
        this.cells.push({ button, canvas, photo, frame });
        return button;
      }));
      const bar = createElement("div", { className: "bar" });
      this.bars.push(bar);
      return createElement("section", {}, createElement("div", { className: "head" }, createElement("h4", { textContent: title }), bar), grid);
    }));
    if (this.chosen >= this.cells.length) this.chosen = 0;
  }

  // The photo under every panel, painted small and once.
  fill() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!this.image.complete || !width) return;
    const ratio = this.data.picture.ratio;
    for (const { frame, photo } of this.cells) {
      frame.style.aspectRatio = String(ratio);
      if (photo.dataset.of === this.image.src) continue;
      photo.dataset.of = this.image.src;
      const factor = Math.min(1, 256 / Math.max(width, height));
      [photo.width, photo.height] = [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
      photo.getContext("2d").drawImage(this.image, 0, 0, photo.width, photo.height);
    }
  }

  paintPanel(canvas, { values, shape, extent, scale }) {
    paint(canvas, values, shape, scale, this.tables[scale.signed ? "diverging" : "sequential"], this.smooth);
    canvas.dataset.sum = String(values.reduce((sum, value) => sum + value, 0));
    placeBox(canvas, extent);
  }

  get panel() {
    return this.drawn.flatMap(({ panels }) => panels)[this.chosen];
  }

  drawLarge() {
    const panel = this.panel;
    if (!panel) return;
    this.paintPanel(this.heat, panel);
    this.drawBars(this.bar, { panels: [panel] });
    const { point } = this.data;
    if (!point) { this.reading.textContent = panel.title; return; }
    const [row, column] = this.at;
    placeBox(this.dot, [column / point.size, row / point.size, (column + 1) / point.size, (row + 1) / point.size]);
    const best = highest(panel.values);
    const side = panel.shape[0];
    const words = `${panel.title}, point in row ${row + 1}, column ${column + 1} of ${point.size}: highest ${shown(panel.values[best])} in row ${Math.floor(best / side) + 1}, column ${(best % side) + 1}${side === point.size ? "" : ` of ${side}`}`;
    this.reading.textContent = words;
    this.frame.setAttribute("aria-label", `${this.data.picture.alt}. Arrow keys move the point. ${words}`);
  }

  drawBars(bar, { panels }) {
    // The scale that several panels share, or that of the only one; each map's own is shown with the large one.
    const scales = panels.map((panel) => panel.scale);
    const one = panels.length === 1 ? scales[0] : scales.find((scale, index) => scales.indexOf(scale) !== index);
    bar.hidden = !one;
    if (!one) return;
    const table = this.tables[one.signed ? "diverging" : "sequential"];
    const stops = table.filter((_, index) => index % 15 === 0).map((color) => `rgb(${color.join(" ")})`);
    const ramp = createElement("span", { className: "ramp" });
    ramp.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const middle = one.signed ? [createElement("span", { className: "zero", textContent: "0" })] : [];
    bar.replaceChildren(createElement("span", { textContent: shown(one.low) }), createElement("span", { className: "ramped" }, ramp, ...middle),
      createElement("span", { textContent: shown(one.high) }), createElement("span", { className: "unit", textContent: one.unit || "" }));
  }

  blend() {
    this.root.style.setProperty("--opacity", this.opacity);
  }

  // --- the point, and the value under the mouse

  cellOf(event, rows, columns) {
    const area = this.frame.getBoundingClientRect();
    const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value * count)));
    return [within((event.clientY - area.top) / area.height, rows), within((event.clientX - area.left) / area.width, columns)];
  }

  grab(event) {
    if (!this.data?.point || event.button) return;
    event.preventDefault();
    this.frame.focus({ preventScroll: true });
    this.frame.setPointerCapture(event.pointerId);
    this.point(this.cellOf(event, this.data.point.size, this.data.point.size));
  }

  moved(event) {
    if (!this.data || !this.drawn) return;
    if (this.data.point) {
      if (this.frame.hasPointerCapture(event.pointerId)) this.point(this.cellOf(event, this.data.point.size, this.data.point.size));
      return;
    }
    const { values, shape, extent, title } = this.panel;
    const area = this.frame.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width - extent[0]) / (extent[2] - extent[0]);
    const y = ((event.clientY - area.top) / area.height - extent[1]) / (extent[3] - extent[1]);
    const row = Math.min(shape[0] - 1, Math.max(0, Math.floor(y * shape[0])));
    const column = Math.min(shape[1] - 1, Math.max(0, Math.floor(x * shape[1])));
    this.reading.textContent = `${title}: ${shown(values[row * shape[1] + column])} in row ${row + 1}, column ${column + 1} of ${shape[0]} x ${shape[1]}`;
  }

  key(event) {
    const step = ARROWS[event.key];
    if (!step || !this.data?.point || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const most = this.data.point.size - 1;
    this.point(this.at.map((value, axis) => Math.min(most, Math.max(0, value + step[axis]))));
  }

  point(at) {
    if (at[0] === this.at[0] && at[1] === this.at[1]) return;
    this.at = at;
    this.draw();
    // The address follows once the point rests; the maps are drawn already.
    clearTimeout(this.later);
    this.later = setTimeout(() => this.send("point", { row: at[0], column: at[1] }), SETTLED_MS);
  }

  // --- what was chosen here, in the address: it follows once nothing more is chosen

  sendView() {
    const parts = [this.term, this.direction, this.range, this.chosen, Number(this.smooth), Math.round(100 * this.opacity)];
    clearTimeout(this.laterView);
    this.laterView = setTimeout(() => this.send("figure_view", parts.join(".")), SETTLED_MS);
  }

  restoreView(view) {
    const [term, direction, range, chosen, smooth, opacity] = view.split(".");
    const among = (entries, value) => entries.some(([name]) => name === value);
    if (![...TERMS, ["all"]].some(([name]) => name === term) || !among(DIRECTIONS, direction) || !among(SCALES, range)) return;
    if (![chosen, smooth, opacity].every((part) => /^\d{1,3}$/.test(part))) return;
    Object.assign(this, { term, direction, range, chosen: Number(chosen), opacity: Math.min(1, Number(opacity) / 100) });
    this.smooth = this.smoother.checked = smooth === "1";
    this.slider.value = String(100 * this.opacity);
  }

  async export(kind) {
    if (!this.drawn) return;
    const { data } = this;
    const note = data.point ? `${data.note} Point: row ${this.at[0] + 1}, column ${this.at[1] + 1} of ${data.point.size}.` : data.note;
    const [row, column] = this.at ?? [];
    const { size } = data.point ?? {};
    const marks = data.point ? [[column / size, row / size, (column + 1) / size, (row + 1) / size]] : data.marks;
    const options = { columns: 9, marks, opacity: this.opacity, smooth: this.smooth, title: data.title, note };
    const picture = { image: this.image, ratio: data.picture.ratio };
    const make = kind === "png" ? pngOf : svgOf;
    save(await make(this.drawn, picture, this.tables, options), `${data.name}.${kind}`);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".lapel-figure");
  if (!root || !data) return;
  let view = views.get(parentElement);
  if (!view) {
    view = new Figure(root);
    views.set(parentElement, view);
  }
  view.show(data, setStateValue);
  return () => {
    clearTimeout(view.later);
    clearTimeout(view.laterView);
    views.delete(parentElement);
    root.replaceChildren();
  };
}
