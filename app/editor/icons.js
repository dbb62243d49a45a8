// Icons of the toolbars.
import { createSvg } from "../components/dom.js";

// Strokes on a grid of 24.
const PATHS = {
  undo: "M8 5 4 9l4 4M4 9h9a5.5 5.5 0 0 1 0 11H9",
  redo: "M16 5l4 4-4 4M20 9h-9a5.5 5.5 0 0 0 0 11h4",
  draw: "M4 8V4h4M16 4h4v4M4 16v4h4M20 16v4h-4M12 8v8M8 12h8",
  uncertain: "M4 12h10M10 8l4 4-4 4M19 5v14",
  accept: "M4 12.5l5 5L20 6.5",
  acceptAll: "M2 12.5l5 5L17 6.5M12 16.5l1 1L23 6.5",
  reject: "M6 6l12 12M18 6 6 18",
  hide: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 .01 0",
  attention: "M12 4a8 8 0 1 0 .01 0M12 8a4 4 0 1 0 .01 0M12 11.6v.8",
  zoomIn: "M11 4a7 7 0 1 0 .01 0M16 16l4.5 4.5M11 8v6M8 11h6",
  zoomOut: "M11 4a7 7 0 1 0 .01 0M16 16l4.5 4.5M8 11h6",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  adjust: "M12 4a8 8 0 1 0 .01 0M12 4v16M12 8h5M12 12h8M12 16h5",
  rotate: "M20 12a8 8 0 1 1-3-6.2M17 2v4h-4",
  tighten: "M3 3l6 6M9 4v5H4M21 21l-6-6M15 20v-5h5",
  copy: "M8 8h12v12H8zM4 16V4h12",
  paste: "M6 5h12v16H6zM9 3h6v4H9M9 13h6M9 17h4",
  pasteBefore: "M9 5h11v16H9zM12 3h5v4h-5M6 9 3 12l3 3M3 12h9",
  duplicate: "M8 8h12v12H8zM4 16V4h12M14 11v6M11 14h6",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  history: "M12 4a8 8 0 1 0 .01 0M12 8v4l3 2",
  search: "M11 4a7 7 0 1 0 .01 0M16 16l4.5 4.5",
  submit: "M4 12h15M13 6l6 6-6 6",
  skip: "M5 6l8 6-8 6zM18 6v12",
  back: "M20 12H5M11 6l-6 6 6 6",
  keys: "M3 7h18v10H3zM7 11h.01M11 11h.01M15 11h.01M17 11h.01M8 14h8",
};

export const icon = (name) => createSvg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, createSvg("path", { d: PATHS[name] }));
