// A figure of all panels as PNG or SVG: one list of things to draw, and two that draw them.
import { paint, shown } from "./colors.js";

const PANEL = 168;
const NARROWEST = 84;
const LEAST = 480;
const GAP = 14;
const OUTLINES = [["#111", 3], ["#fff", 1.5]]; // of the point or the box: white within black, to be seen on any color
const LINE = 15;
const BAR = { width: 150, height: 10 };
const FONT = "system-ui, sans-serif";

const ruler = () => {
  const context = document.createElement("canvas").getContext("2d");
  return (words, weight, size) => {
    context.font = `${weight} ${size}px ${FONT}`;
    return context.measureText(words).width;
  };
};

// Words in lines of at most this width; a longer word has a line of its own.
const wrapped = (words, width, measure) => {
  const lines = [];
  for (const word of words.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && measure(longer, 400, 11) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
};

// Things to draw, top to bottom, and the size of it all. sections: [{title, panels: [{title, values, shape, extent, scale}]}]
const layout = (sections, picture, tables, options) => {
  const [wide, tall] = picture.ratio >= 1 ? [PANEL, PANEL / picture.ratio] : [Math.max(PANEL * picture.ratio, NARROWEST), PANEL];
  const high = Math.max(tall, wide / picture.ratio);
  const columns = Math.min(options.columns, Math.max(...sections.map(({ panels }) => panels.length), 1));
  const measure = ruler();
  const things = [];
  let width = Math.max(GAP + columns * (wide + GAP), LEAST);
  let y = GAP;
  const text = (x, at, words, weight = 400, size = 12) => {
    things.push({ kind: "text", x, y: at, words, weight, size });
    width = Math.max(width, x + measure(words, weight, size) + GAP);
  };
  text(GAP, y + LINE, options.title, 600, 14);
  y += LINE + 10;
  for (const section of sections) {
    text(GAP, y + LINE, section.title, 600);
    y += LINE + 8;
    for (let start = 0; start < section.panels.length; start += columns) {
      const row = section.panels.slice(start, start + columns);
      const captions = row.map(({ title }) => wrapped(title, wide, measure));
      row.forEach((panel, column) => {
        const x = GAP + column * (wide + GAP);
        things.push({ kind: "picture", x, y, width: wide, height: high });
        things.push({ kind: "map", x, y, width: wide, height: high, panel });
        for (const [x0, y0, x1, y1] of options.marks) {
          things.push({ kind: "mark", x: x + x0 * wide, y: y + y0 * high, width: (x1 - x0) * wide, height: (y1 - y0) * high });
        }
        captions[column].forEach((line, index) => text(x, y + high + (index + 1) * LINE - 2, line, 400, 11));
      });
      y += high + Math.max(...captions.map((lines) => lines.length)) * LINE + GAP / 2;
    }
    const scales = [...new Set(section.panels.map((panel) => panel.scale))];
    for (const scale of scales) {
      const mine = section.panels.filter((panel) => panel.scale === scale).map(({ title }) => title);
      const whose = scales.length > 1 && mine.length <= 3 ? `${mine.join(", ")}: ` : "";
      things.push({ kind: "bar", x: GAP, y, scale, table: tables[scale.signed ? "diverging" : "sequential"] });
      text(GAP + BAR.width + 8, y + 9, `${whose}${shown(scale.low)} to ${shown(scale.high)}${scale.unit ? `  ${scale.unit}` : ""}`, 400, 11);
      y += LINE + 6;
    }
    y += 8;
  }
  for (const line of wrapped(options.note, width - 2 * GAP, measure)) {
    text(GAP, y + LINE, line, 400, 11);
    y += LINE;
  }
  return { things, width, height: y + GAP };
};

const painted = (panel, tables, smooth) => {
  const canvas = document.createElement("canvas");
  paint(canvas, panel.values, panel.shape, panel.scale, tables[panel.scale.signed ? "diverging" : "sequential"], smooth);
  return canvas;
};

const inside = ({ x, y, width, height, panel }) => {
  const [x0, y0, x1, y1] = panel.extent;
  return [x + x0 * width, y + y0 * height, (x1 - x0) * width, (y1 - y0) * height];
};

const barCanvas = (table) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [256, 1];
  const context = canvas.getContext("2d");
  table.forEach((color, index) => {
    context.fillStyle = `rgb(${color.join(",")})`;
    context.fillRect(index, 0, 1, 1);
  });
  return canvas;
};

