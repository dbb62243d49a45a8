// What reports do in a browser: name what is under the pointer, bring out a line, open a cell's photos.
const SVG = "http://www.w3.org/2000/svg";

const svgElement = (tag, attributes) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

const shownNumber = (value) => Number(value.toPrecision(3)).toLocaleString("en");

// The point of a chart's lines that is nearest to a place in the chart's own pixels.
const nearestPoint = (svg, x, y) => {
  let best = null;
  for (const series of svg.querySelectorAll(".series")) {
    if (svg.classList.contains("picked") && !series.classList.contains("on")) continue;
    for (const line of series.querySelectorAll("polyline")) {
      for (const point of line.points) {
        const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
        if (!best || distance < best.distance) best = { distance, x: point.x, y: point.y, name: series.dataset.name };
      }
    }
  }
  return best;
};

const watchChart = (svg, frame) => {
  const figure = svg.closest("figure");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  figure.append(tip);
  const ring = svgElement("circle", { class: "pointed", r: 5, visibility: "hidden" });
  svg.append(ring);
  const [x0, x1] = svg.dataset.x.split(" ").map(Number), [y0, y1] = svg.dataset.y.split(" ").map(Number);
  const [xTitle, yTitle] = svg.dataset.titles.split("|");
  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const found = nearestPoint(svg, at.x, at.y);
    tip.hidden = !found;
    if (!found) return;
    const x = x0 + ((found.x - frame.left) / (frame.right - frame.left)) * (x1 - x0);
    const y = y0 + ((frame.bottom - found.y) / (frame.bottom - frame.top)) * (y1 - y0);
    tip.textContent = `${found.name}: ${xTitle} ${shownNumber(x)}, ${yTitle} ${shownNumber(y)}`;
    const spot = new DOMPoint(found.x, found.y).matrixTransform(svg.getScreenCTM());
    const place = figure.getBoundingClientRect(), half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(spot.x - place.left, half), Math.max(half, place.width - half))}px`;
    tip.style.top = `${spot.y - place.top}px`;
    ring.setAttribute("cx", found.x);
    ring.setAttribute("cy", found.y);
    ring.setAttribute("visibility", "visible");
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    ring.setAttribute("visibility", "hidden");
  });
};

const watchKeys = (keys) => {
  const svg = keys.closest("figure").querySelector("svg.lines");
  if (!svg) return;
  const buttons = [...keys.querySelectorAll("button")];
  const show = () => {
    const on = buttons.filter((button) => button.getAttribute("aria-pressed") === "true").map((b) => b.dataset.series);
    svg.classList.toggle("picked", on.length > 0);
    for (const series of svg.querySelectorAll(".series")) series.classList.toggle("on", on.includes(series.dataset.series));
  };
  for (const button of buttons) {
    button.onclick = () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      show();
    };
  }
};

// The frame of line charts, in their own pixels: see charts.py.
const FRAME = { left: 46, right: 408, top: 10, bottom: 242 };

function mountReport(root, onCell) {
  root.querySelectorAll("svg.lines").forEach((svg) => watchChart(svg, FRAME));
  root.querySelectorAll(".keys").forEach(watchKeys);
  const buttons = [...root.querySelectorAll("button[data-cell]")];
  for (const button of buttons) {
    button.onclick = () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      onCell(Number(button.dataset.cell), button.getAttribute("aria-label"));
    };
  }
}

// A photo with its boxes, or their outlines alone where the file holds no picture of it.
const photoCard = (photo, picture) => {
  const card = document.createElement("div");
  card.className = "photo";
  const isBare = !picture && photo.boxes.length + photo.detections.length === 0;
  const svg = svgElement("svg", { viewBox: `0 0 ${photo.width} ${photo.height}`, role: "img", "aria-label": photo.name });
  if (picture) svg.append(svgElement("image", { href: picture, width: photo.width, height: photo.height }));
  const box = ([x0, y0, x1, y1], kind, text) => {
    const rect = svgElement("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, class: kind });
    const title = svgElement("title", {});
    title.textContent = text;
    rect.append(title);
    svg.append(rect);
  };
  for (const entry of photo.boxes) box(entry, `annotated ${entry[5]}`, `${entry[4]}, annotated, ${entry[5]}`);
  for (const entry of photo.detections) box(entry, entry[6], `${entry[4]} ${entry[5]}, detected, ${entry[6]}`);
  const name = document.createElement("b");
  name.textContent = photo.name;
  const said = document.createElement("span");
  const top = (photo.top ?? []).map(([label, share]) => `${label} ${share.toFixed(2)}`).join(", ");
  said.textContent = photo.top ? `${photo.label}, predicted: ${top}` : photo.said.join("; ") || "no error";
  card.append(...(isBare ? [] : [svg]), name, said);
  return card;
};

const showPhotos = (place, title, note, photos, pictures) => {
  const head = document.createElement("h3");
  head.textContent = title;
  const legend = document.createElement("p");
  legend.className = "note";
  legend.textContent = note;
  const list = document.createElement("div");
  list.className = "photos";
  list.append(...photos.map(([number, photo]) => photoCard(photo, pictures[number])));
  place.replaceChildren(head, legend, list);
};

const COLORS_SAID = "Dashed: annotated. Solid: detected. Green: found; red: missed; orange: confused; violet: background.";
const WORST = 24;

// The file: a cell's photos open below the matrix, and the worst photos are listed from the beginning.
function mountFile(body) {
  const { photos, cells, pictures } = JSON.parse(document.getElementById("report-data").textContent);
  const opened = body.querySelector(".opened");
  const legend = photos.some((photo) => photo.detections.length > 0) ? COLORS_SAID : "";
  const few = Object.keys(pictures).length;
  const held = few ? `The file holds ${few} pictures; of other photos it shows the names and the outlines of boxes. ` : "";
  const worst = photos.map((photo, number) => [number, photo]).filter(([, photo]) => photo.errors > 0);
  showPhotos(opened, "Worst photos first", held + legend, worst.slice(0, WORST), pictures);
  mountReport(body, (number, title) => {
    const cell = cells[number];
    const shown = cell.photos.map((place) => [place, photos[place]]);
    const some = shown.length < cell.count ? `${shown.length} photos with ${cell.count} entries. ` : "";
    showPhotos(opened, title, some + legend, shown, pictures);
    opened.scrollIntoView({ block: "nearest" });
  });
}
