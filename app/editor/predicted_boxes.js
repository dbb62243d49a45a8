// What the models see in the photo, also what they are too unsure of to propose: boxes as proposals are, each with a score.
import { boxIou, contains } from "./geometry.js";

const SAME_GARMENT_IOU = 0.5;

// What they see where a person draws; null where that is nothing.
export const predictedAt = (predictedBoxes, corners) => {
  const near = predictedBoxes.map((box) => ({ box, iou: boxIou(box.box, corners) })).filter(({ iou }) => iou >= SAME_GARMENT_IOU);
  return near.sort((a, b) => b.iou * b.box.score - a.iou * a.box.score)[0]?.box ?? null;
};

// The surest garment around a point that none of the boxes shows; null where there is none.
export const predictedUnder = (predictedBoxes, boxes, point) => {
  const isShown = ({ box }) => boxes.some((other) => boxIou(other.box, box) >= SAME_GARMENT_IOU);
  const found = predictedBoxes.filter((box) => contains(box.box, point) && !isShown(box));
  return found.sort((a, b) => b.score - a.score)[0] ?? null;
};
