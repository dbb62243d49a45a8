// What each action does to the editor. Each returns the text for a screen reader, or null.
import { describe } from "./sidebar.js";
import { undecided } from "./boxes.js";

const READ_ONLY = new Set(["next", "previous", "uncertain", "hide", "attention", "fit", "zoomIn", "zoomOut", "rotate", "crosshair", "brighter", "darker", "contrast", "flatter", "copy", "keys", "history", "back", "skip"]);

export const isAllowed = (name, { locked, readonly, data }) => !data.without?.includes(name) && (readonly ? READ_ONLY.has(name) && name !== "skip" : !locked || READ_ONLY.has(name) && name !== "back" && name !== "skip");

const announceSelected = (editor) => {
  const { task } = editor;
  if (!task.box) return "No box is chosen";
  editor.stage.reveal(task.box);
  return `${task.boxes.indexOf(task.box) + 1} of ${task.boxes.length}: ${describe(task.box, task)}`;
};

const advance = (editor, message) => {
  if (editor.task.nextUncertain()) return `${message}. ${announceSelected(editor)}`;
  return `${message}. No box is left to decide`;
};

const changed = (editor, title, message) => {
  if (title === null) return null;
  editor.changed();
  return message ?? title;
};

const request = (editor, name, message) => {
  editor.sync.requestAction(name);
  return message;
};

const choose = (index) => (editor) => editor.edits.byNumber(index);

export const HANDLERS = {
  submit: (editor) => editor.submitting.submit(),
  skip: (editor) => request(editor, "skip", "Skipping"),
  back: (editor) => request(editor, "back", "Going back"),
  history: (editor) => request(editor, "history", "Asking for the history"),
  undo: (editor) => changed(editor, editor.task.undo(), `Undone${editor.task.history.future.length ? `: ${editor.task.history.future.at(-1).title}` : ""}`) ?? "Nothing to undo",
  redo: (editor) => changed(editor, editor.task.redo(), "Done again") ?? "Nothing to redo",
  keys: (editor) => void editor.help.show(editor.shortcuts.keymap, editor.options),
  accept: (editor) => {
    const { task } = editor;
    if (!task.box) return advance(editor, "No box is chosen");
    const message = changed(editor, task.accept(), `Accepted ${task.nameOf(task.box)}`);
    return message ? advance(editor, message) : advance(editor, "Accepted already");
  },
  reject: (editor) => {
    const { task } = editor;
    if (!task.box) return "No box is chosen";
    const message = changed(editor, task.remove("reject"), "Rejected");
    task.select(null);
    return advance(editor, message);
  },
  acceptAll: (editor) => changed(editor, editor.task.acceptAll(), "Accepted all") ?? "Nothing to accept",
  uncertain: (editor) => (editor.task.boxes.some(undecided) ? (editor.task.nextUncertain(), announceSelected(editor)) : "No box is left to decide"),
  search: (editor) => (editor.task.box ? void editor.labelPicker.open(editor.task, editor.stage) : "Choose a box first"),
  next: (editor) => (editor.task.cycle(1), announceSelected(editor)),
  previous: (editor) => (editor.task.cycle(-1), announceSelected(editor)),
  draw: (editor) => {
    if (editor.armed) return editor.edits.drawInTheMiddle();
    editor.armed = true;
    return "Drawing: drag from corner to corner, click for the models' box, or press the key again for one in the middle";
  },
  tighten: (editor) => editor.edits.tighten(),
  copy: (editor) => editor.edits.copy(),
  paste: (editor) => editor.edits.paste("copied"),
  pasteBefore: (editor) => editor.edits.paste("before"),
  duplicate: (editor) => changed(editor, editor.task.duplicate()?.uid ?? null, "Duplicated"),
  remove: (editor) => changed(editor, editor.task.remove(), "Deleted"),
  hide: (editor) => {
    editor.hidden = !editor.hidden;
    return editor.hidden ? "Boxes hidden" : "Boxes shown";
  },
  attention: (editor) => editor.view.toggleHeat(),
  rotate: (editor) => editor.view.rotate(),
  crosshair: (editor) => editor.view.toggleCrosshair(),
  brighter: (editor) => editor.view.adjust("brightness", 10),
  darker: (editor) => editor.view.adjust("brightness", -10),
  contrast: (editor) => editor.view.adjust("contrast", 10),
  flatter: (editor) => editor.view.adjust("contrast", -10),
  fit: (editor) => (editor.stage.fit(), "The whole photo"),
  zoomIn: (editor) => void editor.stage.zoom(1.25),
  zoomOut: (editor) => void editor.stage.zoom(0.8),
  choose1: choose(0),
  choose2: choose(1),
  choose3: choose(2),
  choose4: choose(3),
  choose5: choose(4),
  choose6: choose(5),
  choose7: choose(6),
  choose8: choose(7),
  choose9: choose(8),
};
