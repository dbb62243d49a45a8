// What each action does to the editor. Each returns the text for a screen reader, or null.
import { worded } from "./side.js";
import { undecided } from "./task.js";

const LOOKING = new Set(["next", "previous", "uncertain", "hide", "attention", "fit", "zoomIn", "zoomOut", "keys", "history", "back", "skip"]);

export const allowed = (name, { locked, readonly }) => (readonly ? LOOKING.has(name) && name !== "skip" : !locked || LOOKING.has(name) && name !== "back" && name !== "skip");

const chosen = (editor) => {
  const { task } = editor;
  if (!task.box) return "No box is chosen";
  editor.stage.reveal(task.box);
  return `${task.boxes.indexOf(task.box) + 1} of ${task.boxes.length}: ${worded(task.box, task)}`;
};

const onward = (editor, words) => {
  if (editor.task.nextUncertain()) return `${words}. ${chosen(editor)}`;
  return `${words}. No box is left to decide`;
};

const changed = (editor, title, words) => {
  if (title === null) return null;
  editor.changed();
  return words ?? title;
};

const ask = (editor, name, words) => {
  editor.link.act(name);
  return words;
};

const choose = (index) => (editor) => {
  const entry = editor.task.choices()[index];
  return entry ? editor.chooseEntry(entry) : null;
};

export const ACTS = {
  submit: (editor) => (editor.stage.seen ? ask(editor, "submit", "Submitting") : "The photo is still on its way"), // a second Enter
  skip: (editor) => ask(editor, "skip", "Skipping"),
  back: (editor) => ask(editor, "back", "Going back"),
  history: (editor) => ask(editor, "history", "Asking for the history"),
  undo: (editor) => changed(editor, editor.task.undo(), `Undone${editor.task.history.future.length ? `: ${editor.task.history.future.at(-1).title}` : ""}`) ?? "Nothing to undo",
  redo: (editor) => changed(editor, editor.task.redo(), "Done again") ?? "Nothing to redo",
  keys: (editor) => void editor.help.show(editor.shortcuts.keymap),
  accept: (editor) => {
    const { task } = editor;
    if (!task.box) return onward(editor, "No box is chosen");
    const words = changed(editor, task.accept(), `Accepted ${task.nameOf(task.box)}`);
    return words ? onward(editor, words) : onward(editor, "Accepted already");
  },
  reject: (editor) => {
    const { task } = editor;
    if (!task.box) return "No box is chosen";
    const words = changed(editor, task.remove("reject"), "Rejected");
    task.select(null);
    return onward(editor, words);
  },
  acceptAll: (editor) => changed(editor, editor.task.acceptAll(), "Accepted all") ?? "Nothing to accept",
  uncertain: (editor) => (editor.task.boxes.some(undecided) ? (editor.task.nextUncertain(), chosen(editor)) : "No box is left to decide"),
  search: (editor) => (editor.task.box ? void editor.finder.ask(editor.task, editor.stage) : "Choose a box first"),
  next: (editor) => (editor.task.cycle(1), chosen(editor)),
  previous: (editor) => (editor.task.cycle(-1), chosen(editor)),
  draw: (editor) => {
    if (editor.armed) return editor.drawInTheMiddle();
    editor.armed = true;
    return "Drawing: drag from corner to corner, or press the key again for a box in the middle";
  },
  duplicate: (editor) => changed(editor, editor.task.duplicate()?.uid ?? null, "Duplicated"),
  remove: (editor) => changed(editor, editor.task.remove(), "Deleted"),
  hide: (editor) => {
    editor.hidden = !editor.hidden;
    return editor.hidden ? "Boxes hidden" : "Boxes shown";
  },
  attention: (editor) => editor.toggleHeat(),
  fit: (editor) => (editor.stage.fit(), "The whole photo"),
  zoomIn: (editor) => void editor.stage.zoom(1.25),
  zoomOut: (editor) => void editor.stage.zoom(0.8),
  choose1: choose(0),
  choose2: choose(1),
  choose3: choose(2),
  choose4: choose(3),
  choose5: choose(4),
};
