import assert from "node:assert/strict";
import { test } from "node:test";
import { ranked } from "../../../app/editor/search.js";

const entries = ["Sweater", "Button-Down", "Tank", "Outerwear", "Wear", "Écharpe", "Sweatpants"].map((text) => ({ text }));
const found = (query, limit) => ranked(query, entries, limit).map(({ text }) => text);

test("beginnings come before words, parts and scattered letters", () => {
  assert.deepEqual(found("we"), ["Wear", "Sweater", "Outerwear", "Sweatpants"].sort((a, b) => (a === "Wear" ? -1 : b === "Wear" ? 1 : a.length - b.length)));
  assert.deepEqual(found("down"), ["Button-Down"]);
  assert.deepEqual(found("swp"), ["Sweatpants"]);
});

test("accents and case do not matter", () => {
  assert.deepEqual(found("ECH"), ["Écharpe"]);
});

test("nothing typed shows the first, nothing found shows none", () => {
  assert.deepEqual(found(" ", 2), ["Sweater", "Button-Down"]);
  assert.deepEqual(found("zzz"), []);
});

test("the exact name comes first, and a category before a label of the same rank", () => {
  const mixed = [{ kind: "label", text: "Top" }, { kind: "label", text: "Topcoat" }, { kind: "category", text: "top" }, { kind: "category", text: "topper" }];
  assert.deepEqual(ranked("top", mixed).map(({ kind, text }) => `${kind} ${text}`), ["category top", "label Top", "category topper", "label Topcoat"]);
});
