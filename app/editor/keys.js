// The editor's actions and their keys (key bindings).
// A chord is written as in "Ctrl+Shift+z"; Ctrl stands for the Mac's command key too.
export const ACTIONS = [
  ["submit", "Submit, and on to the next photo", "Task", ["Enter", "Ctrl+Enter"]],
  ["skip", "Skip this photo", "Task", ["s", "Shift+s"]],
  ["back", "Back to the photo before", "Task", ["b", "Shift+b"]],
  ["undo", "Undo", "Task", ["Ctrl+z"]],
  ["redo", "Redo", "Task", ["Ctrl+Shift+z", "Ctrl+y"]],
  ["keys", "Show and change the keys", "Task", ["?"]],
  ["accept", "Accept, and on to the next uncertain box", "Decide", ["a"]],
  ["reject", "Reject, and on to the next uncertain box", "Decide", ["x"]],
  ["acceptAll", "Accept all boxes", "Decide", ["Shift+a"]],
  ["uncertain", "Next uncertain box", "Decide", ["u"]],
  ["search", "Find a category or label", "Decide", ["/"]],
  ["choose1", "First label; where no box is chosen, draw the first category", "Decide", ["1"]],
  ["choose2", "Second label; where no box is chosen, draw the second category", "Decide", ["2"]],
  ["choose3", "Third label; where no box is chosen, draw the third category", "Decide", ["3"]],
  ["choose4", "Fourth label; where no box is chosen, draw the fourth category", "Decide", ["4"]],
  ["choose5", "Fifth label; where no box is chosen, draw the fifth category", "Decide", ["5"]],
  ["choose6", "Draw the sixth category", "Decide", ["6"]],
  ["choose7", "Draw the seventh category", "Decide", ["7"]],
  ["choose8", "Draw the eighth category", "Decide", ["8"]],
  ["choose9", "Draw the ninth category", "Decide", ["9"]],
  ["next", "Next box", "Boxes", ["Tab"]],
  ["previous", "Box before", "Boxes", ["Shift+Tab"]],
  ["draw", "Draw a box; a click takes the models' box there (twice: one in the middle)", "Boxes", ["n", "d", "Shift+d"]],
  ["tighten", "Tighten the box to the garment", "Boxes", ["e"]],
  ["duplicate", "Duplicate", "Boxes", ["Ctrl+d"]],
  ["copy", "Copy the chosen box, or all", "Boxes", ["Ctrl+c"]],
  ["paste", "Paste what was copied, here or on another photo", "Boxes", ["Ctrl+v"]],
  ["pasteBefore", "Paste the boxes of the photo before", "Boxes", ["Ctrl+Shift+v"]],
  ["remove", "Delete", "Boxes", ["Delete", "Backspace"]],
  ["hide", "Hide or show the boxes", "View", ["h", "Shift+h"]],
  ["attention", "Attention map under the boxes", "View", ["m", "Shift+m"]],
  ["rotate", "Rotate the view", "View", ["r", "Shift+r"]],
  ["crosshair", "Crosshair at the pointer", "View", ["c", "Shift+c"]],
  ["brighter", "Brighter", "View", ["]"]],
  ["darker", "Darker", "View", ["["]],
  ["contrast", "More contrast", "View", ["}"]],
  ["flatter", "Less contrast", "View", ["{"]],
  ["fit", "Fit the photo", "View", ["0"]],
  ["zoomIn", "Zoom in", "View", ["+", "="]],
  ["zoomOut", "Zoom out", "View", ["-"]],
].map(([name, title, group, chords]) => ({ name, title, group, chords }));

// What the arrows, Escape and Space do stays as it is.
export const FIXED = [
  ["Arrows", "Move the box by a pixel; with Shift by ten"],
  ["Ctrl+Arrows", "Move its right or lower edge; with Shift by ten"],
  ["Escape", "Stop drawing, or choose nothing; Tab then leaves the photo"],
  ["Space and drag", "Move the photo; also the middle button or two fingers"],
  ["Drag a side", "Resize the chosen box; a drag inside it moves it once it was clicked"],
  ["Drag a corner", "Resize any box, chosen or not"],
  ["Click the name", "Another name for the chosen box"],
  ["Shift and drag", "Draw, also inside the box that was clicked"],
  ["Wheel, pinch", "Zoom about the pointer"],
  ["Letters", "Find a name for the chosen box; only those that decide about a box stay keys then"],
];

// Keys of what is not about the chosen box: most names begin with one of these letters, which therefore find a name then.
const YIELD_TO_TYPING = new Set(["s", "b", "d", "h", "m", "r", "c"]);

// The usual keys until N drew, for who would rather keep them.
const DRAW_BY_D = { draw: ["d", "Shift+d"], uncertain: ["n"] };

const MODIFIERS = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph", "CapsLock", "Dead", "Unidentified", "Process"]);
const RESERVED = new Set(["Escape", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

const isLetter = (name) => name.length === 1 && name.toLowerCase() !== name.toUpperCase();

// The chord of a key event; "" for a modifier alone. Shift is part of a printed sign such as "?", but not of a letter.
export const chordOf = ({ key, ctrlKey, metaKey, altKey, shiftKey }) => {
  if (!key || MODIFIERS.has(key)) return "";
  const letter = isLetter(key);
  const name = letter ? key.toLowerCase() : key;
  const shift = shiftKey && (letter || key.length > 1);
  return `${ctrlKey || metaKey ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${name}`;
};

export const isAssignable = (chord) => chord !== "" && !RESERVED.has(chord.split("+").pop() || chord);

// A user's overrides of the default keys. `overrides` maps an action to one chord, or to "" for none.
export class Keymap {
  // `drawBy` is "n", or "d" for the usual keys as they were before.
  constructor(overrides = {}, drawBy = "n") {
    this.drawBy = drawBy;
    this.overrides = Object.fromEntries(Object.entries(overrides).filter(([name]) => ACTIONS.some((action) => action.name === name)));
    this.actions = new Map();
    for (const { name } of ACTIONS) for (const chord of this.chords(name)) this.actions.set(chord, name);
    // A person's choice wins over the usual key of another action.
    for (const [name, chord] of Object.entries(this.overrides)) if (chord) this.actions.set(chord, name);
  }

  chords(name) {
    if (name in this.overrides) return this.overrides[name] ? [this.overrides[name]] : [];
    const taken = new Set(Object.values(this.overrides));
    const usual = (this.drawBy === "d" && DRAW_BY_D[name]) || ACTIONS.find((action) => action.name === name).chords;
    return usual.filter((chord) => !taken.has(chord));
  }

  // What a chord does; `chosen` says whether a box is chosen, and letters look for its name.
  action(chord, chosen = false) {
    const name = this.actions.get(chord) ?? null;
    return chosen && YIELD_TO_TYPING.has(chord) && this.overrides[name] !== chord ? null : name;
  }

  // The first chord that does an action now, or "".
  chord(name, chosen = false) {
    return this.chords(name).find((chord) => this.action(chord, chosen) === name) ?? "";
  }

  // The same keys with one changed; who had the chord before loses it.
  with(name, chord) {
    const overrides = { ...this.overrides };
    const before = this.action(chord);
    if (before && before !== name && before in overrides) overrides[before] = "";
    overrides[name] = chord;
    return new Keymap(overrides, this.drawBy);
  }
}

const SIGNS = { Enter: "↵", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del", Backspace: "⌫", " ": "Space" };

// For people: "Ctrl+Shift+z" becomes "Ctrl Shift Z".
export const formatChord = (chord) =>
  chord.replace(/\+(?=.)/g, " ").split(" ").map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" ");
