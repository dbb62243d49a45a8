// Key events: which control gets a key.
// Keys are for the whole page while the editor is open, except where a person types, chooses from a list, or has gone to
// another control by the Tab key; a control that was only clicked does not keep them. Streamlit's own one-letter keys
// never get what was meant for the editor.
import { chordOf } from "./keys.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CONTROL_KEYS = new Set(["Enter", " ", "Tab", "Escape", "Home", "End", "PageUp", "PageDown", ...Object.keys(ARROWS)]);
const LISTS = "[role=combobox], [role=listbox], [role=option], [role=menu], [role=menuitem], [role=textbox], [role=searchbox], [role=spinbutton], [role=grid], [role=gridcell], [role=dialog], dialog";
const NOT_TEXT = new Set(["range", "checkbox", "radio", "button", "submit", "reset", "color", "file", "image"]);

const isTextField = (target) =>
  target instanceof Element &&
  (target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName) || (target.tagName === "INPUT" && !NOT_TEXT.has(target.type)));

const isSlider = (target) => target instanceof Element && (target.type === "range" || target.getAttribute("role") === "slider");

export class Keyboard {
  constructor(editor) {
    this.editor = editor;
    this.onKeydown = (event) => this.key(event);
    this.onKeyup = (event) => event.key === " " && editor.gestures.holdSpace(false);
    this.onPointerdown = () => (this.clicked = true); // what is focused now was clicked, not gone to by Tab
    document.addEventListener("keydown", this.onKeydown, true);
    document.addEventListener("keyup", this.onKeyup, true);
    document.addEventListener("pointerdown", this.onPointerdown, true);
  }

  close() {
    document.removeEventListener("keydown", this.onKeydown, true);
    document.removeEventListener("keyup", this.onKeyup, true);
    document.removeEventListener("pointerdown", this.onPointerdown, true);
  }

  key(event) {
    const { editor } = this;
    if (event.defaultPrevented || event.isComposing || editor.isAsking || editor.labelPicker.isOpen) return;
    const [target] = event.composedPath();
    if (isTextField(target) || target.closest?.(LISTS)) return;
    const isOnStage = target === document.body || target === document.documentElement || target === editor.stage.root;
    const hasKeys = !isOnStage && CONTROL_KEYS.has(event.key) && !event.ctrlKey && !event.metaKey;
    if (hasKeys && (!this.clicked || (isSlider(target) && event.key !== "Enter"))) return void this.leaveByTab(event);
    editor.sync.countTime();
    const handled = this.handle(event, isOnStage || hasKeys);
    this.leaveByTab(event, handled);
    if (!handled) {
      // Letters that do nothing here do nothing behind either.
      if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
      return;
    }
    if (hasKeys) editor.focusStage(true);
    event.preventDefault();
    event.stopPropagation();
  }

  // From where the Tab key leads, controls have their keys.
  leaveByTab(event, handled = false) {
    if (event.key === "Tab" && !handled) this.clicked = false;
  }

  handle(event, isOnStage) {
    const { editor } = this;
    const chord = chordOf(event);
    if (!chord) return false; // Shift alone does not mean that the person stays
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
    const title = ctrlKey || metaKey ? editor.task.stretch(dx, dy) : editor.task.nudge(...editor.stage.toPhotoStep(dx, dy));
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
