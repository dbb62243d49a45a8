import assert from "node:assert/strict";
import { test } from "node:test";
import * as geometry from "../../../app/editor/geometry.js";

const photo = { width: 100, height: 80 };
const view = { width: 220, height: 220 };

test("a box is drawn in whole pixels, from any corner, and cut to the photo", () => {
  assert.deepEqual(geometry.boxBetween({ x: 30.4, y: 40.6 }, { x: 10.2, y: -5 }, photo), [10, 0, 30, 41]);
  assert.deepEqual(geometry.boxBetween({ x: 90, y: 70 }, { x: 400, y: 400 }, photo), [90, 70, 100, 80]);
  assert.equal(geometry.boxBetween({ x: 10, y: 10 }, { x: 11, y: 60 }, photo), null);
});

test("a moved box keeps its size, also at the photo's edge", () => {
  assert.deepEqual(geometry.moveBox([10.5, 10, 30.5, 30], 3.4, -2.6, photo), [13.5, 7, 33.5, 27]);
  assert.deepEqual(geometry.moveBox([10.25, 10, 30.5, 30], -50, 500, photo), [0, 60, 20.25, 80]);
});

test("a handle moves its own edges and no other", () => {
  const box = [10.3, 10, 30, 30.7];
  assert.deepEqual(geometry.resizeBox(box, "e", 5, 99, photo), [10.3, 10, 35, 30.7]);
  assert.deepEqual(geometry.resizeBox(box, "nw", -99, 3, photo), [0, 13, 30, 30.7]);
});

test("edges never pass each other", () => {
  assert.deepEqual(geometry.resizeBox([10, 10, 30, 30], "w", 500, 0, photo), [28, 10, 30, 30]);
  assert.deepEqual(geometry.resizeBox([10, 10, 30, 30], "s", 0, -500, photo), [10, 10, 30, 12]);
});

test("the nearest handle within reach is taken, and a small box has its corners only", () => {
  const box = [10, 10, 70, 70];
  assert.equal(geometry.handleAt(box, { x: 41, y: 8 }, 5, 1), "n");
  assert.equal(geometry.handleAt(box, { x: 12, y: 12 }, 5, 1), "nw");
  assert.equal(geometry.handleAt(box, { x: 25, y: 25 }, 5, 1), null);
  assert.equal(geometry.handlesOf(box, 0.5).length, 4);
  assert.equal(geometry.handlesOf(box, 1).length, 8);
});

test("what lies under a point comes smallest first", () => {
  const boxes = [{ uid: "big", box: [0, 0, 90, 70] }, { uid: "small", box: [10, 10, 20, 20] }, { uid: "far", box: [50, 50, 60, 60] }];
  assert.deepEqual(geometry.boxesAt(boxes, { x: 15, y: 15 }).map(({ uid }) => uid), ["small", "big"]);
  assert.deepEqual(geometry.boxesAt(boxes, { x: 95, y: 75 }), []);
});

test("a border is near its edge on both sides, and its middle is not", () => {
  assert.equal(geometry.onBorder([10, 10, 50, 50], { x: 8, y: 30 }, 3), true);
  assert.equal(geometry.onBorder([10, 10, 50, 50], { x: 12, y: 30 }, 3), true);
  assert.equal(geometry.onBorder([10, 10, 50, 50], { x: 30, y: 30 }, 3), false);
});

test("the fitted photo stands in the middle with room for handles", () => {
  assert.deepEqual(geometry.fitCamera(view, photo), { scale: 2, x: 10, y: 30 });
});

test("screen and photo are each other's inverse", () => {
  const camera = { scale: 2.5, x: -30, y: 12 };
  assert.deepEqual(geometry.toPhoto(camera, geometry.toScreen(camera, { x: 17, y: 3 })), { x: 17, y: 3 });
});

test("zooming keeps the point under the pointer", () => {
  const before = geometry.fitCamera(view, photo);
  const point = { x: 120, y: 130 };
  const after = geometry.zoomCamera(before, 3, point, view, photo);
  const [a, b] = [before, after].map((camera) => geometry.toPhoto(camera, point));
  assert.ok(Math.abs(a.x - b.x) < 1e-9 && Math.abs(a.y - b.y) < 1e-9);
  assert.equal(after.scale, 6);
});

