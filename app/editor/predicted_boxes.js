// What the models see in the photo, also what they are too unsure of to propose: boxes as proposals are, each with a score.
import { boxIou, contains } from "./geometry.js";

const SAME_GARMENT_IOU = 0.5;

// What they see where a person draws; null where that is nothing.
export const candidateAt = (candidates, corners) => {
  const near = candidates.map((candidate) => ({ candidate, iou: boxIou(candidate.box, corners) })).filter(({ iou }) => iou >= SAME_GARMENT_IOU);
  return near.sort((a, b) => b.iou * b.candidate.score - a.iou * a.candidate.score)[0]?.candidate ?? null;
};

// The surest garment around a point that none of the boxes shows; null where there is none.
export const candidateUnder = (candidates, boxes, point) => {
  const isShown = ({ box }) => boxes.some((other) => boxIou(other.box, box) >= SAME_GARMENT_IOU);
  const found = candidates.filter((candidate) => contains(candidate.box, point) && !isShown(candidate));
  return found.sort((a, b) => b.score - a.score)[0] ?? null;
};
