// Boxes [x0, y0, x1, y1] in pixels of the photo, and the camera that shows them: screen = photo * scale + (x, y).
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
export const MIN_SIZE = 2;
const MOST_ZOOM = 24;
const MIN_VISIBLE = 48;
const MARGIN = 10;
const ROOM_BETWEEN = 5;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

export const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);

export const contains = ([x0, y0, x1, y1], { x, y }) => x >= x0 && x <= x1 && y >= y0 && y <= y1;

export const sameBox = (a, b) => a.every((value, index) => value === b[index]);

// Intersection over union.
export const boxIou = (a, b) => {
  const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const high = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (wide <= 0 || high <= 0) return 0;
  return (wide * high) / (area(a) + area(b) - wide * high);
};

// The box between two points, in whole pixels inside the photo; null where it would be too small to be meant.
export const boxBetween = (from, to, photo) => {
  const box = [
    clamp(Math.round(Math.min(from.x, to.x)), 0, photo.width),
    clamp(Math.round(Math.min(from.y, to.y)), 0, photo.height),
    clamp(Math.round(Math.max(from.x, to.x)), 0, photo.width),
    clamp(Math.round(Math.max(from.y, to.y)), 0, photo.height),
  ];
  return box[2] - box[0] >= MIN_SIZE && box[3] - box[1] >= MIN_SIZE ? box : null;
};

// Whole steps of pixels, cut so that the box stays in the photo with its size.
export const moveBox = ([x0, y0, x1, y1], dx, dy, photo) => {
  const right = clamp(Math.round(dx), -x0, photo.width - x1);
  const down = clamp(Math.round(dy), -y0, photo.height - y1);
  return [x0 + right, y0 + down, x1 + right, y1 + down].map(roundToHundredths);
};

// The handle's edges follow the pointer; the others stay, and edges do not pass each other.
export const resizeBox = ([x0, y0, x1, y1], handle, dx, dy, photo) => [
  handle.includes("w") ? clamp(Math.round(x0 + dx), 0, x1 - MIN_SIZE) : x0,
  handle.includes("n") ? clamp(Math.round(y0 + dy), 0, y1 - MIN_SIZE) : y0,
  handle.includes("e") ? clamp(Math.round(x1 + dx), x0 + MIN_SIZE, photo.width) : x1,
  handle.includes("s") ? clamp(Math.round(y1 + dy), y0 + MIN_SIZE, photo.height) : y1,
];

const roundToHundredths = (value) => Math.round(value * 100) / 100;

export const handlePoint = ([x0, y0, x1, y1], handle) => ({
  x: handle.includes("w") ? x0 : handle.includes("e") ? x1 : (x0 + x1) / 2,
  y: handle.includes("n") ? y0 : handle.includes("s") ? y1 : (y0 + y1) / 2,
});

// A box too small on the screen for eight handles has its four corners.
export const handlesOf = (box, scale) =>
  Math.min(box[2] - box[0], box[3] - box[1]) * scale < 40 ? HANDLES.filter((handle) => handle.length === 2) : HANDLES;

// The handle within reach of the point (in pixels of the photo), the nearest one; null where there is none.
export const handleAt = (box, point, reach, scale) => {
  let best = null;
  for (const handle of handlesOf(box, scale)) {
    const at = handlePoint(box, handle);
    const distance = Math.max(Math.abs(at.x - point.x), Math.abs(at.y - point.y));
    if (distance <= reach && (!best || distance < best.distance)) best = { handle, distance };
  }
  return best && best.handle;
};

// The side that the point lies on, within reach, the nearest one; null where there is none, and for a box so small that
// its sides would leave no room between them.
export const sideAt = (box, point, reach) => {
  const [x0, y0, x1, y1] = box;
  if (Math.min(x1 - x0, y1 - y0) < ROOM_BETWEEN * reach || !onBorder(box, point, reach)) return null;
  const away = { w: Math.abs(point.x - x0), e: Math.abs(point.x - x1), n: Math.abs(point.y - y0), s: Math.abs(point.y - y1) };
  return Object.keys(away).reduce((best, side) => (away[side] < away[best] ? side : best));
};

export const onBorder = ([x0, y0, x1, y1], point, reach) =>
  contains([x0 - reach, y0 - reach, x1 + reach, y1 + reach], point) &&
  !contains([x0 + reach, y0 + reach, x1 - reach, y1 - reach], point);

