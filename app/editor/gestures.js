// Mouse, pen and touch on the stage. A drag that begins inside the box that was clicked moves it; on a side or a handle
// of the chosen box it resizes, and moves one that is too small for that; the mouse also takes another box by its corner.
// Anywhere else it draws: also inside a box that was drawn just now or chosen by key, and on the borders of others, for
// garments overlap and touch. With Shift a drag always draws. Two fingers, Space, the middle button and the wheel move the camera. Frames come from
// requestAnimationFrame; the host is told once a gesture has ended.
import { boxBetween, boxesAt, contains, handleAt, moveBox, onBorder, resizeBox, sideAt } from "./geometry.js";

const REACH = { mouse: 7, pen: 9, touch: 18 };
const THRESHOLD = { mouse: 3, pen: 4, touch: 8 };
const SAME_SPOT = 6;
const ASIDE = { n: "e", s: "e", e: "n", w: "n", nw: "ne", se: "ne", ne: "nw", sw: "nw" }; // in a view turned by a quarter
const CURSORS = { n: "ns", s: "ns", e: "ew", w: "ew", nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw" };

export class Gestures {
  // host: {task, armed, hidden, locked, pick(candidates, again), place(uid, box, title), drawn(box), take(point), rename(), onActivity()}
  constructor(stage, host) {
    Object.assign(this, { stage, host, pointers: new Map(), drag: null, space: false, frame: 0 });
    const { root } = stage;
    root.onpointerdown = (event) => this.down(event);
    root.onpointermove = (event) => this.move(event);
    root.onpointerup = (event) => this.up(event);
    root.onpointercancel = (event) => this.cancel(event.pointerId);
    root.onpointerleave = () => (stage.hover(null), stage.crossAt(null));
    root.oncontextmenu = (event) => this.drag && event.preventDefault();
    root.onauxclick = (event) => event.preventDefault();
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  down(event) {
    this.host.onActivity();
    this.stage.root.focus({ preventScroll: true });
    this.stage.root.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.stage.viewPoint(event));
    if (this.pointers.size === 2) this.drag = this.pinching();
    if (this.pointers.size !== 1) return;
    event.preventDefault();
    if (event.button === 1 || this.space) this.drag = { kind: "pan", at: this.stage.viewPoint(event), started: true };
    else if (event.button === 0) this.drag = { ...this.hitTest(event), from: this.stage.photoPoint(event), at: this.stage.viewPoint(event), started: false };
    this.updateCursor(event);
  }

  // What a drag from here would do.
  hitTest(event) {
    const { task, armed, locked } = this.host;
    const { scale } = this.stage.camera;
    const point = this.stage.photoPoint(event);
    const reach = (REACH[event.pointerType] ?? REACH.mouse) / scale;
    if (locked) return { kind: "pan" };
    if (armed || event.shiftKey) return { kind: "draw" };
    const chosen = task.box;
    if (chosen) {
      const handle = handleAt(chosen.box, point, reach, scale) ?? sideAt(chosen.box, point, reach);
      if (handle) return { kind: "resize", handle, uid: chosen.uid, box: chosen.box };
      const inside = contains(chosen.box, point) && chosen.uid === task.movable;
      if (inside || onBorder(chosen.box, point, reach)) return { kind: "move", uid: chosen.uid, box: chosen.box };
    }
    return this.cornerOfAnother(event, point, reach / 2) ?? { kind: "draw" };
  }

  // Fingers are too wide for that: they choose a box first.
  cornerOfAnother(event, point, reach) {
    if (event.pointerType === "touch" || this.host.hidden) return null;
    for (const { uid, box } of boxesAt(this.host.task.boxes, point, reach)) {
      const handle = handleAt(box, point, reach, 0);
      if (handle) return { kind: "resize", handle, uid, box };
    }
    return null;
  }

  move(event) {
    this.stage.crossAt(event.pointerType === "touch" ? null : event);
    if (!this.pointers.has(event.pointerId)) {
      this.updateCursor(event);
      return;
    }
    this.pointers.set(event.pointerId, this.stage.viewPoint(event));
    if (!this.drag) return;
    const { at, started } = this.drag;
    const now = this.stage.viewPoint(event);
    if (!started && Math.hypot(now.x - at.x, now.y - at.y) < (THRESHOLD[event.pointerType] ?? THRESHOLD.mouse)) return;
    this.drag.started = true;
    this.latest = { clientX: event.clientX, clientY: event.clientY };
    this.frame ||= requestAnimationFrame(() => this.step());
  }

  // One frame of a drag.
  step() {
    this.frame = 0;
    const { drag, stage } = this;
    if (!drag?.started || !this.latest) return;
    if (drag.kind === "pinch") return void this.pinch(drag);
    const now = stage.viewPoint(this.latest);
    if (drag.kind === "pan") {
      stage.pan(now.x - drag.at.x, now.y - drag.at.y);
      drag.at = now;
      return;
    }
    drag.result = this.resultOf(drag, stage.photoPoint(this.latest));
    if (drag.kind === "draw") stage.previewDrawing(drag.result);
    else stage.previewBox(drag.uid, drag.result);
  }

  resultOf({ kind, handle, box, from }, to) {
    const { shape } = this.stage;
    if (kind === "draw") return boxBetween(from, to, shape);
    if (kind === "move") return moveBox(box, to.x - from.x, to.y - from.y, shape);
    return resizeBox(box, handle, to.x - from.x, to.y - from.y, shape);
  }

  up(event) {
    const { drag } = this;
    if (this.frame) {
      cancelAnimationFrame(this.frame);
      this.step();
    }
    this.pointers.delete(event.pointerId);
    if (drag?.kind === "pinch") {
      // The finger that stays does not begin to draw.
      if (!this.pointers.size) this.drag = null;
      return;
    }
    this.drag = null;
    if (!drag) return;
    if (!drag.started) this.click(event, drag);
    else if (drag.kind !== "pan") this.finish(event, drag);
    this.updateCursor(event);
  }

  finish(event, drag) {
    this.stage.previewDrawing(null);
    const result = this.resultOf(drag, this.stage.photoPoint(event));
    if (drag.kind === "draw") this.host.drawn(result);
    else this.host.place(drag.uid, result, drag.kind === "move" ? "move" : "resize");
  }

  click(event, drag) {
    if (drag.kind === "pan" && !this.host.locked) return;
    if (this.host.armed && !this.host.locked) return void this.host.take(this.stage.photoPoint(event));
    if (this.onName(event)) return void this.host.rename();
    const { at } = drag;
    const again = Boolean(this.clicked) && Math.hypot(at.x - this.clicked.x, at.y - this.clicked.y) < SAME_SPOT;
    this.clicked = at;
    const reach = (REACH[event.pointerType] ?? REACH.mouse) / this.stage.camera.scale / 2;
    this.host.pick(this.host.hidden ? [] : boxesAt(this.host.task.boxes, this.stage.photoPoint(event), reach), again);
  }

  // Whether the pointer is on the chosen box's name.
  onName(event) {
    const { task, locked, hidden } = this.host;
    return Boolean(task.box) && !locked && !hidden && this.stage.onName(task.box.uid, event);
  }

  // Gives up what is under way; true where something was.
  cancelDrag() {
    const { drag } = this;
    this.drag = null;
    this.stage.previewDrawing(null);
    if (drag?.started && drag.uid) this.stage.previewBox(drag.uid, drag.box);
    return Boolean(drag?.started);
  }

  cancel(id) {
    this.pointers.delete(id);
    this.cancelDrag();
  }

  // --- the camera

  pinching() {
    this.cancelDrag();
    return { kind: "pinch", started: true, ...this.pinchState() };
  }

  pinchState() {
    const [a, b] = [...this.pointers.values()];
    return { middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, apart: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
  }

  pinch(drag) {
    if (this.pointers.size < 2) return;
    const now = this.pinchState();
    this.stage.pan(now.middle.x - drag.middle.x, now.middle.y - drag.middle.y);
    this.stage.zoom(now.apart / drag.apart, now.middle);
    Object.assign(drag, now);
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    this.stage.zoom(Math.exp(-Math.max(-240, Math.min(240, pixels)) * speed), this.stage.viewPoint(event));
  }

  holdSpace(isDown) {
    this.space = isDown;
    this.stage.root.style.cursor = isDown ? "grab" : "";
  }

  // The cursor tells what a drag from here would do.
  updateCursor(event) {
    if (this.space || event.pointerType === "touch") return;
    const { kind, handle, uid } = this.drag ?? this.hitTest(event);
    const cursor = !this.drag && this.onName(event) ? "pointer" : { pan: "grab", draw: "crosshair", move: "move", resize: `${CURSORS[this.stage.quarters % 2 ? ASIDE[handle] : handle]}-resize` }[kind];
    if (this.stage.root.style.cursor !== cursor) this.stage.root.style.cursor = cursor;
    if (!this.drag) this.stage.hover(uid ?? boxesAt(this.host.task.boxes, this.stage.photoPoint(event))[0]?.uid ?? null);
  }
}
