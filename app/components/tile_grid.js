// Pictures as tiles in a grid: what the gallery, the garments and the photos found share.
import { createElement, placeBox } from "./dom.js";

// A square with a picture in it and boxes over the picture.
export const makePicture = () => {
  const picture = createElement("img", { className: "picture", loading: "lazy", draggable: "false", alt: "" });
  const boxes = createElement("span", { className: "boxes" });
  const fit = createElement("span", { className: "fit" }, picture, boxes);
  return { picture, boxes, fit, mat: createElement("span", { className: "mat" }, fit) };
};

export const fillPicture = ({ picture, boxes, fit }, { url, width, height, boxes: drawn = [], crop = false }) => {
  if (picture.getAttribute("src") !== url) picture.src = url;
  picture.hidden = !url;
  fit.style.aspectRatio = crop ? "" : `${width} / ${height}`;
  fit.style.width = crop ? "" : `${100 * Math.min(1, width / height)}%`;
  boxes.replaceChildren(...drawn.map(({ box, color }) => {
    const span = placeBox(createElement("span", { className: "box" }), box, width, height);
    span.style.borderColor = color;
    return span;
  }));
};

export const setLine = (element, text) => {
  element.textContent = text;
  element.title = text;
};

// A tile for each entry in `root`, in order, those there are already used again; by the entries' keys.
export const showTiles = (root, known, entries, keyOf, make, fill) => {
  const tiles = new Map(entries.map((entry) => {
    const key = keyOf(entry), tile = known.get(key) ?? make(key);
    fill(tile, entry);
    return [key, tile];
  }));
  const order = [...tiles.values()];
  // Moving a node takes the focus from it: touch the order only where it changed.
  const inPlace = order.length === root.children.length && order.every((tile, index) => root.children[index] === tile);
  if (!inPlace) root.replaceChildren(...order);
  return tiles;
};

// Two keys and all between them, in the order of the tiles.
export const between = (keys, one, other) => {
  const [from, to] = [keys.indexOf(one), keys.indexOf(other)].sort((a, b) => a - b);
  return keys.slice(from, to + 1);
};

// Arrow keys go from tile to tile; whether this key did.
export const stepThrough = (elements, key) => {
  const at = elements.findIndex((element) => element === element.getRootNode().activeElement);
  if (at < 0) return false;
  const tops = elements.map((element) => element.getBoundingClientRect().top);
  const below = tops.findIndex((top) => Math.abs(top - tops[0]) > 2);
  const across = below > 0 ? below : elements.length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
  if (!step) return false;
  elements[Math.min(Math.max(at + step, 0), elements.length - 1)].focus();
  return true;
};
