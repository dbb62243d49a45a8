// Garments as crops, to choose many of them and to mend them at once. Choosing happens here; actions go to the server.
// data: {tiles: [{key, url, alt, name, category, label, mark, color}], all: [key], categories: [{name, text}], labels: [name]}
// out:  trigger "action" {name, value, keys}; "opened" key; "reversed" -1 or 1
import { createElement, isClosedList, isTyping } from "../components/dom.js";
import { between, fillPicture, makePicture, showTiles, stepThrough } from "../components/tile_grid.js";

const boards = new WeakMap();

class Board {
  constructor(root) {
    Object.assign(this, { root, chosen: new Set(), last: null, tiles: new Map() });
    this.count = createElement("span", { className: "count", role: "status" });
    this.every = this.button("", () => this.chooseAll());
    this.none = this.button("Choose none", () => this.choose(new Set()));
    this.category = this.list("Set category");
    this.label = this.list("Set label");
    this.accept = this.button("Accept", () => this.perform("accept"), "A");
    this.out = this.button("Take out", () => this.perform("take out"), "X");
    this.open = this.button("Open photo", () => this.send("opened", [...this.chosen][0]), "Enter");
    this.bar = createElement("div", { className: "actions", role: "toolbar", "aria-label": "Chosen garments" },
      this.count, this.every, this.none, this.category, this.label, this.accept, this.out, this.open);
    this.grid = createElement("div", { className: "crops grid", role: "group", "aria-label": "Garments" });
    root.append(this.bar, this.grid);
  }

  button(text, onclick, key = "") {
    const button = createElement("button", { type: "button", className: "action", textContent: text, onclick });
    if (key) {
      button.title = `${text} (${key})`;
      button.setAttribute("aria-keyshortcuts", key);
    }
    return button;
  }

  list(text) {
    const list = createElement("select", { className: "action", "aria-label": text });
    list.onchange = () => {
      const value = list.value;
      list.value = "";
      if (value) this.perform(list === this.category ? "category" : "label", value);
    };
    return list;
  }

  show(data, send) {
    Object.assign(this, { data, send });
    const known = new Set(data.all);
    this.chosen = new Set([...this.chosen].filter((key) => known.has(key)));
    this.fill(this.category, "Set category", data.categories);
    this.fill(this.label, "Set label", data.labels.map((name) => ({ name, text: name })));
    this.tiles = showTiles(
      this.grid, this.tiles, data.tiles, (entry) => entry.key, (key) => this.makeTile(key), (tile, entry) => this.fillTile(tile, entry),
    );
    this.mark();
  }

  fill(list, text, entries) {
    const given = JSON.stringify(entries);
    if (list.dataset.given === given) return;
    list.dataset.given = given;
    list.replaceChildren(createElement("option", { value: "", textContent: `${text}…` }),
      ...entries.map((entry) => createElement("option", { value: entry.name, textContent: entry.text })));
  }

  makeTile(key) {
    const parts = { ...makePicture(), title: createElement("span", { className: "name" }), note: createElement("span", { className: "note" }) };
    const tile = createElement("button", { type: "button", className: "garment card colored", role: "checkbox", "data-key": key },
      parts.mat, parts.title, parts.note);
    tile.onclick = (event) => this.pick(key, event.shiftKey);
    tile.ondblclick = () => this.send("opened", key);
    return Object.assign(tile, { parts });
  }

  fillTile(tile, { url, alt, name, category, label, mark, color }) {
    fillPicture(tile.parts, { url, crop: true });
    tile.setAttribute("aria-label", alt);
    tile.title = name;
    tile.style.setProperty("--category", color);
    tile.parts.title.textContent = label;
    tile.parts.note.textContent = `${category} ${mark}`;
  }

  // A click chooses or leaves; with Shift all between the last one and this are as the last one is.
  pick(key, extend) {
    const keys = this.data.tiles.map((entry) => entry.key);
    const chosen = new Set(this.chosen);
    if (extend && this.last !== null && keys.includes(this.last)) {
      const on = this.chosen.has(this.last);
      for (const one of between(keys, this.last, key)) on ? chosen.add(one) : chosen.delete(one);
    } else if (chosen.has(key)) chosen.delete(key);
    else chosen.add(key);
    this.last = key;
    this.choose(chosen);
  }

  chooseAll() {
    this.choose(new Set(this.data.all));
  }

  choose(chosen) {
    this.chosen = chosen;
    this.mark();
  }

  mark() {
    const { size } = this.chosen;
    for (const [key, tile] of this.tiles) tile.setAttribute("aria-checked", String(this.chosen.has(key)));
    const elsewhere = size - [...this.tiles.keys()].filter((key) => this.chosen.has(key)).length;
    this.count.textContent = size ? `${size} chosen${elsewhere ? `, ${elsewhere} on other pages` : ""}` : "Click garments to choose them";
    this.every.textContent = `Choose all ${this.data.all.length}`;
    this.every.disabled = size === this.data.all.length;
    this.open.disabled = size !== 1;
    for (const control of [this.none, this.category, this.label, this.accept, this.out]) control.disabled = !size;
  }

  perform(name, value = "") {
    if (this.chosen.size) this.send("action", { name, value, keys: [...this.chosen] });
  }

  // What is chosen is for the whole page: a button that was just pressed, and is off by now, has lost the focus.
  key(event) {
    const path = event.composedPath();
    const isInside = path.includes(this.root);
    if (event.defaultPrevented || event.altKey || path[0] instanceof HTMLSelectElement) return;
    if (!isInside && isTyping(path[0]) && !isClosedList(path[0])) return;
    const mod = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (mod && key === "z") this.send("reversed", event.shiftKey ? 1 : -1);
    else if (mod && key === "a" && isInside) this.chooseAll();
    else if (mod) return;
    else if (key === "a") this.perform("accept");
    else if (key === "x" || key === "Delete") this.perform("take out");
    else if (!isInside) return;
    else if (key === "Escape") this.choose(new Set());
    else if (key === "Enter" && this.chosen.size === 1) this.send("opened", [...this.chosen][0]);
    else if (!stepThrough([...this.tiles.values()], key)) return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-garments");
  if (!root || !data) return;
  let board = boards.get(parentElement);
  if (!board) {
    board = new Board(root);
    board.listener = (event) => board.key(event);
    document.addEventListener("keydown", board.listener, true);
    boards.set(parentElement, board);
  }
  board.show(data, setTriggerValue);
  return () => {
    document.removeEventListener("keydown", board.listener, true);
    boards.delete(parentElement);
    root.replaceChildren();
  };
}
