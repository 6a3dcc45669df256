// What can be checked of any page that is shown: these run within it.
"use strict";

exports.launch = (chromium, executable) => chromium.launch({
  executablePath: executable,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
});

// audit lists what somebody with a screen reader would miss.
exports.audit = () => {
  const out = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const ids = all("[id]").map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) out.push(`id ${id} is there twice`);
  for (const [selector, n] of [["h1", 1], ["main", 1], ["header", 1]]) if (all(selector).length !== n) out.push(`${selector}: not ${n}`);
  for (const e of all("[aria-labelledby], [aria-describedby]")) {
    for (const id of `${e.getAttribute("aria-labelledby") || ""} ${e.getAttribute("aria-describedby") || ""}`.split(" ")) {
      if (id && !document.getElementById(id)) out.push(`nothing has the id ${id}`);
    }
  }
  for (const e of all("input, select")) if (e.labels.length === 0) out.push(`a field without a label: ${e.name || e.id}`);
  for (const e of all("button, a, summary")) if (!e.textContent.trim()) out.push(`${e.tagName} without a name`);
  for (const e of all("img")) if (!e.hasAttribute("alt")) out.push("an image without alt");
  for (const e of all("svg")) if (e.getAttribute("role") !== "img" || !e.getAttribute("aria-label")) out.push("a drawing without a text");
  for (const e of all("th")) if (!e.scope) out.push(`a heading of no row or column: ${e.textContent}`);
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) out.push("an order of its own for the keyboard");
  let level = 0;
  for (const e of all("h1, h2, h3, h4").filter((x) => x.checkVisibility())) {
    const now = Number(e.tagName[1]);
    if (now > level + 1) out.push(`${e.tagName} ${e.textContent} follows a heading of level ${level}`);
    level = now;
  }
  if (!document.documentElement.lang) out.push("no language");
  return out;
};

// contrast lists texts below WCAG 2.2 AA (1.4.3): 4.5 to 1, or 3 to 1 where they are large.
exports.contrast = () => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.a === 1) return c;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const out = new Set();
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".unseen")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    if (ratio < (large ? 3 : 4.5)) out.add(`${e.tagName}.${e.className} "${e.textContent.slice(0, 20)}" ${ratio.toFixed(2)}`);
  }
  return [...out];
};
