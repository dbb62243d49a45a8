// A search field that finds any category or label. It never covers the box that it is about.
import { createElement, setVisible } from "../components/dom.js";
import { clamp, placeBelow, placeBeside } from "./geometry.js";
import { ranked } from "./search.js";

const COMFORTABLE_HEIGHT = 230; // the height of an input and four names
const CLICK_MS = 80; // after which no click comes any more
const TOOLBAR_HEIGHT = 64; // the bar of buttons that stays at the foot of a narrow screen

export class LabelPicker {
  constructor({ onChoose, onClose }) {
    Object.assign(this, { onChoose, onClose, active: 0, matches: [] });
    this.input = createElement("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-autocomplete": "list", "aria-controls": "lapel-found",
      "aria-label": "Find a category or label", placeholder: "Category or label…", autocomplete: "off", spellcheck: "false", enterkeyhint: "done",
      oninput: () => this.search(), onkeydown: (event) => this.key(event), onblur: () => this.close(false) });
    this.list = createElement("ul", { className: "found", role: "listbox", id: "lapel-found", "aria-label": "Found" });
    this.none = createElement("p", { className: "hint", textContent: "Nothing is called so." });
    this.root = createElement("div", { className: "finder", hidden: true }, this.input, this.list, this.none);
  }

  get isOpen() {
    return !this.root.hidden;
  }

  // What the chosen box is called: the list opens beside it, on a narrow screen under or over it.
  open(task, stage, text = "") {
    if (!task.box) return;
    this.entries = task.entriesFor(task.box);
    this.input.value = text;
    setVisible(this.root, true);
    this.search();
    this.position(stage, task.box);
    // On a touch screen the list is enough: a keyboard of its own would cover it.
    if (!window.matchMedia("(pointer: coarse)").matches) this.input.focus({ preventScroll: true });
  }

  position(stage, { box }) {
    const { offsetLeft: left, offsetHeight: height, offsetParent: frame } = this.root.parentElement;
    const size = { width: this.root.offsetWidth, height: this.root.offsetHeight };
    const at = placeBeside(stage.toViewBox(box), size, { left: -left, right: frame.clientWidth - left, height });
    this.root.classList.toggle("placed", Boolean(at));
    Object.assign(this.root.style, at ? { left: `${at.x}px`, top: `${at.y}px` } : { left: "" });
    this.list.style.maxHeight = "";
    if (!at) this.positionBelow(stage, box);
  }

  // On a narrow screen: where there is room for too few names, the photo gives way until a name is chosen.
  positionBelow(stage, box) {
    const { top, height } = stage.root.getBoundingClientRect();
    const room = { top: Math.max(0, -top), bottom: Math.max(window.innerHeight - top - TOOLBAR_HEIGHT, height / 2) };
    let at = placeBelow(stage.toViewBox(box), room, COMFORTABLE_HEIGHT);
    if (at.height < COMFORTABLE_HEIGHT) {
      const before = stage.revealAbove({ box }, Math.max(room.bottom - COMFORTABLE_HEIGHT - 8, height / 4));
      this.revealed = { stage, before, after: stage.camera };
      at = placeBelow(stage.toViewBox(box), room, COMFORTABLE_HEIGHT);
    }
    const around = this.root.offsetHeight - this.list.offsetHeight;
    this.list.style.maxHeight = `${clamp(at.height - around, 88, 320)}px`;
    this.root.style.top = `${at.over ? at.y - this.root.offsetHeight : at.y}px`;
  }

  // The photo lies as before, unless it was moved meanwhile.
  restoreCamera() {
    const { revealed } = this;
    this.revealed = null;
    if (revealed && revealed.stage.camera === revealed.after) revealed.stage.setCamera(revealed.before);
  }

  close(back = true) {
    if (!this.isOpen) return;
    setVisible(this.root, false);
    this.restoreCamera();
    this.onClose(back);
  }

  search() {
    this.matches = ranked(this.input.value, this.entries, 40);
    this.active = 0;
    setVisible(this.none, !this.matches.length);
    this.list.replaceChildren(...this.matches.map((entry, index) => {
      const dot = createElement("span", { className: "swatch" });
      if (entry.color) dot.style.background = entry.color;
      const key = entry.number && !this.input.value ? createElement("kbd", { textContent: entry.number }) : null;
      return createElement("li", { role: "option", id: `lapel-found-${index}`, className: entry.kind, onpointerdown: (event) => this.press(event, index), onpointerup: () => this.release(index), onclick: () => this.choose(index) },
        dot, createElement("span", { textContent: entry.text }), createElement("span", { className: "kind", textContent: entry.kind }), key);
    }));
    this.markActive();
  }

  markActive() {
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.active)));
    const item = this.list.children[this.active];
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
    if (this.pressed === index) this.tapTimer = setTimeout(() => this.choose(index), CLICK_MS);
  }

  choose(index) {
    clearTimeout(this.tapTimer);
    this.pressed = null;
    if (!this.isOpen) return;
    const entry = this.matches[index];
    if (!entry) return;
    setVisible(this.root, false);
    this.restoreCamera();
    this.onChoose(entry);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const numbered = this.input.value ? -1 : this.matches.findIndex(({ number }) => String(number) === event.key);
    if (step && this.matches.length) {
      this.active = (this.active + step + this.matches.length) % this.matches.length;
      this.markActive();
    } else if (numbered >= 0) this.choose(numbered);
    else if (event.key === "Enter") this.choose(this.active);
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return void event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
  }
}
