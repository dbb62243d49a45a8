// The photo, the map over it and one SVG with the boxes, seen through one camera. What moves under a finger is moved
// alone: `previewBox` touches one group, and nothing is built again until the change is made.
import { createElement, createSvg, textWidth } from "../components/dom.js";
import { area, clampCamera, fitCamera, handlePoint, handlesOf, revealCamera, toPhoto, toScreen, unturned, zoomCamera } from "./geometry.js";
import { displayNames, originOf } from "./boxes.js";

const MANY = 40;
const REPAINT_MS = 140;
const TAG_HEIGHT = 18;

export class Stage {
  constructor() {
    this.photo = createElement("img", { className: "photo", alt: "", draggable: "false" });
    this.heat = createElement("img", { className: "heat", alt: "", draggable: "false", hidden: true });
    this.groups = createSvg("g", { class: "groups" });
    this.ghost = createSvg("rect", { class: "ghost", visibility: "hidden" });
    this.handles = createSvg("g", { class: "grips" });
    this.svg = createSvg("svg", { class: "boxes", preserveAspectRatio: "none", "aria-hidden": "true" }, this.groups, this.ghost, this.handles);
    this.turned = createElement("div", { className: "turned" }, this.photo, this.heat, this.svg);
    this.cross = ["across", "along"].map((className) => createElement("div", { className: `cross ${className}`, hidden: true }));
    this.root = createElement("div", { className: "canvas", tabindex: "0", role: "application" }, this.turned, ...this.cross);
    this.quarters = 0;
    this.crosshair = false;
    this.drawn = new Map();
    this.size = { width: 0, height: 0 };
    this.fits = true;
    this.resizeObserver = new ResizeObserver(() => this.resize());
    this.resizeObserver.observe(this.root);
  }

  open(photo) {
    this.shape = photo;
    if (this.photo.getAttribute("src") !== photo.url) this.load(photo.url);
    this.fits = true;
    this.painted = null;
    this.resize();
  }

  // A photo counts as seen once it is on the screen, or cannot be shown at all.
  load(url) {
    delete this.root.dataset.seen;
    this.photo.src = url;
    const painted = () => requestAnimationFrame(() => this.photo.getAttribute("src") === url && (this.root.dataset.seen = ""));
    this.photo.decode().then(painted, painted);
  }

  get seen() {
    return this.root.dataset.seen !== undefined;
  }

  showHeat(url, opacity) {
    if (url && this.heat.getAttribute("src") !== url) this.heat.src = url;
    this.heat.hidden = !url;
    this.heat.style.opacity = opacity;
  }

  // --- the camera

  resize() {
    const { clientWidth, clientHeight } = this.root;
    if (!clientWidth || !clientHeight || !this.shape) return;
    const [width, height] = this.quarters % 2 ? [clientHeight, clientWidth] : [clientWidth, clientHeight];
    Object.assign(this.turned.style, { width: `${width}px`, height: `${height}px`, left: `${(clientWidth - width) / 2}px`, top: `${(clientHeight - height) / 2}px` });
    const middle = this.camera && !this.fits && toPhoto(this.camera, { x: this.size.width / 2, y: this.size.height / 2 });
    this.size = { width, height };
    const { scale } = this.camera ?? {};
    this.setCamera(middle ? clampCamera({ scale, x: width / 2 - middle.x * scale, y: height / 2 - middle.y * scale }, this.size, this.shape) : fitCamera(this.size, this.shape));
  }

  setCamera(camera) {
    this.camera = camera;
    const { scale, x, y } = camera;
    for (const picture of [this.photo, this.heat]) {
      picture.style.width = `${this.shape.width * scale}px`;
      picture.style.height = `${this.shape.height * scale}px`;
      picture.style.transform = `translate(${x}px, ${y}px)`;
    }
    this.photo.classList.toggle("close", scale > 4);
    this.onCamera?.(camera);
    clearTimeout(this.repaintTimer);
    if (this.drawn.size <= MANY || !this.painted) this.repaint();
    else {
      // Hundreds of boxes are painted anew once the camera rests; until then their picture moves as a whole.
      const ratio = scale / this.painted.scale;
      this.svg.style.transform = `translate(${x - this.painted.x * ratio}px, ${y - this.painted.y * ratio}px) scale(${ratio})`;
      this.repaintTimer = setTimeout(() => this.repaint(), REPAINT_MS);
    }
  }

