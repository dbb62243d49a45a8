// Beside the photo: the chosen box with its labels, and the list of all boxes, one stop of the Tab key each.
import { actionButton } from "./toolbars.js";
import { createElement, setText, setVisible } from "../components/dom.js";
import { icon } from "./icons.js";
import { displayNames, flagsOf, originOf, undecided } from "./boxes.js";

const ORIGINS = { proposed: "proposed", accepted: "accepted", drawn: "drawn" };

export const describe = (box, task) =>
  [...displayNames(box, task), ...flagsOf(box), box.score === null ? null : `score ${box.score.toFixed(2)}`, originOf(box)]
    .filter(Boolean).join(", ");

export class Sidebar {
  // handlers: run(action), choose(choice), flag(name), select(uid), resolve(uid, action), draw(category)
  constructor(handlers) {
    this.handlers = handlers;
    this.rows = new Map();
    this.title = createElement("span", { className: "what" });
    this.swatch = createElement("span", { className: "swatch" });
    this.note = createElement("span", { className: "note" });
    this.choices = createElement("div", { className: "choices", role: "group", "aria-label": "Labels of the chosen box" });
    this.flags = createElement("div", { className: "flags", role: "group", "aria-label": "Flags of the chosen box" });
    this.tools = createElement("div", { className: "tools" }, ...["accept", "reject", "search", "tighten", "duplicate", "copy", "remove"].map((name) => actionButton(name, handlers.run)));
    this.chosen = createElement("section", { className: "chosen", "aria-label": "Chosen box" },
      createElement("div", { className: "head" }, this.swatch, this.title, this.note), this.choices, this.flags, this.tools);
    this.drawing = createElement("div", { className: "choices drawing", role: "group", "aria-label": "Category to draw" });
    this.pasting = createElement("div", { className: "tools" }, actionButton("paste", handlers.run, { caption: true, className: "small" }), actionButton("pasteBefore", handlers.run, { caption: true, className: "small" }));
    this.hint = createElement("section", { className: "hint", "aria-label": "No box is chosen" },
      createElement("p", { textContent: "Click a box to choose it, or drag to draw one. A number draws its category:" }), this.drawing, this.pasting);
    this.count = createElement("span", { className: "count" });
    this.all = actionButton("acceptAll", handlers.run, { caption: true, className: "small" });
    this.list = createElement("ul", { className: "rows", "aria-label": "Boxes" });
    this.list.onkeydown = (event) => this.key(event);
    this.root = createElement("div", { className: "side" }, this.hint, this.chosen,
      createElement("section", { className: "all", "aria-label": "All boxes" }, createElement("div", { className: "head" }, this.count, this.all), this.list));
  }

  render({ task, locked, readonly, next }) {
    this.renderChosen(task, locked, readonly);
    this.renderDrawing(task, locked, next);
    const open = task.boxes.filter(undecided).length;
    const boxes = `${task.boxes.length} ${task.boxes.length === 1 ? "box" : "boxes"}`;
    setText(this.count, open ? `${boxes}, ${open} to decide` : boxes);
    setVisible(this.all, !readonly && open > 0);
    this.all.disabled = locked;
    this.renderRows(task, locked, readonly);
  }

  renderChosen(task, locked, readonly) {
    const { box } = task;
    setVisible(this.hint, !task.asksForLabel && !readonly);
    setVisible(this.chosen, Boolean(box));
    if (!box) return;
    const { color } = task.categories.get(box.category) ?? {};
    this.swatch.style.background = color;
    setText(this.title, task.nameOf(box));
    const [x0, y0, x1, y1] = box.box;
    const parts = [box.label, box.score === null ? null : box.score.toFixed(2), `${Math.round(x1 - x0)} × ${Math.round(y1 - y0)} px`];
    setText(this.note, parts.filter(Boolean).join(" · "));
    setVisible(this.choices, !readonly && task.asksForLabel);
    setVisible(this.tools, !readonly);
    setVisible(this.flags, !readonly || flagsOf(box).length > 0);
    const names = task.flagNames(box);
    if (names.join() !== this.flagged) this.flags.replaceChildren(...names.map((name) => createElement("button", { type: "button", className: "flag", "data-flag": name, textContent: name, onclick: () => this.handlers.flag(name) })));
    this.flagged = names.join();
    for (const button of this.flags.children) {
      button.setAttribute("aria-pressed", String(flagsOf(box).includes(button.dataset.flag)));
      button.disabled = locked;
    }
    this.renderChoices(task, locked);
    for (const button of this.tools.children) button.disabled = locked || (button.dataset.action === "accept" && box.accepted);
  }

  renderDrawing(task, locked, next) {
    const entries = task.categoryKeys();
    const state = JSON.stringify([entries, locked, next?.value]);
    if (task.asksForLabel || state === this.drawable) return;
    this.drawable = state;
    this.drawing.replaceChildren(...entries.map((entry, index) => {
      const swatch = createElement("span", { className: "swatch" });
      swatch.style.background = entry.color;
      const button = createElement("button", { type: "button", className: "choice", "aria-pressed": String(entry.value === next?.value), "aria-keyshortcuts": String(index + 1),
        onclick: () => this.handlers.draw(entry) }, createElement("kbd", { textContent: index + 1 }), swatch, createElement("span", { className: "text", textContent: entry.text }));
      button.disabled = locked;
      return button;
    }));
    for (const button of this.pasting.children) button.disabled = locked;
  }

