// What is known of the process: everything as the stream has told it so far.

export const model = {
  status: null, listeners: new Map(), pools: new Map(), backends: new Map(), sources: new Map(), causes: new Map(),
  past: new Map(), // by key: columns of numbers, the oldest first
  number: -1, certificates: [], refused: 0,
};

export const keep = 360; // points: an hour of ten seconds each

// keys of what names alone do not tell apart; no name has a line end in it that could be taken for another's.
export const key = (...names) => JSON.stringify(names);

const columns = (kind, name, pool = "") => model.past.get(key(kind, pool, name)) || {};

export const past = (kind, name, column, pool) => columns(kind, name, pool)[column] || [];

const parts = [
  ["listeners", (x) => x.name], ["pools", (x) => x.name], ["backends", (x) => key(x.pool, x.name)],
  ["sources", (x) => key(x.pool, x.address)], ["causes", (x) => x.cause],
];

// apply takes an event.
export function apply(name, live) {
  if (name === "snapshot") {
    for (const [part] of parts) model[part].clear();
    model.past.clear();
    model.number = -1;
  }
  if (live.status) model.status = live.status;
  for (const [part, keyOf] of parts) for (const x of live[part] || []) model[part].set(keyOf(x), x);
  for (const g of live.gone || []) {
    const map = { listener: model.listeners, pool: model.pools, backend: model.backends, source: model.sources }[g.kind];
    map?.delete(g.pool ? key(g.pool, g.name) : g.name);
    if (g.kind === "backend") model.past.delete(key("backend", g.pool, g.name)); // names of backends may come and go without end
  }
  if (live.history) grow(live.history);
}

// grow adds points: all of them from a snapshot, then one at a time.
function grow(history) {
  model.refused = history.refused;
  if (history.number <= model.number) return;
  const missed = model.number < 0 ? 0 : history.number - model.number - 1;
  const first = model.number < 0;
  model.number = history.number;
  const told = new Set();
  for (const s of history.series) {
    const k = key(s.kind, s.pool || "", s.name);
    told.add(k);
    const have = model.past.get(k) || {};
    for (const [column, values] of Object.entries(s.columns)) {
      have[column] = first ? values : extend(have[column] || [], missed, values.at(-1) ?? null);
    }
    model.past.set(k, have);
  }
  if (first) return;
  for (const [k, have] of model.past) { // nothing was kept of these
    if (!told.has(k) && !isBackend(k)) for (const column in have) have[column] = extend(have[column], missed, null);
  }
  for (const b of model.backends.values()) { // their sessions are in the state; nothing else of them is drawn
    const have = model.past.get(key("backend", b.pool, b.name));
    if (have) have.sessions = extend(have.sessions || [], missed, b.sessions);
  }
}

const isBackend = (k) => JSON.parse(k)[0] === "backend";

const extend = (list, missed, value) => [...list, ...new Array(Math.min(missed, keep)).fill(null), value].slice(-keep);

// learn takes what was asked for of single backends.
export function learn(history) {
  for (const s of history.series) model.past.set(key(s.kind, s.pool || "", s.name), s.columns);
}

// window says over what time lines go: as long as there are numbers, up to the hour, and five minutes at least.
export function window() {
  const points = Math.min(keep, Math.max(30, model.number + 1));
  const minutes = Math.max(1, Math.round(Math.min(keep, model.number + 1) / 6));
  return { points, text: minutes >= 60 ? "the last hour" : minutes === 1 ? "the last minute" : `the last ${minutes} minutes` };
}
