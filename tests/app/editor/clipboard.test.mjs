import assert from "node:assert/strict";
import { test } from "node:test";
import { Clipboard, scaled } from "../../../app/editor/clipboard.js";

const storage = () => {
  const held = new Map();
  return { getItem: (key) => held.get(key) ?? null, setItem: (key, text) => held.set(key, text), removeItem: (key) => held.delete(key) };
};

test("boxes lie in the same places of a photo of another size, and inside it", () => {
  const boxes = [{ uid: "a", box: [10, 20, 110, 60] }];
  assert.deepEqual(scaled({ boxes, photo: { width: 100, height: 80 } }, { width: 50, height: 160 })[0].box, [5, 40, 50, 120]);
});

test("what was copied is there after a reload, of its kind", () => {
  const kept = storage();
  new Clipboard(kept).put("copied", [{ uid: "a", box: [0, 0, 10, 10] }], { width: 100, height: 80 });
  const again = new Clipboard(kept);
  assert.equal(again.get("copied", { width: 100, height: 80 }).length, 1);
  assert.deepEqual(again.get("before", { width: 100, height: 80 }), []);
});
