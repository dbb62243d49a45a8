// The box editor: one photo, its boxes, and everything that is done to them, here in the browser.
// data: {key, photo: {id, url, width, height, name, attention}, boxes, categories: [{id, name, color, ink}], labels,
//        parents: {label: category}, keys: {action: chord}, options, sequence, readonly, coming, notice, answered}
// out:  state "work" {key, sequence, boxes, seconds, attempt}; trigger "action" {name, key, sequence, boxes, request, seconds, keys, options}
import { HANDLERS, isAllowed } from "./actions.js";
import { actionButton, Toolbars } from "./toolbars.js";
import { createElement, setText, setVisible } from "../components/dom.js";
import { LabelPicker } from "./label_picker.js";
import { Clipboard } from "./clipboard.js";
import { Edits } from "./edits.js";
import { Gestures } from "./gestures.js";
import { Help } from "./help.js";
import { Keyboard } from "./keyboard.js";
import { Sync } from "./sync.js";
import { Sidebar } from "./sidebar.js";
import { Stage } from "./stage.js";
import { Shortcuts } from "./shortcuts.js";
import { Submitting } from "./submit_dialog.js";
import { View } from "./view.js";
import { HistoryStorage } from "./history_storage.js";
import { undecided } from "./boxes.js";
import { Task } from "./task.js";

const STATUSES = {
  saved: "Saved",
  untouched: "No changes yet",
  saving: "Saving…",
  late: "Not saved yet, trying again",
  offline: "Not saved: offline. Your work is kept in this browser",
  asking: "Sending…",
  readonly: "To look at only",
};
const DEFAULTS = { undecided: "ask", draw: "n", crosshair: "off" };
const HINT = "Tab and Shift Tab choose a box, Escape and then Tab leaves the photo, question mark shows all keys.";

class Editor {
  constructor(root) {
    Object.assign(this, { root, armed: false, hidden: false, leaving: false, recent: [], options: {} });
    const run = (name) => this.run(name);
    this.stage = new Stage();
    this.view = new View(this);
    this.edits = new Edits(this);
    this.toolbars = new Toolbars(run, this.view);
    this.sidebar = new Sidebar({ run, choose: (entry) => this.announce(this.edits.chooseEntry(entry)), flag: (name) => this.edits.toggleFlag(name), draw: (entry) => this.announce(this.edits.drawNext(entry)), select: (uid) => this.select(uid), resolve: (uid, action) => this.resolve(uid, action) });
    this.labelPicker = new LabelPicker({ onChoose: (entry) => this.edits.labelChosen(entry), onClose: (back) => this.focusStage(back) });
    this.help = new Help((keymap) => this.shortcuts.change(keymap), (options) => this.setOptions(options));
    this.submitting = new Submitting(this);
    this.sync = new Sync({ storage: window.localStorage, onStatus: (status) => this.showStatus(status), onNewer: (boxes) => this.takeNewer(boxes) });
    this.shortcuts = new Shortcuts(root, (keys) => this.sync.requestAction("keys", { keys }));
    this.historyStorage = new HistoryStorage(window.sessionStorage);
    this.clipboard = new Clipboard(window.sessionStorage);
    this.gestures = new Gestures(this.stage, this.gestureHost());
    this.keyboard = new Keyboard(this);
    this.stage.onCamera = (camera) => this.toolbars.showZoom(camera);
    this.build(run);
  }

  build(run) {
    this.liveRegion = createElement("p", { className: "unseen", role: "status", "aria-live": "polite" });
    this.hintText = createElement("p", { className: "unseen", id: "lapel-hint", textContent: HINT });
    this.notice = createElement("p", { className: "notice", role: "alert", hidden: true });
    this.status = createElement("p", { className: "mark", role: "status" });
    this.stage.root.setAttribute("aria-describedby", "lapel-hint");
    this.footer = createElement("div", { className: "feet" }, actionButton("back", run, { caption: true }), actionButton("skip", run, { caption: true }), actionButton("submit", run, { caption: true, className: "primary" }));
    const canvas = createElement("div", { className: "place" }, this.stage.root, this.labelPicker.root);
    this.sidebar.root.prepend(this.notice);
    this.sidebar.root.append(this.status, this.footer);
    this.root.onclick = (event) => this.clicked(event);
    this.root.append(createElement("div", { className: "frame" }, this.toolbars.editing, this.toolbars.viewing, canvas, this.sidebar.root), this.help.root, this.submitting.dialog.root, this.liveRegion, this.hintText);
  }