// Everything under the point, the smallest first: what is nested is picked before what is around it.
export const boxesAt = (boxes, point, reach = 0) =>
  boxes
    .filter(({ box: [x0, y0, x1, y1] }) => contains([x0 - reach, y0 - reach, x1 + reach, y1 + reach], point))
    .sort((a, b) => area(a.box) - area(b.box));

// Where a list of this size goes beside a box on the screen: to the right of it, else to the left, else over the side
// with more room; as high as the box begins. `room` is the view's height, and how far to either side of the view
// the list may reach. null where the view is too narrow for a list beside anything.
export const placeBeside = ([x0, y0, x1], size, room, gap = 10) => {
  if (room.right - room.left < 2 * size.width) return null;
  const y = clamp(y0, gap, room.height - size.height - gap);
  const [right, left] = [x1 + gap, x0 - gap - size.width];
  if (right + size.width <= room.right) return { x: right, y };
  if (left >= room.left) return { x: left, y };
  return { x: room.right - x1 >= x0 - room.left ? room.right - size.width : room.left, y };
};

// Where a list goes under a box on the screen, or over it where that has more room: {y, height}, with `y` as the list's
// upper edge under the box and its lower edge over it. `room` is what can be seen, from top to bottom.
export const placeBelow = ([, y0, , y1], room, enough, gap = 8) => {
  const [under, over] = [room.bottom - y1 - gap, y0 - gap - room.top];
  return under >= Math.min(enough, over) ? { y: y1 + gap, height: under, over: false } : { y: y0 - gap, height: over, over: true };
};

// A point of a view turned clockwise by quarters, as the turned picture has it; `size` is the view's.
export const unturned = ({ x, y }, quarters, { width, height }) => {
  const [dx, dy] = [x - width / 2, y - height / 2];
  const [right, down] = [[dx, dy], [dy, -dx], [-dx, -dy], [-dy, dx]][quarters % 4];
  const inner = quarters % 2 ? { width: height, height: width } : { width, height };
  return { x: inner.width / 2 + right, y: inner.height / 2 + down };
};

export const toPhoto = ({ scale, x, y }, point) => ({ x: (point.x - x) / scale, y: (point.y - y) / scale });

export const toScreen = ({ scale, x, y }, point) => ({ x: point.x * scale + x, y: point.y * scale + y });

// The whole photo in the middle of the view, with room to reach the handles at its edges.
export const fitCamera = (view, photo) => {
  const along = (room, size) => Math.max(room - 2 * MARGIN, 1) / size;
  const scale = Math.min(along(view.width, photo.width), along(view.height, photo.height));
  return { scale, x: (view.width - photo.width * scale) / 2, y: (view.height - photo.height * scale) / 2 };
};

// Some of the photo always stays in the view; a photo smaller than the view stays within it.
export const clampCamera = (camera, view, photo) => {
  const along = (at, size, room) => {
    const stays = Math.min(MIN_VISIBLE, size);
    return size <= room ? clamp(at, 0, room - size) : clamp(at, stays - size, room - stays);
  };
  return {
    scale: camera.scale,
    x: along(camera.x, photo.width * camera.scale, view.width),
    y: along(camera.y, photo.height * camera.scale, view.height),
  };
};

// The point of the view keeps its place in the photo.
export const zoomCamera = (camera, factor, point, view, photo) => {
  const fit = fitCamera(view, photo).scale;
  const scale = clamp(camera.scale * factor, Math.min(fit, 1) / 2, MOST_ZOOM * Math.max(fit, 1));
  const ratio = scale / camera.scale;
  return clampCamera({ scale, x: point.x - (point.x - camera.x) * ratio, y: point.y - (point.y - camera.y) * ratio }, view, photo);
};

// The camera moved as little as needed to have the box in view, with room around it; zoomed out where it is too big.
export const revealCamera = (camera, box, view, photo) => {
  const scale = Math.min(camera.scale, (view.width * 0.94) / (box[2] - box[0]), (view.height * 0.94) / (box[3] - box[1]));
  const around = scale === camera.scale ? camera : zoomCamera(camera, scale / camera.scale, { x: 0, y: 0 }, view, photo);
  const along = (at, low, high, room) => {
    const margin = Math.min(24, (room - (high - low) * scale) / 2);
    return clamp(at, margin - low * scale, room - margin - high * scale);
  };
  const least = { scale: around.scale, x: along(around.x, box[0], box[2], view.width), y: along(around.y, box[1], box[3], view.height) };
  const near = ([x0, y0, x1, y1]) => x0 <= 2 || y0 <= 2 || x1 >= photo.width - 2 || y1 >= photo.height - 2;
  return near(box) ? clampCamera(least, view, photo) : least;
};
