// All keys in a dialog, where each action's key can be changed, and how the editor behaves.
import { createElement, setText } from "../components/dom.js";
import { ACTIONS, chordOf, FIXED, formatChord, isAssignable, Keymap } from "./keys.js";

// What a person can choose, with what each choice means.
export const OPTIONS = [
  ["undecided", "Proposals that nobody decided on, at a submit", { ask: "Ask", accept: "Accept them", reject: "Reject them" }],
  ["draw", "Keys", { n: "N draws, U goes to the next uncertain box", d: "D draws, N goes to the next uncertain box" }],
  ["crosshair", "Crosshair at the pointer", { off: "Off", on: "On" }],
];

export class Help {
  constructor(onChange, onOptions) {
    Object.assign(this, { onChange, onOptions, capturing: null });
    this.status = createElement("p", { className: "said", role: "status" });
    this.body = createElement("div", { className: "keys" });
    this.reset = createElement("button", { type: "button", className: "plain", textContent: "Back to the usual keys", onclick: () => this.change(new Keymap({}, this.options.draw), "The usual keys are back.") });
    const close = createElement("button", { type: "button", className: "plain primary", textContent: "Close", onclick: () => this.root.close() });
    this.root = createElement("dialog", { className: "help", "aria-label": "Keys and settings" }, createElement("h2", { textContent: "Keys and settings" }), this.body, createElement("div", { className: "feet" }, this.status, this.reset, close));
    this.root.onkeydown = (event) => this.key(event);
    this.root.oncancel = (event) => this.capturing && event.preventDefault();
    this.root.onclose = () => this.capture(null);
    this.root.onclick = (event) => event.target === this.root && this.root.close();
  }

  show(keymap, options) {
    Object.assign(this, { keymap, options });
    this.render();
    setText(this.status, "");
    this.root.showModal();
  }

  render() {
    const groups = Map.groupBy ? Map.groupBy(ACTIONS, ({ group }) => group) : new Map([...new Set(ACTIONS.map(({ group }) => group))].map((group) => [group, ACTIONS.filter((action) => action.group === group)]));
    const sections = [...groups].map(([group, actions]) => createElement("section", {}, createElement("h3", { textContent: group }), ...actions.map((action) => this.row(action))));
    const fixed = FIXED.map(([chord, title]) => createElement("div", { className: "line" }, createElement("span", { textContent: title }), createElement("kbd", { textContent: chord })));
    const settings = createElement("section", {}, createElement("h3", { textContent: "Settings" }), ...OPTIONS.map((option) => this.option(option)));
    this.body.replaceChildren(settings, ...sections, createElement("section", {}, createElement("h3", { textContent: "Always" }), ...fixed));
  }

  option([name, title, choices]) {
    const select = createElement("select", { "data-option": name, onchange: () => this.choose(name, select.value) },
      ...Object.entries(choices).map(([value, text]) => createElement("option", { value, textContent: text, selected: this.options[name] === value })));
    return createElement("label", { className: "line" }, createElement("span", { textContent: title }), select);
  }

  choose(name, value) {
    this.options = { ...this.options, [name]: value };
    this.onOptions({ [name]: value });
    this.keymap = new Keymap(this.keymap.overrides, this.options.draw);
    this.render();
    this.body.querySelector(`[data-option=${name}]`)?.focus();
    setText(this.status, "Saved.");
  }

  row({ name, title }) {
    const chords = this.keymap.chords(name).map(formatChord);
    const button = createElement("button", { type: "button", className: "chord", "data-name": name, "aria-label": `${title}: ${chords.join(" or ") || "no key"}. Change`, onclick: () => this.capture(name) });
    if (this.capturing === name) button.append("press a key…");
    else button.append(...(chords.length ? chords.map((chord) => createElement("kbd", { textContent: chord })) : ["none"]));
    return createElement("div", { className: `line ${name in this.keymap.overrides ? "own" : ""}` }, createElement("span", { textContent: title }), button);
  }

  capture(name) {
    const before = this.capturing;
    this.capturing = name;
    if (!this.root.open) return;
    this.render();
    this.body.querySelector(`[data-name=${name ?? before}]`)?.focus();
    if (name) setText(this.status, "Press the new key, or Escape to keep the old one.");
  }

  key(event) {
    event.stopPropagation();
    if (!this.capturing) return;
    const chord = chordOf(event);
    event.preventDefault();
    if (event.key === "Escape") {
      setText(this.status, "");
      this.capture(null);
    } else if (isAssignable(chord)) this.assign(chord);
  }

  assign(chord) {
    const name = this.capturing;
    const before = ACTIONS.find((action) => action.name === this.keymap.action(chord));
    this.capturing = null;
    const lost = before && before.name !== name ? ` “${before.title}” had it before.` : "";
    this.change(this.keymap.with(name, chord), `${formatChord(chord)} it is.${lost}`);
    this.body.querySelector(`[data-name=${name}]`)?.focus();
  }

  change(keymap, message) {
    this.keymap = keymap;
    this.render();
    setText(this.status, message);
    this.onChange(keymap);
  }
}
