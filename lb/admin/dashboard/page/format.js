// Numbers as people read them.

const round = (x, digits) => x.toLocaleString("en", { maximumFractionDigits: digits });
const digitsFor = (x) => (x >= 100 ? 0 : x >= 10 ? 1 : 2);
const known = (x) => typeof x === "number" && Number.isFinite(x);

export const none = "–";

export function count(x) {
  if (!known(x)) return none;
  if (x >= 1e6) return `${round(x / 1e6, 2)} M`;
  if (x >= 1e5) return `${round(x / 1e3, 0)} k`;
  return round(x, x >= 100 || Number.isInteger(x) ? 0 : 1);
}

export const rate = (x) => (known(x) ? `${round(x, digitsFor(x))}/s` : none);

const sizes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(x) {
  if (!known(x)) return none;
  let i = 0;
  for (; x >= 1024 && i < sizes.length - 1; i++) x /= 1024;
  return `${round(x, i ? digitsFor(x) : 0)} ${sizes[i]}`;
}

export const byteRate = (x) => (known(x) ? `${bytes(x)}/s` : none);

// time is for how long a phase took, in seconds.
export function time(x) {
  if (!known(x)) return none;
  if (x < 1e-3) return `${round(x * 1e6, 0)} µs`;
  if (x < 1) return `${round(x * 1e3, digitsFor(x * 1e3) ? 1 : 0)} ms`;
  return `${round(x, 2)} s`;
}

// span is for how long something has lasted, in seconds: its two largest units.
export function span(x) {
  if (!known(x)) return none;
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  let rest = Math.max(0, Math.floor(x));
  const parts = [];
  for (const [name, size] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(n + name);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0s";
}

// seconds reads a duration of the API, as in "1h2m3.5s".
export function seconds(text) {
  const size = { h: 3600, m: 60, s: 1, ms: 1e-3, "µs": 1e-6, us: 1e-6, ns: 1e-9 };
  let sum = 0;
  for (const [, n, unit] of String(text).matchAll(/([\d.]+)(h|ms|m|s|µs|us|ns)/g)) sum += Number(n) * size[unit];
  return sum;
}
