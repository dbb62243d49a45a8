// The current key bindings: a user's own over the defaults; every button shows its key.
import { nameKeys } from "./bars.js";
import { Keymap } from "./keys.js";

export class Shortcuts {
  // `send` hands a person's own keys to the page.
  constructor(root, send) {
    Object.assign(this, { root, send, own: null, naming: false, keymap: new Keymap() });
  }

  // What the page knows; what was changed here holds until it has heard of it.
  take(known) {
    this.known = known;
    if (this.own && this.own.over !== JSON.stringify(known)) this.own = null;
    this.keymap = new Keymap(this.own?.keys ?? known);
    nameKeys(this.root, this.keymap, this.naming);
  }

  change(keymap) {
    this.own = { keys: keymap.own, over: JSON.stringify(this.known) };
    this.take(this.known);
    this.send(keymap.own);
  }

  // Whether letters find a name now, and some keys are others.
  follow(naming) {
    if (this.naming === naming) return;
    this.naming = naming;
    nameKeys(this.root, this.keymap, naming);
  }

  action(chord) {
    return this.keymap.action(chord, this.naming);
  }
}
