// What each head attends to from a point, and its two terms: computed here, so that a move needs no server.

export const TERMS = [["attention", "Attention"], ["content", "Content alone"], ["position", "Position alone"]];
export const DIRECTIONS = [["from", "From the point"], ["to", "To the point"]];

// Softmax of every row of (heads, n, n) logits; `terms` are added before.
export const softmaxRows = (terms, heads, n) => {
  const found = new Float32Array(heads * n * n);
  for (let start = 0; start < found.length; start += n) {
    let most = -Infinity;
    for (let index = start; index < start + n; index += 1) {
      let sum = 0;
      for (const term of terms) sum += term[index];
      found[index] = sum;
      if (sum > most) most = sum;
    }
    let total = 0;
    for (let index = start; index < start + n; index += 1) {
      found[index] = Math.exp(found[index] - most);
      total += found[index];
    }
    for (let index = start; index < start + n; index += 1) found[index] /= total;
  }
  return found;
};

export class Attention {
  // content and position: (heads, n, n) logits; shares: (n, finer) or null, of what each position is made.
  constructor(content, position, heads, n, shares) {
    Object.assign(this, { content, position, heads, n, shares });
    this.weights = {};
  }

  of(term) {
    const { content, position } = this;
    const terms = { attention: [content, position], content: [content], position: [position] }[term];
    this.weights[term] ??= softmaxRows(terms, this.heads, this.n);
    return this.weights[term];
  }

  // Maps of all heads, and their mean first, at one point: each n long, or as long as the finer map.
  maps(term, direction, point) {
    const weights = this.of(term);
    const { heads, n } = this;
    const rows = [];
    for (let head = 0; head < heads; head += 1) {
      const row = new Float32Array(n);
      for (let place = 0; place < n; place += 1) {
        const [from, to] = direction === "from" ? [point, place] : [place, point];
        row[place] = weights[(head * n + from) * n + to];
      }
      rows.push(row);
    }
    const mean = new Float32Array(n);
    for (const row of rows) for (let place = 0; place < n; place += 1) mean[place] += row[place] / heads;
    const all = [mean, ...rows];
    return this.shares ? all.map((row) => rolledOut(row, this.shares)) : all;
  }

  // The largest weight of the mean or of a head at any point.
  most(term, direction) {
    let high = 0;
    for (let point = 0; point < this.n; point += 1) {
      for (const map of this.maps(term, direction, point)) for (const value of map) if (value > high) high = value;
    }
    return high;
  }
}

// A map over positions times their shares in finer places.
export const rolledOut = (row, shares) => {
  const length = shares.length / row.length;
  const found = new Float32Array(length);
  for (let position = 0; position < row.length; position += 1) {
    const weight = row[position];
    const start = position * length;
    for (let place = 0; place < length; place += 1) found[place] += weight * shares[start + place];
  }
  return found;
};

export const difference = (after, before) => after.map((value, index) => value - before[index]);

export const highest = (values) => values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
