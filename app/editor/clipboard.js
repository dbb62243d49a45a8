// Copied boxes, and those of the photo that was submitted last, for other photos; this tab's, also after a reload.
import { clamp, MIN_SIZE } from "./geometry.js";
import { PrefixedStorage } from "./storage.js";

const PREFIX = "lapel-boxes:";

// Boxes of one photo in the same places of another, which may have another size.
export const scaled = ({ boxes, photo }, to) => {
  const factors = [to.width / photo.width, to.height / photo.height];
  return boxes.map((box) => {
    const [x0, y0, x1, y1] = box.box.map((value, side) => Math.round(value * factors[side % 2] * 100) / 100);
    const [left, upper] = [clamp(x0, 0, to.width - MIN_SIZE), clamp(y0, 0, to.height - MIN_SIZE)];
    return { ...box, box: [left, upper, clamp(x1, left + MIN_SIZE, to.width), clamp(y1, upper + MIN_SIZE, to.height)] };
  });
};

export class Clipboard {
  // `storage` is sessionStorage or its like.
  constructor(storage) {
    this.storage = new PrefixedStorage(storage, PREFIX);
    this.held = {};
  }

  // `name` is "copied" or "before".
  put(name, boxes, { width, height }) {
    this.held[name] = { boxes, photo: { width, height } };
    this.storage.set(name, JSON.stringify(this.held[name]));
  }

  // The boxes as they lie in a photo of this size; none where nothing is held.
  get(name, photo) {
    const held = this.held[name] ?? this.storage.get(name, (stored) => (Array.isArray(stored.boxes) && stored.photo?.width > 0 ? stored : null));
    return held ? scaled(held, photo) : [];
  }
}
