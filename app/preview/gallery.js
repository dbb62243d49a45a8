// The batch as tiles: a small picture each with its boxes, one click opens it.
// data: {tiles: [{number, url, alt, width, height, name, note, boxes: [{box, color}]}], selected}
const galleries = new WeakMap();

const make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
};

const makeTile = () => {
  const picture = make("img", "picture");
  picture.loading = "lazy";
  picture.draggable = false;
  const boxes = make("span", "boxes");
  const fit = make("span", "fit", picture, boxes);
  const name = make("span", "name");
  const note = make("span", "note");
  const tile = make("button", "tile", make("span", "mat", fit), name, note);
  tile.type = "button";
  return Object.assign(tile, { parts: { picture, boxes, fit, name, note } });
};

const fill = (tile, { number, url, alt, width, height, name, note, boxes }) => {
  const { parts } = tile;
  if (parts.picture.getAttribute("src") !== url) parts.picture.src = url;
  parts.picture.alt = alt;
  parts.fit.style.aspectRatio = `${width} / ${height}`;
  parts.fit.style.width = `${100 * Math.min(1, width / height)}%`;
  parts.name.textContent = name;
  parts.name.title = name;
  parts.note.textContent = note;
  tile.dataset.number = number;
  parts.boxes.replaceChildren(...boxes.map(({ box: [x0, y0, x1, y1], color }) => {
    const span = make("span", "box");
    Object.assign(span.style, {
      left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
      width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%`, borderColor: color,
    });
    return span;
  }));
};

const mark = (gallery, selected) => {
  for (const tile of gallery.root.children) {
    const on = Number(tile.dataset.number) === selected;
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
  const reused = new Map();
  const tiles = data.tiles.map((entry) => {
    const tile = gallery.tiles.get(entry.number) ?? makeTile();
    fill(tile, entry);
    tile.onclick = () => {
      mark(gallery, entry.number);
      setTriggerValue("opened", entry.number);
    };
    reused.set(entry.number, tile);
    return tile;
  });
  // Moving a node takes the focus from it: touch the order only where it changed.
  const inPlace = tiles.length === root.children.length && tiles.every((tile, index) => root.children[index] === tile);
  if (!inPlace) root.replaceChildren(...tiles);
  gallery.tiles = reused;
  mark(gallery, data.selected);
  return () => {
    galleries.delete(parentElement);
    root.replaceChildren();
  };
}
