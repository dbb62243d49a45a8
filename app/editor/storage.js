// A part of the browser's storage under a prefix. A browser that stores nothing, as some do in private windows, is like
// one whose storage is empty and full at once.
export class PrefixedStorage {
  // `storage` is localStorage, sessionStorage or their like.
  constructor(storage, prefix) {
    Object.assign(this, { storage, prefix });
  }

  // The key's value through `parse`; null where there is none, or it cannot be parsed.
  get(key, parse = (value) => value) {
    try {
      const value = JSON.parse(this.storage.getItem(this.prefix + key));
      return value === null ? null : parse(value);
    } catch {
      return null;
    }
  }

  // False where the browser has no room.
  set(key, text) {
    try {
      this.storage.setItem(this.prefix + key, text);
      return true;
    } catch {
      return false;
    }
  }

  remove(key) {
    try {
      this.storage.removeItem(this.prefix + key);
    } catch {
      // A browser that keeps nothing has nothing to remove.
    }
  }

  keys() {
    try {
      return Object.keys(this.storage).filter((name) => name.startsWith(this.prefix)).map((name) => name.slice(this.prefix.length));
    } catch {
      return [];
    }
  }
}
