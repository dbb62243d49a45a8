// Key events: which control gets a key.
// Keys are for the whole page while the editor is open, except where a person types, or where another control needs
// them; Streamlit's own one-letter keys never get what was meant for the editor.
import { chordOf } from "./keys.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CONTROL_KEYS = new Set(["Enter", " ", "Tab", "Escape", "Home", "End", "PageUp", "PageDown", ...Object.keys(ARROWS)]);
const CONTROL_ROLES = new Set(["slider", "combobox", "listbox", "option", "radio", "tab", "menuitem", "textbox", "searchbox", "spinbutton", "grid", "gridcell", "dialog"]);

const isTextField = (target) =>
  target instanceof Element &&
  (target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName) || (target.tagName === "INPUT" && target.type !== "range" && target.type !== "checkbox"));

export class Keyboard {
  constructor(editor) {
    this.editor = editor;
    this.onKeydown = (event) => this.key(event);
    this.onKeyup = (event) => event.key === " " && editor.gestures.holdSpace(false);
    document.addEventListener("keydown", this.onKeydown, true);
    document.addEventListener("keyup", this.onKeyup, true);
  }

  close() {
    document.removeEventListener("keydown", this.onKeydown, true);
    document.removeEventListener("keyup", this.onKeyup, true);
  }

  key(event) {
    const { editor } = this;
    if (event.defaultPrevented || event.isComposing || editor.help.root.open || editor.labelPicker.isOpen) return;
    const path = event.composedPath();
    const [target] = path;
    const isInside = path.includes(editor.root);
    const isOnStage = target === document.body || target === document.documentElement || target === editor.stage.root;
    if (isTextField(target) || (!isInside && !isOnStage && this.isForAnother(event, target))) return;
    if (!isOnStage && CONTROL_KEYS.has(event.key) && !event.ctrlKey && !event.metaKey) return;
    editor.sync.countTime();
    if (!this.handle(event, isOnStage)) {
      // Letters that do nothing here do nothing behind either.
      if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  isForAnother(event, target) {
    const role = target instanceof Element ? target.getAttribute("role") : null;
    return CONTROL_ROLES.has(role) || CONTROL_KEYS.has(event.key) || target.closest?.("[role=dialog]");
  }

  handle(event, isOnStage) {
    const { editor } = this;
    const chord = chordOf(event);
    if (event.key === "Escape") return editor.escape();
    if (event.key === " ") return isOnStage && (editor.gestures.holdSpace(true), true);
    if (ARROWS[event.key] && isOnStage && !event.altKey) return this.arrow(event);
    const leaves = event.key === "Tab" && editor.leaving;
    if (!leaves) editor.leaving = false;
    const action = editor.shortcuts.action(chord);
    if (action && !(event.key === "Tab" && (leaves || !isOnStage || !editor.task.boxes.length))) {
      if (!event.repeat || ["undo", "redo", "next", "previous", "zoomIn", "zoomOut", "uncertain"].includes(action)) editor.run(action);
      return true;
    }
    return this.letter(event);
  }

  arrow({ key, shiftKey, ctrlKey, metaKey }) {
    const { editor } = this;
    if (!editor.task.box || editor.locked) return false;
    const [dx, dy] = ARROWS[key].map((step) => step * (shiftKey ? 10 : 1));
    const title = ctrlKey || metaKey ? editor.task.stretch(dx, dy) : editor.task.nudge(dx, dy);
    if (title) editor.changed();
    editor.render();
    return true;
  }

  letter({ key, ctrlKey, metaKey, altKey }) {
    const { editor } = this;
    if (ctrlKey || metaKey || altKey || !/^\p{L}$/u.test(key) || !editor.naming) return false;
    editor.labelPicker.open(editor.task, editor.stage, key);
    return true;
  }
}
