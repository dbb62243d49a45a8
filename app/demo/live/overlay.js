// Boxes and tags over the moving picture, in the pixels of the screen.

/** Where a picture of `width` x `height` lies in an area when it is fitted into it. */
export function fitted(width, height, areaWidth, areaHeight) {
  const scale = Math.min(areaWidth / width, areaHeight / height);
  return { scale, left: (areaWidth - width * scale) / 2, top: (areaHeight - height * scale) / 2 };
}

/** A frame's box [x0, y0, x1, y1] on the screen; mirrored as the picture is. */
export function onScreen(box, frame, place, mirrored) {
  const [x0, y0, x1, y1] = box;
  const left = mirrored ? frame.width - x1 : x0;
  return {
    x: place.left + left * place.scale, y: place.top + y0 * place.scale,
    width: (x1 - x0) * place.scale, height: (y1 - y0) * place.scale,
  };
}

/** Black or white, whichever reads better on a color "#rrggbb" (WCAG's relative luminance). */
export function textColor(color) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#111111" : "#ffffff";
}

/** What is written on a garment: without its score, which changes with each frame. */
export function tagOf(garment) {
  return `${garment.top5.length ? garment.top5[0][0] : garment.category} ${garment.track}`;
}

/**
 * Where garments are between two answers: a box goes on as it has moved since the answer before, so that it lies
 * on the picture that is seen and not on the one that was sent.
 */
export class Motion {
  constructor(mostMs = 250, weight = 0.6) {
    Object.assign(this, { mostMs, weight, frame: null, taken: 0, speeds: new Map() });
  }

  /** The answer for a picture that was taken at a time in milliseconds; null for nothing. */
  take(frame, taken) {
    const before = new Map((this.frame?.garments ?? []).map((garment) => [garment.track, garment.box]));
    const passed = Math.max(1, taken - this.taken);
    const speeds = new Map();
    for (const { track, box } of frame?.garments ?? []) {
      const from = before.get(track);
      const known = this.speeds.get(track) ?? [0, 0, 0, 0];
      if (from) speeds.set(track, box.map((to, n) => known[n] + this.weight * ((to - from[n]) / passed - known[n])));
    }
    Object.assign(this, { frame, taken, speeds });
  }

  /** The answer with its boxes where they are at a time, no further ahead than `mostMs`. */
  at(now) {
    if (!this.frame) return null;
    const ahead = Math.max(0, Math.min(now - this.taken, this.mostMs));
    const garments = this.frame.garments.map((garment) => {
      const speed = this.speeds.get(garment.track);
      return speed ? { ...garment, box: garment.box.map((value, n) => value + speed[n] * ahead) } : garment;
    });
    return { ...this.frame, garments };
  }
}

/** Draw a frame's garments on the canvas, the best on top; `frame` is the server's answer, or null. */
export function draw(canvas, frame, mirrored) {
  const density = window.devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  const [width, height] = [Math.round(clientWidth * density), Math.round(clientHeight * density)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, clientWidth, clientHeight);
  if (!frame) return;
  const place = fitted(frame.width, frame.height, clientWidth, clientHeight);
  const shown = [...frame.garments].reverse();
  pen.lineJoin = "round";
  for (const garment of shown) {
    const { x, y, width: w, height: h } = onScreen(garment.box, frame, place, mirrored);
    for (const [line, color] of [[5, "rgb(0 0 0 / 45%)"], [3, garment.color]]) {
      pen.lineWidth = line;
      pen.strokeStyle = color;
      pen.strokeRect(x, y, w, h);
    }
  }
  pen.font = "600 14px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const taken = [];
  for (const garment of [...shown].reverse()) {
    const box = onScreen(garment.box, frame, place, mirrored);
    const text = tagOf(garment);
    const tag = placeTag(box, pen.measureText(text).width + 12, 22, taken, clientWidth, clientHeight);
    taken.push(tag);
    pen.fillStyle = garment.color;
    pen.fillRect(tag.x, tag.y, tag.width, tag.height);
    pen.fillStyle = textColor(garment.color);
    pen.fillText(text, tag.x + 6, tag.y + tag.height / 2 + 1);
  }
}

/** A tag's place at its box: above it, inside it or below it, within the area, the first that is free. */
export function placeTag(box, width, height, taken, areaWidth, areaHeight) {
  const x = Math.max(0, Math.min(box.x - 1.5, areaWidth - width));
  const rows = [box.y - height, box.y, box.y + box.height - height, box.y + box.height, box.y + height];
  const places = rows.map((y) => ({ x, y: Math.max(0, Math.min(y, areaHeight - height)), width, height }));
  const meets = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  return places.find((place) => !taken.some((other) => meets(place, other))) ?? places[0];
}
