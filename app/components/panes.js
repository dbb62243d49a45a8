// One photo several times over, each time with other boxes: versions to be compared.
// data: {photo: {url, width, height, alt}, panes: [{title, boxes: [{uid, box, color, ink, tag, mark, name}]}], pickable}
// trigger "picked": {pane, uid}, a box that was clicked where data.pickable says that boxes can be.
import { createElement, placeBox } from "./dom.js";

const drawBox = (entry, photo, onclick) => {
  const props = { className: "box", "data-uid": entry.uid, "data-mark": entry.mark, "aria-label": entry.name };
  const tag = createElement("span", { className: "tag", textContent: entry.tag });
  const box = onclick
    ? createElement("button", { ...props, type: "button", "aria-pressed": String(entry.mark === "chosen"), onclick }, tag)
    : createElement("div", { ...props, role: "img" }, tag);
  placeBox(box, entry.box, photo.width, photo.height);
  box.style.setProperty("--color", entry.color);
  box.style.setProperty("--ink", entry.ink);
  return box;
};

const drawPane = (pane, index, { photo, pickable }, send) => {
  const frame = createElement("div", { className: "frame" }, createElement("img", { src: photo.url, alt: photo.alt, draggable: "false" }));
  frame.style.setProperty("--ratio", photo.width / photo.height);
  frame.style.aspectRatio = `${photo.width} / ${photo.height}`;
  const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  // Small boxes lie over large ones, so that a nested one can be clicked.
  for (const entry of [...pane.boxes].sort((a, b) => area(b) - area(a))) {
    frame.append(drawBox(entry, photo, pickable ? () => send("picked", { pane: index, uid: entry.uid }) : null));
  }
  return createElement("figure", { className: "pane" }, createElement("figcaption", { className: "title", textContent: pane.title }), frame);
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-panes");
  if (!root || !data) return;
  const focused = parentElement.activeElement?.dataset?.uid;
  root.replaceChildren(...data.panes.map((pane, index) => drawPane(pane, index, data, setTriggerValue)));
  if (focused) root.querySelector(`[data-uid="${CSS.escape(focused)}"]`)?.focus();
}
