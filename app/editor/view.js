// How the photo is seen, whatever is done to its boxes: the attention map over it, its light, its turn, the crosshair.
import { clamp } from "./geometry.js";

const LIGHT = { brightness: 100, contrast: 100 };
const [LEAST, MOST] = [40, 250];

export class View {
  constructor(editor) {
    Object.assign(this, { editor, heat: false, opacity: 0.6, asked: false, light: { ...LIGHT } });
  }

  // Another photo is upright and as it was taken.
  open(photo) {
    Object.assign(this, { heat: this.heat && Boolean(photo.attention), asked: false, light: { ...LIGHT } });
    this.editor.stage.turn(0);
    this.showLight();
  }

  // The page ran again; a map that went was made by other models.
  update(before, photo) {
    if (before.attention && !photo.attention) Object.assign(this, { heat: false, asked: false });
    this.show();
  }

  toggleHeat() {
    const { photo } = this.editor.data;
    this.heat = !this.heat;
    this.show();
    if (!this.heat) return "Attention map off";
    if (photo.attention) return "Attention map on";
    if (!this.asked) this.editor.sync.requestAction("attention");
    this.asked = true;
    return "The attention map is asked for";
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.show();
  }

  show() {
    this.editor.stage.showHeat(this.heat ? this.editor.data.photo.attention : null, this.opacity);
  }

  rotate() {
    this.editor.stage.turn((this.editor.stage.quarters + 1) % 4);
    return `Turned by ${this.editor.stage.quarters * 90} degrees`;
  }

  toggleCrosshair() {
    const on = this.editor.options.crosshair !== "on";
    this.editor.setOptions({ crosshair: on ? "on" : "off" });
    return `Crosshair ${on ? "on" : "off"}`;
  }

  adjust(name, step) {
    return this.setLight(name, this.light[name] + step);
  }

  // Percent; `name` is "brightness" or "contrast".
  setLight(name, percent) {
    this.light[name] = clamp(percent, LEAST, MOST);
    this.showLight();
    return `${name === "brightness" ? "Brightness" : "Contrast"} ${this.light[name]} %`;
  }

  resetLight() {
    this.light = { ...LIGHT };
    this.showLight();
  }

  showLight() {
    const { brightness, contrast } = this.light;
    const plain = brightness === 100 && contrast === 100;
    this.editor.stage.photo.style.filter = plain ? "" : `brightness(${brightness}%) contrast(${contrast}%)`;
    this.editor.toolbars?.showLight(this.light);
  }
}
