import assert from "node:assert/strict";
import { test } from "node:test";
import { beginning, Draft, Mirror } from "../../../app/editor/draft.js";

const storageOf = (room = Infinity) => {
  const entries = {};
  const hidden = (value) => ({ value, enumerable: false });
  return Object.defineProperties(entries, {
    getItem: hidden((name) => entries[name] ?? null),
    removeItem: hidden((name) => delete entries[name]),
    setItem: hidden((name, text) => {
      if (Object.entries(entries).reduce((sum, [key, kept]) => sum + (key === name ? 0 : kept.length), text.length) > room) throw new Error("full");
      entries[name] = text;
    }),
  });
};

test("work is saved only when the server has the last change", () => {
  const draft = new Draft({ sequence: 0 });
  assert.equal(draft.mark(0, true), "untouched");
  const first = draft.change(1000);
  const second = draft.change(1001);
  draft.heard(first);
  assert.equal(draft.mark(1100, true), "saving");
  draft.heard(second);
  assert.equal(draft.mark(1200, true), "saved");
});

test("sequences rise even where the clock stands still or goes back", () => {
  const draft = new Draft({ sequence: 5000 });
  assert.deepEqual([draft.change(100), draft.change(100), draft.change(9000)], [5001, 5002, 9000]);
});

test("one message is under way at a time, and the newest follows its answer", () => {
  const draft = new Draft({ sequence: 0 });
  const first = draft.change(1000);
  assert.equal(draft.wait(1000), 0);
  assert.equal(draft.send(1000), 1);
  draft.change(1010);
  assert.ok(draft.wait(1010) > 0);
  draft.heard(first);
  assert.equal(draft.wait(1050), 0);
  assert.equal(draft.send(1050), 1);
});

test("what is not answered is sent again, ever more rarely, and at once when the connection is back", () => {
  const draft = new Draft({ sequence: 0 });
  draft.change(1000);
  draft.send(1000);
  assert.equal(draft.wait(1000), 2500);
  assert.equal(draft.send(3500), 2);
  assert.equal(draft.wait(3500), 5000);
  for (let attempt = 0; attempt < 9; attempt += 1) draft.send(10_000);
  assert.equal(draft.wait(10_000), 15_000);
  draft.hurry();
  assert.equal(draft.wait(10_001), 0);
});

test("an echo older than the work here changes nothing; newer work from elsewhere is told", () => {
  const draft = new Draft({ sequence: 0 });
  const mine = draft.change(2000);
  assert.equal(draft.heard(1500), false);
  assert.equal(draft.unsaved, true);
  assert.equal(draft.heard(mine), false);
  assert.equal(draft.heard(2500), true);
  assert.equal(draft.unsaved, false);
});

test("late is said after a while, offline at once", () => {
  const draft = new Draft({ sequence: 0 });
  draft.change(1000);
  assert.equal(draft.mark(2000, true), "saving");
  assert.equal(draft.mark(6000, true), "late");
  assert.equal(draft.mark(1001, false), "offline");
});

test("work from this browser goes on where the server has not got it", () => {
  const mine = { sequence: 7, boxes: ["mine"], seconds: 3, saved: false };
  assert.deepEqual(beginning(mine, { sequence: 5, boxes: ["server's"] }), { boxes: ["mine"], sequence: 7, seconds: 3, unsent: true, earlier: null });
});

test("newer work of the server is shown, and unsent work from here can be undone to", () => {
  const mine = { sequence: 7, boxes: ["mine"], saved: false };
  const begun = beginning(mine, { sequence: 9, boxes: ["server's"] });
  assert.deepEqual([begun.boxes, begun.sequence, begun.unsent, begun.earlier], [["server's"], 9, false, ["mine"]]);
  assert.equal(beginning({ ...mine, saved: true }, { sequence: 9, boxes: [] }).earlier, null);
});

test("the mirror gives back what it was given, and nothing for what it cannot read", () => {
  const storage = storageOf();
  const mirror = new Mirror(storage);
  mirror.write("me/1", { sequence: 3, boxes: [1], saved: false, at: 0 });
  assert.deepEqual(mirror.read("me/1"), { sequence: 3, boxes: [1], saved: false, at: 0 });
  storage.setItem("lapel:me/2", "{broken");
  assert.equal(mirror.read("me/2"), null);
  mirror.drop("me/1");
  assert.equal(mirror.read("me/1"), null);
});

test("a full browser gives up saved work first, and says so when it keeps nothing", () => {
  const mirror = new Mirror(storageOf(260));
  const work = (saved) => ({ sequence: 1, boxes: ["x".repeat(40)], saved, at: 1 });
  mirror.write("unsent", work(false));
  mirror.write("done", work(true));
  assert.equal(mirror.write("new", work(false)), true);
  assert.equal(mirror.read("done"), null);
  assert.ok(mirror.read("unsent"));
  assert.equal(mirror.write("huge", { ...work(false), boxes: ["x".repeat(400)] }), false);
});

test("old work and other people's entries: the first goes, the second stays", () => {
  const storage = storageOf();
  const mirror = new Mirror(storage);
  storage.setItem("somebody else's", "kept");
  mirror.write("old", { sequence: 1, boxes: [], saved: false, at: 0 });
  mirror.write("new", { sequence: 1, boxes: [], saved: true, at: 20 * 864e5 });
  mirror.prune(20 * 864e5);
  assert.equal(mirror.read("old"), null);
  assert.ok(mirror.read("new"));
  assert.equal(storage.getItem("somebody else's"), "kept");
});