test("zoom has an end both ways", () => {
  const camera = geometry.fitCamera(view, photo);
  assert.equal(geometry.zoomCamera(camera, 1e9, { x: 0, y: 0 }, view, photo).scale, 48);
  assert.equal(geometry.zoomCamera(camera, 1e-9, { x: 0, y: 0 }, view, photo).scale, 0.5);
});

test("the photo cannot be lost out of the view", () => {
  const far = geometry.clampCamera({ scale: 4, x: 9999, y: -9999 }, view, photo);
  assert.deepEqual(far, { scale: 4, x: 220 - 48, y: 48 - 320 });
});

test("a box is brought into view, and the camera stays where it is in view already", () => {
  const camera = { scale: 4, x: -100, y: -40 };
  assert.deepEqual(geometry.revealCamera(camera, [40, 30, 60, 40], view, photo), camera);
  const shown = geometry.revealCamera(camera, [80, 60, 95, 75], view, photo);
  const corner = geometry.toScreen(shown, { x: 95, y: 75 });
  assert.ok(corner.x <= view.width && corner.y <= view.height);
});

test("a list goes to the right of its box, else to the left, else to where there is more room", () => {
  const [size, room] = [{ width: 100, height: 60 }, { left: 0, right: 400, height: 200 }];
  assert.deepEqual(geometry.placeBeside([50, 40, 120, 90], size, room), { x: 130, y: 40 });
  assert.deepEqual(geometry.placeBeside([200, 190, 350, 200], size, room), { x: 90, y: 130 });
  assert.deepEqual(geometry.placeBeside([40, -20, 390, 90], size, room), { x: 0, y: 10 });
  assert.deepEqual(geometry.placeBeside([5, 40, 350, 90], size, room), { x: 300, y: 40 });
  assert.equal(geometry.placeBeside([50, 40, 120, 90], size, { left: 0, right: 190, height: 200 }), null);
});

test("a side is met within reach, the nearest one, and not on small boxes", () => {
  const box = [100, 100, 300, 200];
  assert.equal(geometry.sideAt(box, { x: 97, y: 130 }, 5), "w");
  assert.equal(geometry.sideAt(box, { x: 304, y: 180 }, 5), "e");
  assert.equal(geometry.sideAt(box, { x: 240, y: 104 }, 5), "n");
  assert.equal(geometry.sideAt(box, { x: 130, y: 200 }, 5), "s");
  assert.equal(geometry.sideAt(box, { x: 104, y: 101 }, 5), "n");
  assert.equal(geometry.sideAt(box, { x: 200, y: 150 }, 5), null);
  assert.equal(geometry.sideAt(box, { x: 92, y: 150 }, 5), null);
  assert.equal(geometry.sideAt([100, 100, 300, 124], { x: 200, y: 100 }, 5), null);
});

test("a list on a narrow screen goes under its box, or over it where there is more room", () => {
  const room = { top: 100, bottom: 700 };
  assert.deepEqual(geometry.placeBelow([10, 150, 200, 300], room, 250), { y: 308, height: 392, over: false });
  assert.deepEqual(geometry.placeBelow([10, 450, 200, 600], room, 250), { y: 442, height: 342, over: true });
  assert.deepEqual(geometry.placeBelow([10, 400, 200, 430], room, 250), { y: 438, height: 262, over: false }, "enough is enough");
  assert.deepEqual(geometry.placeBelow([10, 300, 200, 560], room, 250), { y: 292, height: 192, over: true }, "the larger of two too small");
  assert.deepEqual(geometry.placeBelow([10, 240, 200, 560], room, 250), { y: 568, height: 132, over: false }, "likewise");
});

test("a point of a turned view is where it would be upright, and turning on comes back", () => {
  const size = { width: 100, height: 60 };
  assert.deepEqual([1, 2, 3].map((quarters) => geometry.unturned({ x: 0, y: 0 }, quarters, size)), [{ x: 0, y: 100 }, { x: 100, y: 60 }, { x: 60, y: 0 }]);
  const inner = geometry.unturned({ x: 30, y: 10 }, 1, size);
  assert.deepEqual(geometry.unturned(inner, 3, { width: 60, height: 100 }), { x: 30, y: 10 });
});

test("intersection over union", () => {
  assert.equal(geometry.boxIou([0, 0, 10, 10], [5, 0, 15, 10]), 1 / 3);
  assert.equal(geometry.boxIou([0, 0, 10, 10], [20, 0, 30, 10]), 0);
});