  gestureHost() {
    const editor = this;
    return {
      get task() { return editor.task; },
      get armed() { return editor.armed; },
      get hidden() { return editor.hidden; },
      get locked() { return editor.locked; },
      onActivity: () => { this.leaving = false; this.labelPicker.close(false); this.sync.countTime(); },
      pick: (candidates, again) => { this.task.pick(candidates, again); this.render(); },
      place: (uid, box, title) => { if (this.task.setBox(uid, box, title)) this.changed(); this.task.keep(uid); this.redraw(uid); this.render(); },
      drawn: (box) => this.edits.drawn(box),
      take: (point) => this.edits.take(point),
      rename: () => this.labelPicker.open(this.task, this.stage),
    };
  }

  get locked() {
    return Boolean(this.data.readonly || this.sync.pending);
  }

  // Whether a dialog has the keys.
  get isAsking() {
    return this.help.root.open || this.submitting.dialog.isOpen;
  }

  get readonly() {
    return this.data.readonly;
  }

  // --- what the page says

  show(data, send) {
    const before = this.data;
    this.data = data;
    if (!before || before.key !== data.key || before.readonly !== data.readonly) this.open(data, send);
    else this.update(before, data, send);
    this.options = { ...DEFAULTS, ...data.options, ...this.chosen };
    this.shortcuts.update(data.keys, this.options.draw);
    this.root.dataset.without = (data.without ?? []).join(" ");
    for (const button of this.root.querySelectorAll("[data-action]")) button.hidden = Boolean(data.without?.includes(button.dataset.action));
    this.showNotice();
    this.view.show();
    this.render();
    this.submitting.update();
  }

  open(data, send) {
    const { submittedKey, ...begin } = this.sync.open(data, send);
    if (submittedKey) {
      this.historyStorage.remove(submittedKey);
      this.clipboard.put("before", this.task.boxes, this.task.photo);
    }
    this.start(data, begin.earlier ?? begin.boxes);
    if (begin.earlier) this.takeNewer(begin.boxes);
    this.stage.readonly = data.readonly;
    Object.assign(this, { armed: false, hidden: false, leaving: false });
    this.submitting.kept = false;
    this.edits.open();
    this.view.open(data.photo);
    this.stage.open(data.photo);
    this.gestures.clicked = null;
    const open = this.task.boxes.filter(undecided).length;
    this.stage.root.setAttribute("aria-label", `Photo ${data.photo.name}`);
    const { length } = this.task.boxes;
    this.announce(`Photo ${data.photo.name}: ${length} ${length === 1 ? "box" : "boxes"}, ${open} to decide`);
    const active = document.activeElement;
    if (!active || active === document.body || active === this.root.getRootNode().host) this.focusStage(true);
  }

  start(data, boxes) {
    this.task = new Task({ ...data, predictedBoxes: data.predicted_boxes, boxes, saved: this.historyStorage.load(data.key, boxes), recent: this.task?.recent ?? this.recent });
    this.given = JSON.stringify(data.boxes);
  }

  // The page ran again: only what is newer than what was done here counts.
  update(before, data, send) {
    this.sync.update(data, send);
    const given = JSON.stringify(data.boxes);
    const untouched = !this.sync.draft.unsaved && !this.task.history.past.length && !this.task.history.future.length;
    if (given !== this.given && untouched) this.start(data, data.boxes);
    this.given = given;
    this.task.categories = new Map(data.categories.map((category) => [category.id, category]));
    Object.assign(this.task, { labels: data.labels, parents: data.parents, predictedBoxes: data.predicted_boxes ?? [], attributes: data.attributes ?? [] });
    this.edits.update(data);
    if (before.photo.url !== data.photo.url) this.stage.open(data.photo);
    this.view.update(before.photo, data.photo);
  }

