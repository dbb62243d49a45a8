// What is to be said of a box by itself, or beside the task that it is of.
// What annotation formats say of a box beside its category.
export const FLAGS = ["difficult", "truncated", "occluded"];

export const flagsOf = (box) => box.flags ?? [];

export const randomId = (length = 12) =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => (byte % 16).toString(16)).join("");

// Whether the model's score leaves the box to be decided on.
export const undecided = (box) => !box.accepted;

export const originOf = (box) => (box.origin === "person" ? "drawn" : box.accepted ? "accepted" : "proposed");

// Its category, and its label where that says more.
export const displayNames = (box, task) => {
  const name = task.nameOf(box);
  return box.label && box.label.toLowerCase() !== name.toLowerCase() ? [name, box.label] : [name];
};
