// A search field that finds any category or label. It never lies over the box that it is about.
import { make, show } from "./dom.js";
import { beside, clamp, stacked } from "./geometry.js";
import { ranked } from "./search.js";

const ENOUGH = 230; // the height of an input and four names
const CLICK_MS = 80; // after which no click comes any more
const BAR = 64; // the bar of buttons that stays at the foot of a narrow screen

export class Finder {
  constructor({ onchoose, onclose }) {
    Object.assign(this, { onchoose, onclose, at: 0, found: [] });
    this.input = make("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-autocomplete": "list", "aria-controls": "lapel-found",
      "aria-label": "Find a category or label", placeholder: "Category or label…", autocomplete: "off", spellcheck: "false", enterkeyhint: "done",
      oninput: () => this.search(), onkeydown: (event) => this.key(event), onblur: () => this.close(false) });
    this.list = make("ul", { className: "found", role: "listbox", id: "lapel-found", "aria-label": "Found" });
    this.none = make("p", { className: "hint", textContent: "Nothing is called so." });
    this.root = make("div", { className: "finder", hidden: true }, this.input, this.list, this.none);
  }

  get open() {
    return !this.root.hidden;
  }

  // What the chosen box is called: the list opens beside it, on a narrow screen under or over it.
  ask(task, stage, text = "") {
    if (!task.box) return;
    this.entries = task.entriesFor(task.box);
    this.input.value = text;
    show(this.root, true);
    this.search();
    this.lie(stage, task.box);
    // On a touch screen the list is enough: a keyboard of its own would cover it.
    if (!window.matchMedia("(pointer: coarse)").matches) this.input.focus({ preventScroll: true });
  }

  lie(stage, { box }) {
    const { offsetLeft: left, offsetHeight: height, offsetParent: frame } = this.root.parentElement;
    const size = { width: this.root.offsetWidth, height: this.root.offsetHeight };
    const at = beside(stage.onScreen(box), size, { left: -left, right: frame.clientWidth - left, height });
    this.root.classList.toggle("placed", Boolean(at));
    Object.assign(this.root.style, at ? { left: `${at.x}px`, top: `${at.y}px` } : { left: "" });
    this.list.style.maxHeight = "";
    if (!at) this.lieBelow(stage, box);
  }

  // On a narrow screen: where there is room for too few names, the photo gives way until a name is chosen.
  lieBelow(stage, box) {
    const { top, height } = stage.root.getBoundingClientRect();
    const room = { top: Math.max(0, -top), bottom: Math.max(window.innerHeight - top - BAR, height / 2) };
    let at = stacked(stage.onScreen(box), room, ENOUGH);
    if (at.height < ENOUGH) {
      const before = stage.lift({ box }, Math.max(room.bottom - ENOUGH - 8, height / 4));
      this.lifted = { stage, before, after: stage.camera };
      at = stacked(stage.onScreen(box), room, ENOUGH);
    }
    const around = this.root.offsetHeight - this.list.offsetHeight;
    this.list.style.maxHeight = `${clamp(at.height - around, 88, 320)}px`;
    this.root.style.top = `${at.over ? at.y - this.root.offsetHeight : at.y}px`;
  }

  // The photo lies as before, unless it was moved meanwhile.
  lower() {
    const { lifted } = this;
    this.lifted = null;
    if (lifted && lifted.stage.camera === lifted.after) lifted.stage.look(lifted.before);
  }

  close(back = true) {
    if (!this.open) return;
    show(this.root, false);
    this.lower();
    this.onclose(back);
  }

  search() {
    this.found = ranked(this.input.value, this.entries, 40);
    this.at = 0;
    show(this.none, !this.found.length);
    this.list.replaceChildren(...this.found.map((entry, index) => {
      const dot = make("span", { className: "swatch" });
      if (entry.colour) dot.style.background = entry.colour;
      return make("li", { role: "option", id: `lapel-found-${index}`, className: entry.kind, onpointerdown: (event) => this.press(event, index), onpointerup: () => this.release(index), onclick: () => this.take(index) },
        dot, make("span", { textContent: entry.text }), make("span", { className: "kind", textContent: entry.kind }));
    }));
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.at)));
    const item = this.list.children[this.at];
    if (!item) return void this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", item.id);
    const top = item.offsetTop - this.list.offsetTop;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + item.offsetHeight > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + item.offsetHeight - this.list.clientHeight;
  }

  press(event, index) {
    event.preventDefault();
    this.pressed = index;
  }

  // A touch screen may take a quick tap for the end of a scroll, and send no click after it.
  release(index) {
    if (this.pressed === index) this.waiting = setTimeout(() => this.take(index), CLICK_MS);
  }

  take(index) {
    clearTimeout(this.waiting);
    this.pressed = null;
    if (!this.open) return;
    const entry = this.found[index];
    if (!entry) return;
    show(this.root, false);
    this.lower();
    this.onchoose(entry);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.mark();
    } else if (event.key === "Enter") this.take(this.at);
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return void event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
  }
}
