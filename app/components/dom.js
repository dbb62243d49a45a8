// Elements in a line: properties, handlers and attributes, then children. Text is always text, never HTML.
const SVG = "http://www.w3.org/2000/svg";

export const createElement = (tag, props = {}, ...children) => withProps(document.createElement(tag), props, children);

export const createSvg = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const withProps = (element, props, children) => {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on") || name === "textContent" || name === "className") element[name] = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
};

// Only what changed is written: a browser lays out again what is set again.
export const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const setVisible = (element, visible) => {
  if (element.hidden === visible) element.hidden = !visible;
};

// Keys are for the page as a whole, except where a person types, slides or chooses.
export const isTyping = (target) => {
  if (!(target instanceof Element)) return false;
  const role = target.getAttribute("role") || "";
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT", "CANVAS"].includes(target.tagName) ||
    ["slider", "combobox", "listbox", "option", "radio", "tab", "menuitem", "textbox", "grid", "gridcell"].includes(role)
  );
};

// A list that has just been chosen from keeps the focus: undo and the arrows are not meant for the letters in it.
export const isClosedList = (target) =>
  target instanceof Element && target.getAttribute("role") === "combobox" && target.ariaExpanded !== "true";

const ink = document.createElement("canvas").getContext("2d");
const widths = new Map();

// Measured beside the page, so that three hundred names cost no layout.
export const textWidth = (text, font) => {
  const known = `${font}|${text}`;
  if (!widths.has(known)) {
    ink.font = font;
    widths.set(known, ink.measureText(text).width);
  }
  return widths.get(known);
};

// A box [x0, y0, x1, y1] over a picture of this size, in shares of it.
export const placeBox = (element, [x0, y0, x1, y1], width = 1, height = 1) => {
  Object.assign(element.style, {
    left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
    width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%`,
  });
  return element;
};
