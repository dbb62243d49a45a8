// The two bars: what is done to boxes, and how the photo is seen. Every button says its key.
import { createElement, setText, setVisible } from "../components/dom.js";
import { icon } from "./icons.js";
import { ACTIONS, formatChord } from "./keys.js";

const EDITING = [["undo", "redo"], ["draw", "uncertain"], ["accept", "reject"], ["submit"]];
const VIEWING = [["hide", "attention"], ["adjust", "rotate"], ["zoomOut", "fit", "zoomIn"], ["history", "keys"]];
const CAPTIONS = {
  undo: "Undo", redo: "Redo", draw: "Draw a box", uncertain: "Next uncertain box", accept: "Accept", reject: "Reject", submit: "Submit",
  hide: "Hide the boxes", attention: "Attention map", zoomOut: "Zoom out", zoomIn: "Zoom in", fit: "Fit the photo",
  adjust: "Brightness and contrast", rotate: "Rotate the view",
  history: "History of this photo", keys: "Keys and settings", duplicate: "Duplicate", tighten: "Tighten to the garment", copy: "Copy",
  paste: "Paste", pasteBefore: "Paste from the photo before", remove: "Delete", search: "Find a category or label",
  skip: "Skip", back: "Back", acceptAll: "Accept all",
};
// A button that does an action: icon or caption, with the key in its tip and for screen readers.
export const actionButton = (name, run, { caption = false, className = "" } = {}) => {
  const button = createElement("button", { type: "button", className: `do ${className}`, "data-action": name, onclick: () => run(name) }, icon(name));
  if (caption) button.append(createElement("span", { textContent: CAPTIONS[name] }), createElement("kbd"));
  return button;
};

// Tips and shortcuts follow a person's keys, and what they do while a box is chosen.
export const showKeys = (root, keymap, chosen) => {
  for (const button of root.querySelectorAll("[data-action]")) {
    const name = button.dataset.action;
    const known = ACTIONS.some((action) => action.name === name);
    const chord = known ? keymap.chord(name, chosen) : "";
    const shown = chord && formatChord(chord);
    button.title = shown ? `${CAPTIONS[name]} (${shown})` : CAPTIONS[name];
    button.setAttribute("aria-label", CAPTIONS[name]);
    if (chord) button.setAttribute("aria-keyshortcuts", chord.replace("Ctrl+", "Control+"));
    else button.removeAttribute("aria-keyshortcuts");
    const hint = button.querySelector("kbd");
    if (hint) {
      setText(hint, shown.replace("Shift ", "⇧"));  // on a button, where room is short
      setVisible(hint, Boolean(shown));
    }
  }
};

const toolbar = (label, className, groups, run) =>
  createElement("div", { className: `bar ${className}`, role: "toolbar", "aria-label": label },
    ...groups.map((names) => createElement("div", { className: "group" }, ...names.map((name) => actionButton(name, run)))));

export class Toolbars {
  constructor(run, view) {
    this.editing = toolbar("Edit", "editing", EDITING, run);
    this.viewing = toolbar("View", "seeing", VIEWING, run);
    this.percent = createElement("output", { className: "percent", "aria-label": "Zoom" });
    this.button("zoomOut").after(this.percent);
    this.range = createElement("input", { type: "range", min: "10", max: "100", value: "60", "aria-label": "Opacity of the attention map",
      oninput: () => view.setOpacity(this.range.valueAsNumber / 100) });
    this.button("attention").after(this.range);
    this.addLight(view);
  }

  // Brightness and contrast unfold under the bar.
  addLight(view) {
    const slider = (name, text) => {
      const input = createElement("input", { type: "range", min: "40", max: "250", step: "5", value: "100", "aria-label": text, "data-light": name, oninput: () => view.setLight(name, input.valueAsNumber) });
      return createElement("label", {}, createElement("span", { textContent: text }), input);
    };
    const reset = createElement("button", { type: "button", className: "do", textContent: "Reset", onclick: () => view.resetLight() });
    this.light = createElement("div", { className: "light", role: "group", "aria-label": "Brightness and contrast" }, slider("brightness", "Brightness"), slider("contrast", "Contrast"), reset);
    this.light.hidden = true;
    const button = this.button("adjust");
    button.onclick = () => this.unfold(this.light.hidden);
    this.unfold(false);
    this.viewing.append(this.light);
  }

  unfold(open) {
    setVisible(this.light, open);
    this.button("adjust").setAttribute("aria-expanded", String(open));
  }

  showLight(light) {
    for (const input of this.light.querySelectorAll("input")) input.value = light[input.dataset.light];
    this.button("adjust").setAttribute("aria-pressed", String(Object.values(light).some((percent) => percent !== 100)));
  }

  button(name) {
    return this.viewing.querySelector(`[data-action=${name}]`) ?? this.editing.querySelector(`[data-action=${name}]`);
  }

  render({ task, armed, hidden, heat, locked, readonly }) {
    const { box, history } = task;
    const open = task.boxes.some(({ accepted }) => !accepted); // what is left to decide, which accepting goes on to
    const disabled = {
      undo: locked || !history.past.length, redo: locked || !history.future.length, draw: locked,
      uncertain: !open, accept: locked || !open, reject: locked || !box, submit: locked,
    };
    for (const [name, off] of Object.entries(disabled)) this.button(name).disabled = off;
    for (const [name, on] of Object.entries({ draw: armed, hide: hidden, attention: heat })) this.button(name).setAttribute("aria-pressed", String(on));
    setVisible(this.range, heat);
    setVisible(this.editing, !readonly);
  }

  showZoom(camera) {
    setText(this.percent, `${Math.round(camera.scale * 100)} %`);
  }
}