  renderChoices(task, locked) {
    const entries = task.choices();
    const state = JSON.stringify([entries, task.box.label, task.box.category, locked]);
    if (state === this.shown) return;
    this.shown = state;
    this.choices.replaceChildren(...entries.map((entry, index) => {
      const on = entry.kind === "label" ? entry.value === task.box.label : entry.value === task.box.category && !task.box.label;
      const share = entry.share === null ? null : createElement("span", { className: "share", textContent: `${Math.round(entry.share * 100)} %` });
      const button = createElement("button", { type: "button", className: "choice", "aria-pressed": String(on), "aria-keyshortcuts": String(index + 1),
        onclick: () => this.handlers.choose(entry) }, createElement("kbd", { textContent: index + 1 }), createElement("span", { className: "text", textContent: entry.text }), share);
      button.disabled = locked;
      if (entry.share !== null) button.style.setProperty("--share", `${Math.round(entry.share * 100)}%`);
      return button;
    }));
  }

  // Rows are built once a box; what did not change stays as it is.
  renderRows(task, locked, readonly) {
    const kept = new Map();
    for (const box of task.boxes) {
      const row = this.rows.get(box.uid) ?? this.rowFor(box.uid);
      if (row.box !== box || row.locked !== locked) this.fillRow(row, box, task, locked, readonly);
      kept.set(box.uid, row);
    }
    const wanted = [...kept.values()].map(({ element }) => element);
    for (const [uid, { element }] of this.rows) if (!kept.has(uid)) element.remove();
    wanted.forEach((element, index) => {
      if (this.list.children[index] !== element) this.list.insertBefore(element, this.list.children[index] ?? null);
    });
    this.rows = kept;
    this.mark(task.selected);
  }

  rowFor(uid) {
    const swatch = createElement("span", { className: "swatch" });
    const name = createElement("span", { className: "name" });
    const label = createElement("span", { className: "label" });
    const badge = createElement("span", { className: "badge" });
    const score = createElement("span", { className: "score" });
    const main = createElement("button", { type: "button", className: "row", tabindex: "-1", onclick: () => this.handlers.select(uid) },
      swatch, createElement("span", { className: "names" }, name, label), score, badge);
    const accept = createElement("button", { type: "button", className: "mini", tabindex: "-1", onclick: () => this.handlers.resolve(uid, "accept") }, icon("accept"));
    const remove = createElement("button", { type: "button", className: "mini", tabindex: "-1", onclick: () => this.handlers.resolve(uid, "remove") }, icon("reject"));
    return { element: createElement("li", { "data-uid": uid }, main, accept, remove), swatch, name, label, badge, score, main, accept, remove };
  }

  fillRow(row, box, task, locked, readonly) {
    Object.assign(row, { box, locked });
    const origin = originOf(box);
    const { color } = task.categories.get(box.category) ?? {};
    const description = describe(box, task);
    row.swatch.style.background = color;
    setText(row.name, task.nameOf(box));
    setText(row.label, [displayNames(box, task)[1], ...flagsOf(box)].filter(Boolean).join(" · "));
    setText(row.badge, ORIGINS[origin]);
    row.badge.dataset.origin = origin;
    setText(row.score, box.score === null ? "" : box.score.toFixed(2));
    row.main.setAttribute("aria-label", description);
    row.accept.setAttribute("aria-label", row.accept.title = `Accept ${task.nameOf(box)}`);
    row.remove.setAttribute("aria-label", row.remove.title = `Remove ${task.nameOf(box)}`);
    row.accept.style.visibility = box.accepted ? "hidden" : "";
    row.accept.disabled = row.remove.disabled = locked;
    setVisible(row.accept, !readonly);
    setVisible(row.remove, !readonly);
  }

  mark(selected) {
    let stop = null;
    for (const [uid, { element, main }] of this.rows) {
      const on = uid === selected;
      main.setAttribute("aria-current", String(on));
      main.tabIndex = -1;
      if (on || !stop) stop = main;
      if (on && this.marked !== uid) this.scrollTo(element);
    }
    if (stop) stop.tabIndex = 0;
    this.marked = selected;
  }

  // Only the list scrolls, never the page.
  scrollTo(element) {
    const { list } = this;
    const top = element.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top - 8;
    else if (top + element.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + element.offsetHeight - list.clientHeight + 8;
  }

  // Up and down go through the rows, left and right through a row's buttons.
  key(event) {
    const item = event.target.closest("li");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...this.list.children];
    const at = items.indexOf(item);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    const buttons = [...item.children].filter((button) => !button.disabled && button.style.visibility !== "hidden");
    const beside = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (to !== undefined && items[to]) {
      this.handlers.select(items[to].dataset.uid);
      items[to].firstChild.focus({ preventScroll: true });
    } else if (beside) buttons[buttons.indexOf(event.target) + beside]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
