// Sparklines: a line over the last hour, with its text beside it for those who do not see it.

const ns = "http://www.w3.org/2000/svg";
const wide = 360, high = 40;

const shape = (name, attributes) => {
  const node = document.createElementNS(ns, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

// latest is the last number that is known, of the last five minutes.
export const latest = (values) => (values || []).slice(-30).findLast((x) => x !== null);

// sum adds series point by point. A point is known if one of them knows it.
export function sum(lists) {
  const length = Math.max(0, ...lists.map((l) => l.length));
  const out = new Array(length).fill(null);
  for (const list of lists) {
    const late = length - list.length;
    list.forEach((x, i) => { if (x !== null) out[i + late] = (out[i + late] ?? 0) + x; });
  }
  return out;
}

// most takes the largest of each point.
export function most(lists) {
  const length = Math.max(0, ...lists.map((l) => l.length));
  const out = new Array(length).fill(null);
  for (const list of lists) {
    const late = length - list.length;
    list.forEach((x, i) => { if (x !== null) out[i + late] = Math.max(out[i + late] ?? x, x); });
  }
  return out;
}

// spark makes one, to be drawn.
export function spark() {
  const node = shape("svg", { class: "spark", role: "img", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", "aria-label": "no numbers yet" });
  const parts = {};
  for (const name of ["area", "second", "line", "dot"]) {
    parts[name] = shape("path", { class: name, d: "" });
  }
  parts.title = shape("title", {});
  node.append(parts.title, shape("line", { class: "base", x1: 0, x2: wide, y1: high - 0.5, y2: high - 0.5 }), parts.area, parts.second, parts.line, parts.dot);
  return { node, parts };
}

// draw shows values, and perhaps others beside them. It says in words what is to be seen.
export function draw({ node, parts }, { name, values, second, format, window }) {
  const points = Math.max(window.points, 2);
  const top = Math.max(...[values, second || []].flatMap((list) => list.filter((x) => x !== null)), 0);
  const at = (x, i, length) => [wide - (length - 1 - i) * (wide / (points - 1)), top > 0 ? high - 1 - (x / top) * (high - 4) : high - 1];
  const { line, area, end } = paths(values.slice(-points), at);
  parts.line.setAttribute("d", line);
  parts.area.setAttribute("d", area);
  parts.dot.setAttribute("d", end ? `M${end[0]} ${end[1]}l0 0` : "");
  parts.second.setAttribute("d", second ? paths(second.slice(-points), at).line : "");
  const text = words(name, values.slice(-points), format, window);
  if (parts.title.textContent !== text) parts.title.textContent = text; // shown where a pointer rests
  node.setAttribute("aria-label", text);
}

function words(name, values, format, window) {
  const there = values.filter((x) => x !== null);
  if (there.length === 0) return `${name}: no numbers yet`;
  return `${name} over ${window.text}: now ${format(there.at(-1))}, least ${format(Math.min(...there))}, most ${format(Math.max(...there))}`;
}

// paths draws runs of points that are known; where one is not, the line has a gap.
function paths(values, at) {
  let line = "", area = "", run = [];
  let end = null;
  const close = () => {
    if (run.length === 0) return;
    const text = run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    line += run.length > 1 ? `M${text}` : `M${text}l1.5 0`;
    if (run.length > 1) area += `M${run[0][0].toFixed(1)} ${high}L${text}L${run.at(-1)[0].toFixed(1)} ${high}Z`;
    run = [];
  };
  values.forEach((x, i) => {
    if (x === null) return close();
    end = at(x, i, values.length);
    run.push(end);
  });
  close();
  return { line, area, end: values.at(-1) === null ? null : end };
}

// trend is a sparkline with its name and its number now.
export function trend(name) {
  const node = document.createElement("li");
  node.className = "trend";
  const text = document.createElement("p");
  const label = document.createElement("span");
  const now = document.createElement("strong");
  label.textContent = name;
  text.append(label, now);
  const line = spark();
  node.append(text, line.node);
  return { node, label, now, line };
}