  takeNewer(boxes) {
    this.task.commit(boxes, "newer work from elsewhere");
    this.announce("Newer work from elsewhere is shown; undo brings back what was here");
    this.render();
  }

  // --- what a person does

  run(name) {
    this.leaving = false;
    if (!isAllowed(name, this)) return;
    if (name !== "draw" && !/^choose/.test(name)) this.edits.disarm();
    this.announce(HANDLERS[name](this));
    this.render();
  }

  changed(send = true) {
    this.hidden = false;
    this.sync.countTime();
    this.sync.change(this.task.boxes, send);
    this.historyStorage.saveSoon(this.data.key, this.task.history);
  }

  setOptions(options) {
    this.chosen = { ...this.chosen, ...options };
    this.options = { ...this.options, ...options };
    this.shortcuts.update(this.data.keys, this.options.draw);
    this.sync.requestAction("options", { options: this.options });
    this.render();
  }

  // After a click on a button the keys are the photo's again; who came by the Tab key stays.
  clicked(event) {
    const [target] = event.composedPath();
    if (event.detail > 0 && target.closest?.("button") && !target.closest("dialog, .finder")) this.focusStage(!this.labelPicker.isOpen);
  }

  select(uid) {
    this.task.select(uid);
    if (this.task.box) this.stage.reveal(this.task.box);
    this.render();
  }

  resolve(uid, action) {
    this.task.select(uid);
    this.run(action);
  }

  // One thing at a time: a drag, the drawing, the choice; then Tab may leave the photo.
  escape() {
    if (this.gestures.cancelDrag()) return true;
    if (this.armed) this.edits.disarm();
    else {
      this.task.select(null);
      this.leaving = true;
    }
    this.render();
    return true;
  }

  // Whether letters find a name: there is a box to name.
  get naming() {
    return Boolean(this.task?.box) && !this.locked;
  }

  // --- what is seen

  showNotice() {
    const notice = [this.data.notice, this.submitting.notice].filter(Boolean).join(" ");
    setText(this.notice, notice);
    setVisible(this.notice, Boolean(notice));
  }

  showStatus(status) {
    this.status.dataset.mark = status;
    this.root.dataset.mark = status;
    setText(this.status, STATUSES[status]);
    if (this.wasLocked !== undefined && this.wasLocked !== this.locked) this.render();
  }

  redraw(uid) {
    const drawn = this.stage.drawn.get(uid);
    const box = this.task.find(uid);
    if (drawn && box) this.stage.setGroupBox(drawn.group, box.box);
  }

  render() {
    if (!this.task) return;
    const { locked, readonly } = this;
    this.wasLocked = locked;
    this.showNotice();
    this.shortcuts.setNaming(this.naming);
    this.stage.root.classList.toggle("armed", this.armed);
    this.stage.svg.classList.toggle("away", this.hidden);
    this.stage.crosshair = this.armed || this.options.crosshair === "on";
    this.stage.root.setAttribute("aria-busy", String(Boolean(this.sync.pending)));
    this.stage.render(this.task);
    this.toolbars.render({ ...this, heat: this.view.heat, locked, readonly });
    this.sidebar.render({ task: this.task, locked, readonly, next: this.edits.next });
    for (const button of this.footer.children) button.disabled = locked && !(readonly && button.dataset.action === "back");
    setVisible(this.footer, !readonly);
  }

  announce(message) {
    if (message) this.liveRegion.textContent = message;
  }

  focusStage(back) {
    if (back) this.stage.root.focus({ preventScroll: true });
  }

  close() {
    this.sync.close();
    this.historyStorage.close();
    this.keyboard.close();
    this.stage.close();
    this.root.replaceChildren();
  }
}

const editors = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = data && parentElement.querySelector(".lapel-editor");
  if (!root) return;
  if (!editors.has(parentElement)) editors.set(parentElement, new Editor(root));
  const editor = editors.get(parentElement);
  editor.show(data, (name, value) => (name === "action" ? setTriggerValue : setStateValue)(name, value));
  return () => (editors.delete(parentElement), editor.close());
}
