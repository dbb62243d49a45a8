// How the photo is seen, whatever is done to its boxes: the attention map over it.
export class View {
  constructor(editor) {
    Object.assign(this, { editor, heat: false, opacity: 0.6, asked: false });
  }

  open(photo) {
    Object.assign(this, { heat: this.heat && Boolean(photo.attention), asked: false });
  }

  // The page ran again; a map that went was made by other models.
  update(before, photo) {
    if (before.attention && !photo.attention) this.open(photo);
    this.show();
  }

  toggleHeat() {
    const { photo } = this.editor.data;
    this.heat = !this.heat;
    this.show();
    if (!this.heat) return "Attention map off";
    if (photo.attention) return "Attention map on";
    if (!this.asked) this.editor.sync.act("attention");
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
}
