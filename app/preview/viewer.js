// One photo with its boxes over it, and heat maps in between that are switched and blended here in the browser.
// data: {photo, title, url, alt, width, height, garments: [{number, box, score, color, ink, tag, name}], hidden: [same],
//        selected, state, still, layers: {attention: [{name, url}], activation: {number: url}} | null}
// Boxes follow the page's threshold slider here, before the server has answered: hidden are those below it.
import { createElement, isClosedList, isTyping, placeBox } from "../components/dom.js";

const views = new WeakMap();
const MODES = [["none", "Photo"], ["attention", "Attention"], ["activation", "Class activation"]];

const PLACES = ["above-left", "inside-left", "above-right", "inside-right", "below-left", "below-right", "second", "third"];

const THRESHOLD = "Score threshold";
const thresholdSlider = () => document.querySelector(`input[type=range][aria-label="${THRESHOLD}"]`);

class View {
  constructor(root) {
    this.mode = "none";
    this.stage = 0;
    this.opacity = 0.6;
    this.photo = createElement("img", { className: "photo", draggable: "false" });
    this.heat = createElement("div", { className: "heat" });
    this.boxes = createElement("div", { className: "boxes" });
    this.frame = createElement("div", { className: "frame" }, this.photo, this.heat, this.boxes);
    this.modes = MODES.map(([mode, text]) =>
      createElement("button", { type: "button", role: "radio", className: "mode", "data-mode": mode, textContent: text,
        onclick: () => this.choose(mode) }));
    this.range = createElement("input", { type: "range", min: "0", max: "100", value: "60", "aria-label": "Opacity of the overlay",
      oninput: () => { this.opacity = this.range.valueAsNumber / 100; this.blend(); } });
    this.slider = createElement("label", { className: "opacity" }, createElement("span", { textContent: "Opacity" }), this.range);
    this.stages = createElement("div", { className: "stages", role: "radiogroup", "aria-label": "Detector stage" });
    this.note = createElement("p", { className: "note", role: "status" });
    this.group = createElement("div", { className: "modes", role: "radiogroup", "aria-label": "Overlay" }, ...this.modes);
    // What only an overlay needs lies below the photo, so that switching does not move it.
    this.below = createElement("div", { className: "bar" }, this.slider, this.stages, this.note);
    this.title = createElement("span", { className: "title" });
    root.append(createElement("div", { className: "bar" }, this.group, this.title), this.frame, this.below);
    this.watcher = new ResizeObserver(() => this.placeTags());
    this.watcher.observe(this.frame);
    this.slides = new MutationObserver((changes) => {
      if (changes.some(({ target }) => target.ariaLabel === THRESHOLD)) this.followThreshold();
    });
    this.slides.observe(document.body, { attributes: true, attributeFilter: ["aria-valuetext"], subtree: true });
    this.group.onkeydown = (event) => this.arrowThroughModes(event);
  }

  show(data, send) {
    this.data = data;
    // A still is for looking only: it reports nothing, and leaves the keys alone.
    this.send = data.still ? () => {} : send;
    this.frame.parentElement.classList.toggle("still", Boolean(data.still));
    if (this.photo.getAttribute("src") !== data.url) this.photo.src = data.url;
    this.photo.alt = data.alt;
    this.title.textContent = this.title.title = data.title;
    this.frame.style.setProperty("--ratio", data.width / data.height);
    this.frame.style.aspectRatio = `${data.width} / ${data.height}`;
    this.selected = data.selected;
    this.drawBoxes();
    this.drawHeat();
    this.askForLayers();
  }

  choose(mode) {
    this.mode = mode;
    this.drawHeat();
    this.askForLayers();
  }

  // Boxes come first; the maps follow once they are wanted and the boxes are drawn.
  askForLayers() {
    const { layers, photo, state } = this.data;
    const wanted = `${photo}/${state}`;
    if (this.mode === "none" || layers || this.asked === wanted) return;
    this.asked = wanted;
    setTimeout(() => this.send("wants", wanted), 0);
  }

  arrowThroughModes(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = MODES.findIndex(([mode]) => mode === this.mode);
    const next = (at + step + MODES.length) % MODES.length;
    this.choose(MODES[next][0]);
    this.modes[next].focus();
  }

  pick(number) {
    this.selected = number;
    this.markSelected();
    this.drawHeat();
    this.send("picked", number);
  }

  drawBoxes() {
    const { garments, width, height } = this.data;
    const above = new Set(garments.map(({ number }) => number));
    const focused = this.boxes.getRootNode().activeElement?.dataset?.number;
    // Small boxes lie over large ones, so that a nested garment can be picked; the tags lie over all of them.
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    const hidden = this.data.still ? [] : this.data.hidden;
    this.drawn = [...garments, ...hidden].sort((a, b) => area(b) - area(a)).map((garment) => {
      const tag = createElement("span", { className: "tag", textContent: garment.tag });
      const box = createElement("button", { type: "button", className: "box", "data-number": garment.number,
        "aria-label": garment.name, onclick: () => this.pick(garment.number) }, tag);
      placeBox(box, garment.box, width, height);
      box.style.setProperty("--color", garment.color);
      box.style.setProperty("--ink", garment.ink);
      return { box, score: garment.score, above: above.has(garment.number) };
    });
    this.followThreshold();
    this.markSelected();
    if (focused) this.boxes.querySelector(`[data-number="${focused}"]`)?.focus();
  }

