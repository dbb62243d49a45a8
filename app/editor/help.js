// All keys in a dialog; each action's key can be changed there.
import { make, say } from "./dom.js";
import { ACTIONS, chordOf, FIXED, Keymap, mayBeChosen, readable } from "./keys.js";

export class Help {
  constructor(onkeys) {
    Object.assign(this, { onkeys, waiting: null });
    this.said = make("p", { className: "said", role: "status" });
    this.body = make("div", { className: "keys" });
    this.reset = make("button", { type: "button", className: "plain", textContent: "Back to the usual keys", onclick: () => this.change(new Keymap(), "The usual keys are back.") });
    const close = make("button", { type: "button", className: "plain primary", textContent: "Close", onclick: () => this.root.close() });
    this.root = make("dialog", { className: "help", "aria-label": "Keys" }, make("h2", { textContent: "Keys" }), this.body, make("div", { className: "feet" }, this.said, this.reset, close));
    this.root.onkeydown = (event) => this.key(event);
    this.root.oncancel = (event) => this.waiting && event.preventDefault();
    this.root.onclose = () => this.wait(null);
    this.root.onclick = (event) => event.target === this.root && this.root.close();
  }

  show(keymap) {
    this.keymap = keymap;
    this.render();
    say(this.said, "");
    this.root.showModal();
  }

  render() {
    const groups = Map.groupBy ? Map.groupBy(ACTIONS, ({ group }) => group) : new Map([...new Set(ACTIONS.map(({ group }) => group))].map((group) => [group, ACTIONS.filter((action) => action.group === group)]));
    const sections = [...groups].map(([group, actions]) => make("section", {}, make("h3", { textContent: group }), ...actions.map((action) => this.row(action))));
    const fixed = FIXED.map(([chord, title]) => make("div", { className: "line" }, make("span", { textContent: title }), make("kbd", { textContent: chord })));
    this.body.replaceChildren(...sections, make("section", {}, make("h3", { textContent: "Always" }), ...fixed));
  }

  row({ name, title }) {
    const chords = this.keymap.chords(name).map(readable);
    const button = make("button", { type: "button", className: "chord", "data-name": name, "aria-label": `${title}: ${chords.join(" or ") || "no key"}. Change`, onclick: () => this.wait(name) });
    if (this.waiting === name) button.append("press a key…");
    else button.append(...(chords.length ? chords.map((chord) => make("kbd", { textContent: chord })) : ["none"]));
    return make("div", { className: `line ${name in this.keymap.own ? "own" : ""}` }, make("span", { textContent: title }), button);
  }

  wait(name) {
    const before = this.waiting;
    this.waiting = name;
    if (!this.root.open) return;
    this.render();
    this.body.querySelector(`[data-name=${name ?? before}]`)?.focus();
    if (name) say(this.said, "Press the new key, or Escape to keep the old one.");
  }

  key(event) {
    event.stopPropagation();
    if (!this.waiting) return;
    const chord = chordOf(event);
    event.preventDefault();
    if (event.key === "Escape") {
      say(this.said, "");
      this.wait(null);
    } else if (mayBeChosen(chord)) this.take(chord);
  }

  take(chord) {
    const name = this.waiting;
    const before = ACTIONS.find((action) => action.name === this.keymap.action(chord));
    this.waiting = null;
    const lost = before && before.name !== name ? ` “${before.title}” had it before.` : "";
    this.change(this.keymap.with(name, chord), `${readable(chord)} it is.${lost}`);
    this.body.querySelector(`[data-name=${name}]`)?.focus();
  }

  change(keymap, words) {
    this.keymap = keymap;
    this.render();
    say(this.said, words);
    this.onkeys(keymap);
  }
}
