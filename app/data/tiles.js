// Photos or crops as tiles, to open one or to choose many.
// data: {tiles: [{key, url, alt, width, height, crop, name, note, color, boxes: [{box, color}]}], chosen: [key], opened}
// out:  trigger "opened" key; "chose" {keys, on}
const boards = new WeakMap();

const make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
};

class Board {
  constructor(root) {
    Object.assign(this, { root, tiles: new Map(), chosen: new Set(), last: null, opened: null });
    root.onkeydown = (event) => this.step(event);
  }

  makeTile(key) {
    const picture = make("img", "picture");
    picture.loading = "lazy";
    picture.draggable = false;
    const boxes = make("span", "boxes");
    const fit = make("span", "fit", picture, boxes);
    const name = make("span", "name");
    const note = make("span", "note");
    const open = make("button", "open", make("span", "mat", fit), name, note);
    open.type = "button";
    open.onclick = (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey) this.choose(key, !this.chosen.has(key), event.shiftKey);
      else this.open(key);
    };
    const tick = make("input", "tick");
    tick.type = "checkbox";
    tick.onclick = (event) => this.choose(key, tick.checked, event.shiftKey);
    const tile = make("div", "tile", open, make("label", "ticked", tick));
    return Object.assign(tile, { parts: { picture, boxes, fit, name, note, open, tick } });
  }

  fill(tile, { url, alt, width, height, crop, name, note, color, boxes }) {
    const { parts } = tile;
    if (parts.picture.getAttribute("src") !== url) parts.picture.src = url;
    parts.picture.alt = "";
    parts.picture.hidden = !url;
    parts.open.setAttribute("aria-label", alt);
    parts.tick.setAttribute("aria-label", `Choose ${alt}`);
    tile.classList.toggle("crop", crop);
    tile.style.setProperty("--category", color || "transparent");
    parts.fit.style.aspectRatio = crop ? "" : `${width} / ${height}`;
    parts.fit.style.width = crop ? "" : `${100 * Math.min(1, width / height)}%`;
    parts.name.textContent = name;
    parts.name.title = name;
    parts.note.textContent = note;
    parts.note.title = note;
    parts.boxes.replaceChildren(...boxes.map(({ box: [x0, y0, x1, y1], color: line }) => {
      const span = make("span", "box");
      Object.assign(span.style, {
        left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
        width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%`, borderColor: line,
      });
      return span;
    }));
  }

  show(data, send) {
    this.send = send;
    this.keys = data.tiles.map((entry) => entry.key);
    this.chosen = new Set(data.chosen);
    this.opened = data.opened;
    const reused = new Map();
    const tiles = data.tiles.map((entry) => {
      const tile = this.tiles.get(entry.key) ?? this.makeTile(entry.key);
      this.fill(tile, entry);
      reused.set(entry.key, tile);
      return tile;
    });
    // Moving a node takes the focus from it: touch the order only where it changed.
    const inPlace = tiles.length === this.root.children.length && tiles.every((tile, index) => this.root.children[index] === tile);
    if (!inPlace) this.root.replaceChildren(...tiles);
    this.tiles = reused;
    if (!reused.has(this.last)) this.last = null;
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
    let keys = [key];
    if (extend && this.last !== null) {
      const [from, to] = [this.keys.indexOf(this.last), this.keys.indexOf(key)].sort((a, b) => a - b);
      keys = this.keys.slice(from, to + 1);
      on = true;
    }
    this.last = key;
    for (const one of keys) on ? this.chosen.add(one) : this.chosen.delete(one);
    this.mark();
    this.send("chose", { keys, on });
  }

  step(event) {
    const buttons = [...this.tiles.values()].map((tile) => tile.parts.open);
    const at = buttons.indexOf(this.root.getRootNode().activeElement);
    if (at < 0) return;
    const tops = buttons.map((button) => button.getBoundingClientRect().top);
    const across = Math.max(1, tops.findIndex((top) => Math.abs(top - tops[0]) > 2));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (!step) return;
    buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)].focus();
    event.preventDefault();
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
