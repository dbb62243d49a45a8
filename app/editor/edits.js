// What a person does to boxes by more than one step: drawing one and naming it.
export class Edits {
  constructor(editor) {
    this.editor = editor;
  }

  chooseEntry(entry) {
    const { editor } = this;
    if (editor.locked) return null;
    const title = editor.task.choose(entry);
    if (title) editor.changed();
    editor.render();
    return `${entry.text}${title ? "" : ", as before"}`;
  }

  toggleFlag(name) {
    const { editor } = this;
    if (editor.locked) return;
    const title = editor.task.toggleFlag(name);
    if (title) editor.changed();
    editor.announce(title);
    editor.render();
  }

  labelChosen(entry) {
    this.editor.announce(this.chooseEntry(entry));
    this.editor.focusStage(true);
  }

  drawn(box) {
    const { editor } = this;
    editor.armed = false;
    if (box && editor.task.add(box)) {
      editor.changed();
      editor.announce(`Drawn: ${editor.task.nameOf(editor.task.box)}`);
      editor.labelPicker.open(editor.task, editor.stage);
    }
    editor.render();
  }

  drawInTheMiddle() {
    this.drawn(this.editor.stage.boxInTheMiddle());
    return null;
  }
}
