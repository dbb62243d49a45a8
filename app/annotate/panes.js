// One photo several times over, each time with other boxes: versions to be compared.
// data: {photo: {url, width, height, alt}, panes: [{title, boxes: [{uid, box, color, ink, tag, mark, name}]}], pickable}
// trigger "picked": {pane, uid}, a box that was clicked where data.pickable says that boxes can be.
const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on") || name === "textContent" || name === "className") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

const percent = (part, whole) => `${(100 * part) / whole}%`;

const drawBox = (entry, photo, onclick) => {
  const [x0, y0, x1, y1] = entry.box;
  const props = { className: "box", "data-uid": entry.uid, "data-mark": entry.mark, "aria-label": entry.name };
  const tag = make("span", { className: "tag", textContent: entry.tag });
  const box = onclick
    ? make("button", { ...props, type: "button", "aria-pressed": String(entry.mark === "chosen"), onclick }, tag)
    : make("div", { ...props, role: "img" }, tag);
  box.style.left = percent(x0, photo.width);
  box.style.top = percent(y0, photo.height);
  box.style.width = percent(x1 - x0, photo.width);
  box.style.height = percent(y1 - y0, photo.height);
  box.style.setProperty("--color", entry.color);
  box.style.setProperty("--ink", entry.ink);
  return box;
};

const drawPane = (pane, index, { photo, pickable }, send) => {
  const frame = make("div", { className: "frame" }, make("img", { src: photo.url, alt: photo.alt, draggable: "false" }));
  frame.style.setProperty("--ratio", photo.width / photo.height);
  frame.style.aspectRatio = `${photo.width} / ${photo.height}`;
  const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  // Small boxes lie over large ones, so that a nested one can be clicked.
  for (const entry of [...pane.boxes].sort((a, b) => area(b) - area(a))) {
    frame.append(drawBox(entry, photo, pickable ? () => send("picked", { pane: index, uid: entry.uid }) : null));
  }
  return make("figure", { className: "pane" }, make("figcaption", { className: "title", textContent: pane.title }), frame);
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-panes");
  if (!root || !data) return;
  const focused = parentElement.activeElement?.dataset?.uid;
  root.replaceChildren(...data.panes.map((pane, index) => drawPane(pane, index, data, setTriggerValue)));
  if (focused) root.querySelector(`[data-uid="${CSS.escape(focused)}"]`)?.focus();
}
