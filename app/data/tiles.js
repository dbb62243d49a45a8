// Photos or crops as tiles, to open one or to choose many.
// data: {tiles: [{key, url, alt, width, height, crop, name, note, color, boxes: [{box, color}]}], chosen: [key], opened}
// out:  trigger "opened" key; "chose" {keys, on}
import { createElement } from "../components/dom.js";
import { between, fillPicture, makePicture, setLine, showTiles, stepThrough } from "../components/tile_grid.js";

const boards = new WeakMap();

class Board {
  constructor(root) {
    Object.assign(this, { root, tiles: new Map(), chosen: new Set(), last: null, opened: null });
    root.onkeydown = (event) => {
      if (stepThrough([...this.tiles.values()].map((tile) => tile.parts.open), event.key)) event.preventDefault();
    };
  }

  makeTile(key) {
    const parts = { ...makePicture(), name: createElement("span", { className: "name" }), note: createElement("span", { className: "note" }) };
    parts.open = createElement("button", { type: "button", className: "open card colored" }, parts.mat, parts.name, parts.note);
    parts.open.onclick = (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey) this.choose(key, !this.chosen.has(key), event.shiftKey);
      else this.open(key);
    };
    parts.tick = createElement("input", { type: "checkbox", className: "tick" });
    parts.tick.onclick = (event) => this.choose(key, parts.tick.checked, event.shiftKey);
    const tile = createElement("div", { className: "tile" }, parts.open, createElement("label", { className: "ticked" }, parts.tick));
    return Object.assign(tile, { parts });
  }

  fill(tile, entry) {
    const { parts } = tile;
    fillPicture(parts, entry);
    parts.open.setAttribute("aria-label", entry.alt);
    parts.tick.setAttribute("aria-label", `Choose ${entry.alt}`);
    tile.classList.toggle("crop", entry.crop);
    tile.style.setProperty("--category", entry.color || "transparent");
    setLine(parts.name, entry.name);
    setLine(parts.note, entry.note);
  }

  show(data, send) {
    this.send = send;
    this.keys = data.tiles.map((entry) => entry.key);
    this.chosen = new Set(data.chosen);
    this.opened = data.opened;
    this.tiles = showTiles(
      this.root, this.tiles, data.tiles, (entry) => entry.key, (key) => this.makeTile(key), (tile, entry) => this.fill(tile, entry),
    );
    if (!this.tiles.has(this.last)) this.last = null;
    this.mark();
  }

  mark() {
    for (const [key, tile] of this.tiles) {
      tile.parts.tick.checked = this.chosen.has(key);
      tile.classList.toggle("chosen", this.chosen.has(key));
      tile.parts.open.setAttribute("aria-current", String(key === this.opened));
    }
  }

  open(key) {
    this.opened = key;
    this.mark();
    this.send("opened", key);
  }

  // With Shift, all between the tile that was ticked last and this one.
  choose(key, on, extend) {
    const many = extend && this.last !== null;
    const keys = many ? between(this.keys, this.last, key) : [key];
    this.last = key;
    for (const one of keys) on || many ? this.chosen.add(one) : this.chosen.delete(one);
    this.mark();
    this.send("chose", { keys, on: on || many });
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-tiles");
  if (!root || !data) return;
  if (!boards.has(parentElement)) boards.set(parentElement, new Board(root));
  boards.get(parentElement).show(data, setTriggerValue);
  return () => {
    boards.delete(parentElement);
    root.replaceChildren();
  };
}