  repaint() {
    const { scale, x, y } = this.camera;
    this.painted = this.camera;
    this.svg.style.transform = "";
    this.svg.setAttribute("viewBox", `${-x / scale} ${-y / scale} ${this.size.width / scale} ${this.size.height / scale}`);
    this.svg.style.setProperty("--unit", 1 / scale);
    this.placeHandles();
  }

  fit() {
    this.fits = true;
    this.setCamera(fitCamera(this.size, this.shape));
  }

  zoom(factor, point = { x: this.size.width / 2, y: this.size.height / 2 }) {
    this.fits = false;
    this.setCamera(zoomCamera(this.camera, factor, point, this.size, this.shape));
  }

  pan(dx, dy) {
    this.fits = false;
    this.setCamera(clampCamera({ ...this.camera, x: this.camera.x + dx, y: this.camera.y + dy }, this.size, this.shape));
  }

  // Bring a box into view, where it is not.
  reveal({ box }) {
    const camera = revealCamera(this.camera, box, this.size, this.shape);
    if (["x", "y", "scale"].some((name) => Math.abs(camera[name] - this.camera[name]) > 0.5)) {
      this.fits = false;
      this.setCamera(camera);
    }
  }

  // Show a box within the upper part of the view, so high; what is below it is for a list. Gives the camera before.
  revealAbove({ box }, height) {
    const before = this.camera;
    this.setCamera(revealCamera(before, box, { width: this.size.width, height }, this.shape));
    return before;
  }

  // Turn the photo with its boxes clockwise, by so many quarters. The camera goes on as if it were upright: what a
  // pointer says is turned back.
  turn(quarters) {
    if (quarters === this.quarters) return;
    this.quarters = quarters;
    this.turned.style.transform = quarters ? `rotate(${quarters * 90}deg)` : "";
    this.svg.style.setProperty("--turn", `${-quarters * 90}deg`);
    this.fits = true;
    this.resize();
    for (const { box, group } of this.drawn.values()) this.setGroupBox(group, box.box);
  }

  // A step as it is seen, to the right and down, in the photo.
  toPhotoStep(right, down) {
    return [[right, down], [down, -right], [-right, -down], [-down, right]][this.quarters];
  }

  // A pointer's place in the frame, in the view as it would be upright, and in the photo.
  framePoint(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return { x: event.clientX - left - this.root.clientLeft, y: event.clientY - top - this.root.clientTop };
  }

  viewPoint(event) {
    return unturned(this.framePoint(event), this.quarters, { width: this.root.clientWidth, height: this.root.clientHeight });
  }

  // The crosshair follows the pointer, where it is wanted.
  crossAt(event) {
    const at = event && this.crosshair ? this.framePoint(event) : null;
    for (const line of this.cross) line.hidden = !at;
    if (!at) return;
    this.cross[0].style.transform = `translateY(${at.y}px)`;
    this.cross[1].style.transform = `translateX(${at.x}px)`;
  }

  photoPoint(event) {
    return this.toPhotoPoint(this.viewPoint(event));
  }

  toPhotoPoint(point) {
    return toPhoto(this.camera, point);
  }

  // A box in whole pixels of the photo, in the middle of what is seen.
  boxInTheMiddle() {
    const { size, shape } = this;
    const [from, to] = [0.35, 0.65].map((part) => this.toPhotoPoint({ x: size.width * part, y: size.height * part }));
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
    const [x0, y0] = [within(from.x, shape.width - 8), within(from.y, shape.height - 8)];
    return [x0, y0, Math.max(within(to.x, shape.width), x0 + 8), Math.max(within(to.y, shape.height), y0 + 8)];
  }

  // A box's corners in the frame, as it is seen.
  toViewBox([x0, y0, x1, y1]) {
    const { clientWidth: width, clientHeight: height } = this.root;
    const back = (4 - this.quarters) % 4;
    const inner = this.quarters % 2 ? { width: height, height: width } : { width, height };
    const [a, b] = [{ x: x0, y: y0 }, { x: x1, y: y1 }].map((point) => unturned(toScreen(this.camera, point), back, inner));
    return [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];
  }

  // --- the boxes

