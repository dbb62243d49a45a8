// Garments as crops, to choose many of them and to mend them at once. Choosing happens here; acts go to the server.
// data: {tiles: [{key, url, alt, name, category, label, mark, color}], all: [key], categories: [{name, text}], labels: [name]}
// out:  trigger "act" {name, value, keys}; "opened" key; "reversed" -1 or 1
const boards = new WeakMap();

const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on") || name === "textContent" || name === "className" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

class Board {
  constructor(root) {
    Object.assign(this, { root, chosen: new Set(), last: null, tiles: new Map() });
    this.count = make("span", { className: "count", role: "status" });
    this.every = this.button("", () => this.chooseAll());
    this.none = this.button("Choose none", () => this.choose(new Set()));
    this.category = this.list("Set category");
    this.label = this.list("Set label");
    this.accept = this.button("Accept", () => this.act("accept"), "A");
    this.out = this.button("Take out", () => this.act("take out"), "X");
    this.open = this.button("Open photo", () => this.send("opened", [...this.chosen][0]), "Enter");
    this.bar = make("div", { className: "acts", role: "toolbar", "aria-label": "Chosen garments" },
      this.count, this.every, this.none, this.category, this.label, this.accept, this.out, this.open);
    this.grid = make("div", { className: "crops", role: "group", "aria-label": "Garments" });
    root.append(this.bar, this.grid);
    root.onkeydown = (event) => this.key(event);
  }

  button(text, onclick, key = "") {
    const button = make("button", { type: "button", className: "act", textContent: text, onclick });
    if (key) {
      button.title = `${text} (${key})`;
      button.setAttribute("aria-keyshortcuts", key);
    }
    return button;
  }

  list(text) {
    const list = make("select", { className: "act", "aria-label": text });
    list.onchange = () => {
      const value = list.value;
      list.value = "";
      if (value) this.act(list === this.category ? "category" : "label", value);
    };
    return list;
  }

  show(data, send) {
    Object.assign(this, { data, send });
    const known = new Set(data.all);
    this.chosen = new Set([...this.chosen].filter((key) => known.has(key)));
    this.fill(this.category, "Set category", data.categories);
    this.fill(this.label, "Set label", data.labels.map((name) => ({ name, text: name })));
    const reused = new Map();
    const tiles = data.tiles.map((entry) => {
      const tile = this.tiles.get(entry.key) ?? this.makeTile(entry.key);
      this.fillTile(tile, entry);
      reused.set(entry.key, tile);
      return tile;
    });
    // Moving a node takes the focus from it: touch the order only where it changed.
    const inPlace = tiles.length === this.grid.children.length && tiles.every((tile, index) => this.grid.children[index] === tile);
    if (!inPlace) this.grid.replaceChildren(...tiles);
    this.tiles = reused;
    this.mark();
  }

  fill(list, text, entries) {
    const given = JSON.stringify(entries);
    if (list.dataset.given === given) return;
    list.dataset.given = given;
    list.replaceChildren(make("option", { value: "", textContent: `${text}…` }),
      ...entries.map((entry) => make("option", { value: entry.name, textContent: entry.text })));
  }

  makeTile(key) {
    const picture = make("img", { className: "crop", draggable: "false", loading: "lazy" });
    const title = make("span", { className: "title" });
    const note = make("span", { className: "note" });
    const tile = make("button", { type: "button", className: "garment", role: "checkbox", "data-key": key },
      make("span", { className: "mat" }, picture), title, note);
    tile.onclick = (event) => this.pick(key, event.shiftKey);
    tile.ondblclick = () => this.send("opened", key);
    return Object.assign(tile, { parts: { picture, title, note } });
  }

  fillTile(tile, { url, alt, name, category, label, mark, color }) {
    const { picture, title, note } = tile.parts;
    if (picture.getAttribute("src") !== url) picture.src = url;
    picture.alt = "";
    tile.setAttribute("aria-label", alt);
    tile.title = name;
    tile.style.setProperty("--color", color);
    title.textContent = label;
    note.textContent = `${category} ${mark}`;
  }

  // A click chooses or leaves; with Shift all between the last one and this are as the last one is.
  pick(key, extend) {
    const keys = this.data.tiles.map((entry) => entry.key);
    const chosen = new Set(this.chosen);
    if (extend && this.last !== null && keys.includes(this.last)) {
      const [from, to] = [keys.indexOf(this.last), keys.indexOf(key)].sort((a, b) => a - b);
      const on = this.chosen.has(this.last);
      for (const between of keys.slice(from, to + 1)) on ? chosen.add(between) : chosen.delete(between);
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

  act(name, value = "") {
    if (this.chosen.size) this.send("act", { name, value, keys: [...this.chosen] });
  }

  key(event) {
    if (event.altKey || event.target instanceof HTMLSelectElement) return;
    const mod = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (mod && key === "z") this.send("reversed", event.shiftKey ? 1 : -1);
    else if (mod && key === "a") this.chooseAll();
    else if (mod) return;
    else if (key === "a") this.act("accept");
    else if (key === "x" || key === "Delete") this.act("take out");
    else if (key === "Escape") this.choose(new Set());
    else if (key === "Enter" && this.chosen.size === 1) this.send("opened", [...this.chosen][0]);
    else if (!this.step(key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  step(key) {
    const tiles = [...this.grid.children];
    const at = tiles.indexOf(this.grid.getRootNode().activeElement);
    const across = tiles.findIndex((tile) => tile.offsetTop !== tiles[0].offsetTop);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
    if (at < 0 || !step) return false;
    tiles[Math.min(Math.max(at + step, 0), tiles.length - 1)].focus();
    return true;
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-garments");
  if (!root || !data) return;
  if (!boards.has(parentElement)) boards.set(parentElement, new Board(root));
  boards.get(parentElement).show(data, setTriggerValue);
  return () => {
    boards.delete(parentElement);
    root.replaceChildren();
  };
}