  // What the slider says now wins over what it said when the server drew the photo.
  followThreshold() {
    const value = this.data.still ? null : thresholdSlider()?.getAttribute("aria-valuetext");
    const visible = this.drawn.filter(({ score, above }) => (value ? score >= Number(value) - 1e-9 : above));
    this.boxes.replaceChildren(...visible.map(({ box }) => box));
    this.placeTags();
  }

  // A tag takes the first of the usual places around its box that lies in the photo and hides no tag before it.
  placeTags() {
    const photo = this.frame.getBoundingClientRect();
    const taken = [];
    const hidden = (a) => taken.reduce((sum, b) => sum +
      Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
      Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)), 0);
    const outside = (a) => a.left < photo.left - 1 || a.right > photo.right + 1 || a.top < photo.top - 1 || a.bottom > photo.bottom + 1;
    for (const box of this.boxes.children) {
      const tag = box.firstElementChild;
      let best = null;
      for (const place of PLACES) {
        box.dataset.tag = place;
        const rect = tag.getBoundingClientRect();
        const cost = hidden(rect) + (outside(rect) ? 1e6 : 0);
        if (!best || cost < best.cost) best = { place, rect, cost };
        if (!cost) break;
      }
      box.dataset.tag = best.place;
      taken.push(best.rect);
    }
  }

  markSelected() {
    for (const box of this.boxes.children) {
      box.setAttribute("aria-pressed", String(Number(box.dataset.number) === this.selected));
    }
  }

  drawHeat() {
    const { layers, garments, width, height } = this.data;
    for (const button of this.modes) {
      const on = button.dataset.mode === this.mode;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    this.slider.hidden = this.mode === "none";
    const stages = (this.mode === "attention" && layers?.attention) || [];
    this.drawStages(stages);
    const layer = createElement("img", { alt: "", draggable: "false" });
    this.note.textContent = "";
    let shown = false;
    if (this.mode !== "none" && !layers) {
      this.note.textContent = "Working out the maps…";
    } else if (this.mode !== "none" && !layers.attention.length) {
      this.note.textContent = "The maps of this photo could not be worked out; the log says why.";
    } else if (this.mode === "attention" && stages.length) {
      layer.src = stages[Math.min(this.stage, stages.length - 1)].url;
      placeBox(layer, [0, 0, width, height], width, height);
      shown = true;
    } else if (this.mode === "activation") {
      const garment = garments.find(({ number }) => number === this.selected);
      const url = garment && layers.activation[garment.number];
      if (url) {
        layer.src = url;
        placeBox(layer, garment.box, width, height);
        shown = true;
      } else this.note.textContent = garments.length ? "Choose a garment to see its class activation." : "No garment, so no class activation.";
    }
    this.heat.replaceChildren(...(shown ? [layer] : []));
    this.blend();
  }

  drawStages(stages) {
    this.stages.hidden = stages.length < 2;
    this.stages.replaceChildren(...stages.map(({ name }, index) =>
      createElement("button", { type: "button", role: "radio", className: "mode", textContent: name,
        "aria-checked": String(index === Math.min(this.stage, stages.length - 1)),
        onclick: () => { this.stage = index; this.drawHeat(); } })));
  }

  blend() {
    this.heat.style.opacity = this.opacity;
  }

  key(event) {
    if (this.data.still || event.defaultPrevented || event.altKey) return;
    const target = event.composedPath()[0];
    const mod = event.ctrlKey || event.metaKey;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const rank = event.key.length === 1 ? "12345".indexOf(event.key) : -1;
    const action = mod ? null : { n: event.shiftKey ? "previous" : "next", a: "accept", x: "take out", delete: "take out" }[event.key.toLowerCase()];
    if (isTyping(target) && (rank >= 0 || action || !isClosedList(target))) return;
    if (mod && event.key.toLowerCase() === "z") this.send("reversed", event.shiftKey ? 1 : -1);
    else if (!mod && step) this.send("stepped", step);
    else if (!mod && rank >= 0) this.send("ranked", rank);
    else if (action) this.send("keyed", action);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-viewer");
  if (!root || !data) return;
  let view = views.get(parentElement);
  if (!view) {
    view = new View(root);
    view.listener = (event) => view.key(event);
    document.addEventListener("keydown", view.listener, true);
    views.set(parentElement, view);
  }
  view.show(data, setTriggerValue);
  return () => {
    document.removeEventListener("keydown", view.listener, true);
    view.watcher.disconnect();
    view.slides.disconnect();
    views.delete(parentElement);
    root.replaceChildren();
  };
}