const gray = (image) => {
  const canvas = document.createElement("canvas");
  const factor = Math.min(1, 512 / Math.max(image.naturalWidth, image.naturalHeight));
  canvas.width = Math.max(1, Math.round(image.naturalWidth * factor));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * factor));
  const context = canvas.getContext("2d");
  context.filter = "grayscale(1)";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
};

export const pngOf = (sections, picture, tables, options) => {
  const { things, width, height } = layout(sections, picture, tables, options);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  const photo = gray(picture.image);
  for (const thing of things) {
    if (thing.kind === "text") {
      context.fillStyle = "#111";
      context.font = `${thing.weight} ${thing.size}px ${FONT}`;
      context.fillText(thing.words, thing.x, thing.y);
    } else if (thing.kind === "picture") {
      context.drawImage(photo, thing.x, thing.y, thing.width, thing.height);
    } else if (thing.kind === "map") {
      context.save();
      context.beginPath();
      context.rect(thing.x, thing.y, thing.width, thing.height);
      context.clip();
      context.globalAlpha = options.opacity;
      context.imageSmoothingEnabled = options.smooth;
      context.drawImage(painted(thing.panel, tables, options.smooth), ...inside(thing));
      context.restore();
    } else if (thing.kind === "mark") {
      for (const [color, thick] of OUTLINES) {
        [context.strokeStyle, context.lineWidth] = [color, thick];
        context.strokeRect(thing.x, thing.y, thing.width, thing.height);
      }
    } else context.drawImage(barCanvas(thing.table), thing.x, thing.y, BAR.width, BAR.height);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
};

const escaped = (words) => words.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);

export const svgOf = (sections, picture, tables, options) => {
  const { things, width, height } = layout(sections, picture, tables, options);
  const photo = gray(picture.image).toDataURL("image/jpeg", 0.9);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}">`,
    `<rect width="100%" height="100%" fill="#fff"/><defs><image id="photo" width="1" height="1" preserveAspectRatio="none" href="${photo}"/></defs>`,
  ];
  things.forEach((thing, index) => {
    if (thing.kind === "text") {
      parts.push(`<text x="${thing.x}" y="${thing.y}" font-size="${thing.size}" font-weight="${thing.weight}" fill="#111">${escaped(thing.words)}</text>`);
    } else if (thing.kind === "picture") {
      parts.push(`<use href="#photo" transform="translate(${thing.x} ${thing.y}) scale(${thing.width} ${thing.height})"/>`);
    } else if (thing.kind === "map") {
      const [x, y, wide, tall] = inside(thing);
      const url = painted(thing.panel, tables, options.smooth).toDataURL("image/png");
      parts.push(`<clipPath id="c${index}"><rect x="${thing.x}" y="${thing.y}" width="${thing.width}" height="${thing.height}"/></clipPath>`);
      parts.push(`<image clip-path="url(#c${index})" opacity="${options.opacity}" x="${x}" y="${y}" width="${wide}" height="${tall}" preserveAspectRatio="none" style="image-rendering:${options.smooth ? "auto" : "pixelated"}" href="${url}"/>`);
    } else if (thing.kind === "mark") {
      for (const [color, thick] of OUTLINES) {
        parts.push(`<rect class="mark" x="${thing.x}" y="${thing.y}" width="${thing.width}" height="${thing.height}" fill="none" stroke="${color}" stroke-width="${thick}"/>`);
      }
    } else {
      parts.push(`<image x="${thing.x}" y="${thing.y}" width="${BAR.width}" height="${BAR.height}" preserveAspectRatio="none" href="${barCanvas(thing.table).toDataURL("image/png")}"/>`);
    }
  });
  return new Blob([...parts, "</svg>"], { type: "image/svg+xml" });
};

export const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
