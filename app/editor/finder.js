// A box to type in that finds any category or label.
import { make, show } from "./dom.js";
import { beside } from "./geometry.js";
import { ranked } from "./search.js";

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

  // What the chosen box is called: the list opens beside it, on a narrow screen in the middle.
  ask(task, stage, text = "") {
    if (!task.box) return;
    this.entries = task.entriesFor(task.box);
    this.input.value = text;
    show(this.root, true);
    this.search();
    this.lie(stage.onScreen(task.box.box));
    // On a touch screen the list is enough: a keyboard of its own would cover it.
    if (!window.matchMedia("(pointer: coarse)").matches) this.input.focus({ preventScroll: true });
  }

  lie(box) {
    const { offsetLeft: left, offsetHeight: height, offsetParent: frame } = this.root.parentElement;
    const size = { width: this.root.offsetWidth, height: this.root.offsetHeight };
    const at = beside(box, size, { left: -left, right: frame.clientWidth - left, height });
    this.root.classList.toggle("placed", Boolean(at));
    Object.assign(this.root.style, at ? { left: `${at.x}px`, top: `${at.y}px` } : { left: "", top: "" });
  }

  close(back = true) {
    if (!this.open) return;
    show(this.root, false);
    this.onclose(back);
  }

  search() {
    this.found = ranked(this.input.value, this.entries, 40);
    this.at = 0;
    show(this.none, !this.found.length);
    this.list.replaceChildren(...this.found.map((entry, index) => {
      const dot = make("span", { className: "swatch" });
      if (entry.colour) dot.style.background = entry.colour;
      return make("li", { role: "option", id: `lapel-found-${index}`, className: entry.kind, onpointerdown: (event) => event.preventDefault(), onclick: () => this.take(index) },
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

  take(index) {
    const entry = this.found[index];
    if (!entry) return;
    show(this.root, false);
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
