// The two bars: what is done to boxes, and how the photo is seen. Every button says its key.
import { icon, make, say, show } from "./dom.js";
import { ACTIONS, readable } from "./keys.js";

const EDITING = [["undo", "redo"], ["draw", "uncertain"], ["accept", "reject"], ["submit"]];
const SEEING = [["hide", "attention"], ["zoomOut", "fit", "zoomIn"], ["history", "keys"]];
const SHORT = {
  undo: "Undo", redo: "Redo", draw: "Draw a box", uncertain: "Next uncertain box", accept: "Accept", reject: "Reject", submit: "Submit",
  hide: "Hide the boxes", attention: "Attention map", zoomOut: "Zoom out", zoomIn: "Zoom in", fit: "Fit the photo",
  history: "History of this photo", keys: "Keys", duplicate: "Duplicate", remove: "Delete", search: "Find a category or label",
  skip: "Skip", back: "Back", acceptAll: "Accept all",
};
// A button that does an action: icon or words, with the key in its tip and for screen readers.
export const actionButton = (name, run, { words = false, className = "" } = {}) => {
  const button = make("button", { type: "button", className: `do ${className}`, "data-action": name, onclick: () => run(name) }, icon(name));
  if (words) button.append(make("span", { textContent: SHORT[name] }), make("kbd"));
  return button;
};

// Tips and shortcuts follow a person's keys, and what they do while a box is chosen.
export const nameKeys = (root, keymap, chosen) => {
  for (const button of root.querySelectorAll("[data-action]")) {
    const name = button.dataset.action;
    const known = ACTIONS.some((action) => action.name === name);
    const chord = known ? keymap.chord(name, chosen) : "";
    const shown = chord && readable(chord);
    button.title = shown ? `${SHORT[name]} (${shown})` : SHORT[name];
    button.setAttribute("aria-label", SHORT[name]);
    if (chord) button.setAttribute("aria-keyshortcuts", chord.replace("Ctrl+", "Control+"));
    else button.removeAttribute("aria-keyshortcuts");
    const hint = button.querySelector("kbd");
    if (hint) {
      say(hint, shown.replace("Shift ", "⇧"));  // on a button, where room is short
      show(hint, Boolean(shown));
    }
  }
};

const barOf = (label, className, groups, run) =>
  make("div", { className: `bar ${className}`, role: "toolbar", "aria-label": label },
    ...groups.map((names) => make("div", { className: "group" }, ...names.map((name) => actionButton(name, run)))));

export class Bars {
  constructor(run, onopacity) {
    this.editing = barOf("Edit", "editing", EDITING, run);
    this.seeing = barOf("View", "seeing", SEEING, run);
    this.percent = make("output", { className: "percent", "aria-label": "Zoom" });
    this.button("zoomOut").after(this.percent);
    this.range = make("input", { type: "range", min: "10", max: "100", value: "60", "aria-label": "Opacity of the attention map",
      oninput: () => onopacity(this.range.valueAsNumber / 100) });
    this.button("attention").after(this.range);
  }

  button(name) {
    return this.seeing.querySelector(`[data-action=${name}]`) ?? this.editing.querySelector(`[data-action=${name}]`);
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
    show(this.range, heat);
    show(this.editing, !readonly);
  }

  look(camera) {
    say(this.percent, `${Math.round(camera.scale * 100)} %`);
  }
}
