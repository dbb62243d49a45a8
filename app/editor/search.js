// Finding a category or label by what a person types: the exact name, then beginnings, words, parts, and letters in order.
export const ranked = (query, entries, limit = 12) => {
  const wanted = plain(query).trim();
  if (!wanted) return entries.slice(0, limit);
  return entries
    .map((entry, order) => ({ entry, order, rank: rankOf(wanted, plain(entry.text)), kind: entry.kind === "label" ? 1 : 0 }))
    .filter(({ rank }) => rank < 5)
    .sort((a, b) => a.rank - b.rank || a.kind - b.kind || a.entry.text.length - b.entry.text.length || a.order - b.order)
    .slice(0, limit)
    .map(({ entry }) => entry);
};

// How a name is compared: without case and accents.
export const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const rankOf = (wanted, text) => {
  if (text === wanted) return 0;
  if (text.startsWith(wanted)) return 1;
  if (text.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(wanted))) return 2;
  if (text.includes(wanted)) return 3;
  let from = 0;
  for (const letter of wanted) {
    from = text.indexOf(letter, from) + 1;
    if (!from) return 5;
  }
  return 4;
};
