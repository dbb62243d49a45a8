// Colors of values, and values between cells: what panels and exported figures are painted with.

const channels = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

// 256 colors from evenly spaced stops.
export const tableOf = (stops) => {
  const colors = stops.map(channels);
  return Array.from({ length: 256 }, (_, index) => {
    const place = (index / 255) * (colors.length - 1);
    const first = Math.min(colors.length - 2, Math.floor(place));
    return colors[first].map((value, channel) => Math.round(value + (place - first) * (colors[first + 1][channel] - value)));
  });
};

// The ends of a scale that holds all values: from zero for shares, the same on both sides of zero for signed ones.
export const rangeOf = (maps, signed, fromZero = true) => {
  let low = Infinity;
  let high = -Infinity;
  for (const values of maps) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(high >= low)) return { low: 0, high: 1, signed };
  if (signed) {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return { low: -most, high: most, signed };
  }
  if (fromZero) low = Math.min(0, low);
  return { low, high: high > low ? high : low + 1, signed };
};

// A map (height x width) at another size: bilinear between the cells' middles, or the cells as they are.
export const resample = (values, [height, width], [tall, wide], smooth) => {
  const found = new Float32Array(tall * wide);
  for (let row = 0; row < tall; row += 1) {
    const y = ((row + 0.5) * height) / tall - (smooth ? 0.5 : 0);
    const top = Math.min(height - 1, Math.max(0, Math.floor(y)));
    const below = Math.min(height - 1, top + 1);
    const down = smooth ? Math.min(1, Math.max(0, y - top)) : 0;
    for (let column = 0; column < wide; column += 1) {
      const x = ((column + 0.5) * width) / wide - (smooth ? 0.5 : 0);
      const left = Math.min(width - 1, Math.max(0, Math.floor(x)));
      const right = Math.min(width - 1, left + 1);
      const across = smooth ? Math.min(1, Math.max(0, x - left)) : 0;
      const above = values[top * width + left] * (1 - across) + values[top * width + right] * across;
      const under = values[below * width + left] * (1 - across) + values[below * width + right] * across;
      found[row * wide + column] = above * (1 - down) + under * down;
    }
  }
  return found;
};

// Paint values into a canvas of the given size in pixels.
export const paint = (canvas, values, shape, scale, table, smooth) => {
  const [height, width] = shape;
  const factor = smooth ? Math.max(1, Math.ceil(128 / Math.max(height, width))) : 1;
  const size = [height * factor, width * factor];
  const fine = factor === 1 ? values : resample(values, shape, size, true);
  canvas.height = size[0];
  canvas.width = size[1];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(size[1], size[0]);
  const span = scale.high - scale.low || 1;
  for (let index = 0; index < fine.length; index += 1) {
    const level = Math.min(255, Math.max(0, Math.round((255 * (fine[index] - scale.low)) / span)));
    const [red, green, blue] = table[Number.isNaN(level) ? 0 : level];
    pixels.data[4 * index] = red;
    pixels.data[4 * index + 1] = green;
    pixels.data[4 * index + 2] = blue;
    pixels.data[4 * index + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
};

// A number for a color bar: three digits that matter.
export const shown = (value) => {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000 || size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
};
