// The current key bindings: a user's own over the defaults; every button shows its key.
import { showKeys } from "./toolbars.js";
import { Keymap } from "./keys.js";

export class Shortcuts {
  // `send` hands a person's own keys to the page.
  constructor(root, send) {
    Object.assign(this, { root, send, unsaved: null, naming: false, keymap: new Keymap() });
  }

  // What the page knows; what was changed here holds until it has heard of it.
  update(known, drawBy = this.keymap.drawBy) {
    this.known = known;
    if (this.unsaved && this.unsaved.over !== JSON.stringify(known)) this.unsaved = null;
    this.keymap = new Keymap(this.unsaved?.keys ?? known, drawBy);
    showKeys(this.root, this.keymap, this.naming);
  }

  change(keymap) {
    this.unsaved = { keys: keymap.overrides, over: JSON.stringify(this.known) };
    this.update(this.known);
    this.send(keymap.overrides);
  }

  // Whether letters find a name now, and some keys are others.
  setNaming(naming) {
    if (this.naming === naming) return;
    this.naming = naming;
    showKeys(this.root, this.keymap, naming);
  }

  action(chord) {
    return this.keymap.action(chord, this.naming);
  }
}
