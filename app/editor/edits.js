// What a person does to boxes by more than one step: drawing and naming, copying and pasting, tightening.
export class Edits {
  constructor(editor) {
    Object.assign(this, { editor, next: null, tightening: null });
  }

  open() {
    Object.assign(this, { next: null, tightening: null });
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

  // A number key: of a chosen box its label; else the category to draw next, which is not asked for then.
  byNumber(index) {
    const { task } = this.editor;
    if (task.asksForLabel) {
      const entry = task.choices()[index];
      return entry ? this.chooseEntry(entry) : null;
    }
    return this.drawNext(task.categoryKeys()[index]);
  }

  drawNext(entry) {
    if (!entry || this.editor.locked) return null;
    this.next = entry;
    this.editor.armed = true;
    this.editor.task.remember(entry);
    this.editor.render();
    return `Drawing ${entry.text}: drag from corner to corner`;
  }

  disarm() {
    this.editor.armed = false;
    this.next = null;
  }

  drawn(box) {
    const { editor, next } = this;
    this.disarm();
    if (box && editor.task.add(box, null, next)) {
      editor.changed();
      editor.announce(`Drawn: ${editor.task.nameOf(editor.task.box)}`);
      if (!next) editor.labelPicker.open(editor.task, editor.stage);
    }
    editor.render();
  }

  // A click while drawing takes what the models see there.
  take(point) {
    const { editor, next } = this;
    const box = editor.task.addCandidate(point);
    if (!box) return void editor.announce("The models see nothing more there: drag a box");
    this.disarm();
    if (next) editor.task.choose(next);
    editor.changed();
    editor.announce(`Taken: ${editor.task.nameOf(editor.task.box)}`);
    editor.render();
  }

  drawInTheMiddle() {
    this.drawn(this.editor.stage.boxInTheMiddle());
    return null;
  }

  copy() {
    const { task, clipboard } = this.editor;
    const boxes = task.box ? [task.box] : task.boxes;
    if (!boxes.length) return "There is no box to copy";
    clipboard.put("copied", boxes, task.photo);
    return `Copied ${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}`;
  }

  // `name` is "copied", or "before" for the boxes of the photo that was submitted last.
  paste(name) {
    const { editor } = this;
    const { task } = editor;
    const count = task.paste(editor.clipboard.get(name, task.photo));
    if (!count) return name === "before" ? "No photo was submitted before this one in this tab" : "Nothing was copied";
    editor.changed();
    return `Pasted ${count} ${count === 1 ? "box" : "boxes"}`;
  }

  tighten() {
    const { editor } = this;
    const { box } = editor.task;
    if (!box) return "Choose a box first";
    this.tightening = { uid: box.uid, from: box.box };
    editor.sync.requestAction("tighten", { uid: box.uid });
    return "Tightening";
  }

  // The page has run again, and may have an answer.
  update({ tightened }) {
    const { editor, tightening: asked } = this;
    if (!asked || !tightened || tightened.uid !== asked.uid || tightened.from_xyxy.some((value, side) => Math.abs(value - asked.from[side]) > 0.01)) return;
    this.tightening = null;
    const title = tightened.box_xyxy && editor.task.tighten({ ...asked, box: tightened.box_xyxy });
    if (title) editor.changed();
    editor.announce(title ? "Tightened" : "Nothing tighter was found in the box");
  }
}