  render(task) {
    const present = new Set();
    this.font ??= `600 12px ${getComputedStyle(this.root).fontFamily}`;
    for (const box of task.boxes) {
      present.add(box.uid);
      const before = this.drawn.get(box.uid);
      if (before?.box === box) continue;
      const group = before?.group ?? this.groupFor();
      this.fillGroup(group, box, task);
      this.drawn.set(box.uid, { box, group });
    }
    for (const [uid, { group }] of this.drawn) {
      if (present.has(uid)) continue;
      group.remove();
      this.drawn.delete(uid);
    }
    this.order(task);
    this.svg.classList.toggle("many", task.boxes.length > MANY);
    this.selected = task.box;
    this.placeHandles();
  }

  groupFor() {
    const tag = createSvg("g", { class: "tag" }, createSvg("rect", { height: TAG_HEIGHT, rx: 3, y: -TAG_HEIGHT - 1 }), createSvg("text", { x: 5, y: -6 }));
    return createSvg("g", {}, createSvg("rect", { class: "halo" }), createSvg("rect", { class: "edge" }), tag);
  }

  fillGroup(group, box, task) {
    const { color = "#888888", ink: on = "#ffffff" } = task.categories.get(box.category) ?? {};
    group.dataset.uid = box.uid;
    group.dataset.origin = originOf(box);
    group.style.setProperty("--color", color);
    group.style.setProperty("--ink", on);
    const score = box.score === null || box.accepted ? "" : ` ${box.score.toFixed(2)}`;
    const [plate, text] = group.lastChild.children;
    text.textContent = `${displayNames(box, task).join(" · ")}${score}`;
    plate.setAttribute("width", Math.ceil(textWidth(text.textContent, this.font)) + 10);
    this.setGroupBox(group, box.box);
  }

  setGroupBox(group, [x0, y0, x1, y1]) {
    group.setAttribute("transform", `translate(${x0} ${y0})`);
    for (const rect of [group.children[0], group.children[1]]) {
      rect.setAttribute("width", x1 - x0);
      rect.setAttribute("height", y1 - y0);
    }
    // The name stands at the corner that is seen as the upper left one.
    const [x, y] = [[0, 0], [0, y1 - y0], [x1 - x0, y1 - y0], [x1 - x0, 0]][this.quarters];
    group.lastChild.style.setProperty("--at", `${x}px, ${y}px`);
  }

  // Small boxes lie over large ones, and the chosen one over all.
  order(task) {
    const rank = (box) => (box.uid === task.selected ? -1 : area(box.box));
    const wanted = [...task.boxes].sort((a, b) => rank(b) - rank(a)).map(({ uid }) => this.drawn.get(uid).group);
    wanted.forEach((group, index) => {
      if (this.groups.children[index] !== group) this.groups.insertBefore(group, this.groups.children[index] ?? null);
      group.classList.toggle("chosen", group.dataset.uid === task.selected);
    });
  }

  hover(uid) {
    if (this.hovered === uid) return;
    this.drawn.get(this.hovered)?.group.classList.remove("hovered");
    this.drawn.get(uid)?.group.classList.add("hovered");
    this.hovered = uid;
  }

  // Whether the pointer is on the plate with a box's name.
  onName(uid, { clientX, clientY }) {
    const plate = this.drawn.get(uid)?.group.lastChild.firstChild.getBoundingClientRect();
    return Boolean(plate) && clientX >= plate.left && clientX <= plate.right && clientY >= plate.top && clientY <= plate.bottom;
  }

  // --- while a pointer is down

  previewBox(uid, box) {
    this.setGroupBox(this.drawn.get(uid).group, box);
    this.placeHandles(box);
  }

  previewDrawing(box) {
    this.ghost.setAttribute("visibility", box ? "visible" : "hidden");
    if (!box) return;
    const [x0, y0, x1, y1] = box;
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) this.ghost.setAttribute(name, value);
  }

  placeHandles(box = this.selected?.box) {
    const handles = box && !this.readonly ? handlesOf(box, this.camera.scale) : [];
    while (this.handles.children.length < handles.length) this.handles.append(createSvg("rect", { x: -5, y: -5, width: 10, height: 10, rx: 2 }));
    [...this.handles.children].forEach((handle, index) => {
      const at = handles[index] && handlePoint(box, handles[index]);
      handle.setAttribute("visibility", at ? "visible" : "hidden");
      if (at) handle.setAttribute("transform", `translate(${at.x} ${at.y}) scale(${1 / this.camera.scale})`);
    });
  }

  close() {
    clearTimeout(this.repaintTimer);
    this.resizeObserver.disconnect();
  }
}
