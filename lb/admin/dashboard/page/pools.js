// Pools with their backends: what is in trouble first, and no more rows at a time than somebody reads.

import { get } from "./api.js";
import { badge, byId, el, keyed, put, row } from "./dom.js";
import { byteRate, count, rate, span } from "./format.js";
import { key, learn, model, past, window } from "./model.js";
import { toneOf } from "./overview.js";
import { draw, latest, spark, trend } from "./spark.js";

const atOnce = 25; // rows of a pool

const shown = new Map(); // by pool: what to search for, and how many rows there may be

export function pools() {
  const list = [...model.pools.values()].sort((a, b) => a.name.localeCompare(b.name));
  keyed(byId("pool-list"), list, (p) => p.name, makePool, updatePool);
}

function makePool(p) {
  const id = `pool-${++made}`;
  const parts = {
    id, name: el("h3", { id }), badge: el("span"), facts: el("span", { class: "help" }), trends: el("ul", { class: "trends" }),
    sessions: trend("Sessions"), connects: trend("Connects"), traffic: trend("Traffic down"),
    find: el("input", { type: "search", autocomplete: "off", spellcheck: "false" }), rows: el("tbody"),
    note: el("p", { class: "help" }), more: el("button", { type: "button" }),
  };
  parts.trends.append(parts.sessions.node, parts.connects.node, parts.traffic.node);
  parts.finder = el("p", { class: "filters" }, el("label", {}, "Find a backend ", parts.find));
  const head = el("tr");
  for (const [name, kind] of columns) head.append(el("th", { scope: "col", class: kind }, name));
  const table = el("table", {}, el("thead", {}, head), parts.rows);
  const box = el("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": id }, table);
  parts.node = el("article", { class: "card", "aria-labelledby": id }, el("div", { class: "head" }, parts.name, parts.badge, parts.facts), parts.trends, parts.finder, box, parts.note, parts.more);
  const view = { text: "", most: atOnce };
  shown.set(p.name, view);
  parts.find.addEventListener("input", () => { view.text = parts.find.value; view.most = atOnce; pools(); });
  parts.more.addEventListener("click", () => { view.most += 4 * atOnce; pools(); });
  return parts;
}

let made = 0;

const columns = [["Backend", ""], ["State", ""], ["Sessions", "n"], ["Over time", "wide"], ["Connects", "n"], ["Failed", "n"], ["Weight", "n"], ["Address", "opt"]];

function updatePool(part, p) {
  const w = window();
  put(part.name, p.name);
  badge(part.badge, `${count(p.eligible)} of ${count(p.backends)} eligible`, p.eligible === 0 || p.panic ? "bad" : p.eligible < p.backends ? "warn" : "good");
  const facts = [`${count(p.affinity.pins)} pinned keys, ${count(p.affinity.remembered)} remembered`];
  if (p.queue.waiting > 0) facts.push(`${count(p.queue.waiting)} wait, the first for ${p.queue.longest}`);
  if (p.backups) facts.push("backups in use");
  put(part.facts, facts.join(" · "));
  line(part.sessions, count(p.sessions), { name: `Sessions of ${p.name}`, values: past("pool", p.name, "sessions"), format: count, window: w });
  const [connects, failures] = [past("pool", p.name, "connects"), past("pool", p.name, "failures")];
  line(part.connects, `${rate(latest(connects))}, failed ${rate(latest(failures))}`, { name: `Connects to ${p.name}`, values: connects, second: failures, format: rate, window: w });
  const [up, down] = [past("pool", p.name, "up"), past("pool", p.name, "down")];
  line(part.traffic, `${byteRate(latest(down))}, up ${byteRate(latest(up))}`, { name: `Traffic of ${p.name} down`, values: down, second: up, format: byteRate, window: w });
  rows(part, p, w);
}

export function line(part, now, what) {
  put(part.now, now);
  draw(part.line, what);
}

function rows(part, p, w) {
  const view = shown.get(p.name);
  const all = [...model.backends.values()].filter((b) => b.pool === p.name);
  const found = all.filter((b) => b.name.includes(view.text) || b.address.includes(view.text) || b.state.startsWith(view.text));
  found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  const list = found.slice(0, view.most);
  part.finder.hidden = all.length <= atOnce;
  part.more.hidden = found.length <= list.length;
  put(part.more, "Show more");
  put(part.note, found.length > list.length ? `${list.length} of ${count(found.length)}, those in trouble first` : found.length === 0 ? "No backend is found." : "");
  keyed(part.rows, list, (b) => b.name, makeRow, (r, b) => updateRow(r, b, w));
  askFor(p.name, list);
}

const rank = (b) => ({ bad: 0, warn: 1, good: 2 })[toneOf(b.state)];

function makeRow() {
  const r = row("name", "", "n", "wide", "n", "n", "n", "opt");
  const state = el("span"), why = el("span", { class: "sub long" }), graph = spark();
  r.cells[1].append(state, " ", why);
  r.cells[3].append(graph.node);
  return { ...r, state, why, graph };
}

function updateRow(r, b, w) {
  const [name, , sessions, , connects, failed, weight, address] = r.cells;
  put(name, b.name + (b.backup ? " (backup)" : ""));
  badge(r.state, b.state, toneOf(b.state));
  put(r.why, whyOf(b));
  put(sessions, b.max_connections ? `${count(b.sessions)} of ${count(b.max_connections)}` : count(b.sessions));
  draw(r.graph, { name: `Sessions of ${b.name}`, values: past("backend", b.name, "sessions", b.pool), format: count, window: w });
  put(connects, count(b.connects));
  put(failed, count(b.failures + b.refusals));
  put(weight, b.share < 1 ? `${b.weight} (${Math.round(b.share * 100)} %)` : b.weight);
  put(address, b.address);
}

// whyOf is said of backends that are not well; since when, by the minute so that it does not flicker.
function whyOf(b) {
  const parts = [];
  if (b.state !== "up") {
    const age = (Date.now() - Date.parse(b.since)) / 1000;
    parts.push(`for ${age < 60 ? "less than a minute" : span(age - (age % 60))}`);
    if (b.reason) parts.push(b.reason);
  }
  if (b.error && !parts.includes(b.error)) parts.push(b.error);
  if (b.closing) parts.push(`${count(b.closed)} tunnels ended so far`);
  return parts.join("; ");
}

const asking = new Set(); // pools

// askFor fetches what backends have been before this page came to see them.
async function askFor(pool, list) {
  const unknown = list.filter((b) => !model.past.has(key("backend", pool, b.name)) && !hopeless.has(key(pool, b.name)));
  if (unknown.length === 0 || asking.has(pool)) return;
  asking.add(pool);
  const q = new URLSearchParams({ kind: "backend", pool, column: "sessions" });
  for (const b of unknown.slice(0, 4 * atOnce)) q.append("name", b.name);
  let learned = false;
  try {
    const history = await get(`../v1/history?${q}`);
    learn(history);
    learned = history.series.length > 0;
    const had = new Set(history.series.map((s) => s.name));
    for (const b of unknown) if (!had.has(b.name)) hopeless.set(key(pool, b.name), model.number);
  } catch {
    // The stream says when the process is out of reach; the next event asks again.
  } finally {
    asking.delete(pool);
  }
  if (learned) pools();
}

const hopeless = new Map(); // without history, since which step

// retry forgets who had no history some steps ago: they may have one now.
export function retry() {
  for (const [k, number] of hopeless) if (model.number !== number) hopeless.delete(k);
}

