import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS, chordOf, formatChord, isAssignable, Keymap } from "../../../app/editor/keys.js";

const press = (key, fields = {}) => chordOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...fields });

test("chords are written one way", () => {
  assert.equal(press("a"), "a");
  assert.equal(press("A", { shiftKey: true }), "Shift+a");
  assert.equal(press("Z", { ctrlKey: true, shiftKey: true }), "Ctrl+Shift+z");
  assert.equal(press("z", { metaKey: true }), "Ctrl+z");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press("Tab", { shiftKey: true }), "Shift+Tab");
  assert.equal(press("Shift", { shiftKey: true }), "");
});

test("no two actions have the same usual key", () => {
  const chords = ACTIONS.flatMap(({ chords: own }) => own);
  assert.equal(new Set(chords).size, chords.length);
});

test("every usual key does its action", () => {
  const keymap = new Keymap();
  for (const { name, chords } of ACTIONS) for (const chord of chords) assert.equal(keymap.action(chord), name);
});

test("a person's key replaces the usual ones, and who had it before loses it", () => {
  const keymap = new Keymap().with("skip", "a");
  assert.equal(keymap.action("a"), "skip");
  assert.equal(keymap.action("s"), null);
  assert.deepEqual(keymap.chords("accept"), []);
  const next = keymap.with("accept", "a");
  assert.equal(next.action("a"), "accept");
  assert.deepEqual(next.chords("skip"), []);
});

test("while a box is chosen, letters that are not about it are left to its name", () => {
  const keymap = new Keymap();
  for (const letter of ["s", "b", "d", "h", "m", "r", "c"]) {
    assert.equal(keymap.action(letter, true), null);
    assert.equal(keymap.action(`Shift+${letter}`, true), keymap.action(letter));
  }
  assert.deepEqual(["a", "x", "n", "u", "e", "1", "Enter"].map((chord) => keymap.action(chord, true)), ["accept", "reject", "draw", "uncertain", "tighten", "choose1", "submit"]);
  assert.equal(keymap.chord("skip"), "s");
  assert.equal(keymap.chord("skip", true), "Shift+s");
  assert.equal(keymap.chord("accept", true), "a");
  const own = new Keymap({ skip: "k", back: "" });
  assert.equal(own.action("k", true), "skip", "what a person chose stays a key");
  assert.equal(own.chord("back", true), "");
});

test("who would rather draw by D has the keys as they were", () => {
  const keymap = new Keymap({ skip: "k" }, "d");
  assert.deepEqual(["n", "d", "u", "k"].map((chord) => keymap.action(chord)), ["uncertain", "draw", null, "skip"]);
  assert.equal(keymap.with("back", "u").action("n"), "uncertain");
});

test("kept keys that mean nothing here are left out", () => {
  assert.deepEqual(new Keymap({ fly: "f", skip: "k" }).overrides, { skip: "k" });
});

test("keys that the editor needs cannot be taken", () => {
  assert.equal(isAssignable("Escape"), false);
  assert.equal(isAssignable("Shift+ArrowLeft"), false);
  assert.equal(isAssignable(""), false);
  assert.equal(isAssignable("Ctrl++"), true);
});

test("keys are written for people", () => {
  assert.equal(formatChord("Ctrl+Shift+z"), "Ctrl Shift Z");
  assert.equal(formatChord("+"), "+");
  assert.equal(formatChord("Enter"), "↵");
});
