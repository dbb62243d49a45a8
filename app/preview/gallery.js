// The batch as tiles: a small picture each with its boxes, one click opens it.
// data: {tiles: [{number, url, alt, width, height, name, note, boxes: [{box, color}]}], selected}
import { createElement } from "../components/dom.js";
import { fillPicture, makePicture, setLine, showTiles } from "../components/tile_grid.js";

const galleries = new WeakMap();

const makeTile = () => {
  const parts = { ...makePicture(), name: createElement("span", { className: "name" }), note: createElement("span", { className: "note" }) };
  const tile = createElement("button", { type: "button", className: "tile card" }, parts.mat, parts.name, parts.note);
  return Object.assign(tile, { parts });
};

const fill = (tile, entry) => {
  fillPicture(tile.parts, entry);
  tile.parts.picture.alt = entry.alt;
  setLine(tile.parts.name, entry.name);
  tile.parts.note.textContent = entry.note;
};

const mark = (gallery, selected) => {
  for (const [number, tile] of gallery.tiles) {
    const on = number === selected;
    tile.setAttribute("aria-current", String(on));
    // Only the gallery scrolls, never the page.
    if (on && gallery.selected !== selected) {
      const { root } = gallery;
      const top = tile.offsetTop - root.offsetTop, left = tile.offsetLeft - root.offsetLeft;
      if (top < root.scrollTop || top + tile.offsetHeight > root.scrollTop + root.clientHeight) root.scrollTop = top - 8;
      if (left < root.scrollLeft || left + tile.offsetWidth > root.scrollLeft + root.clientWidth) root.scrollLeft = left - 8;
    }
  }
  gallery.selected = selected;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-gallery");
  if (!root || !data) return;
  if (!galleries.has(parentElement)) galleries.set(parentElement, { root, tiles: new Map(), selected: null });
  const gallery = galleries.get(parentElement);
  gallery.tiles = showTiles(root, gallery.tiles, data.tiles, (entry) => entry.number, makeTile, (tile, entry) => {
    fill(tile, entry);
    tile.onclick = () => {
      mark(gallery, entry.number);
      setTriggerValue("opened", entry.number);
    };
  });
  mark(gallery, data.selected);
  return () => {
    galleries.delete(parentElement);
    root.replaceChildren();
  };
}
