// What there is at a glance: what needs attention, and sums over everything.

import { byId, el, keyed, put } from "./dom.js";
import { byteRate, count, rate, seconds, span, time } from "./format.js";
import { model, past, window } from "./model.js";
import { draw, latest, most, spark, sum } from "./spark.js";

const soon = 14 * 86400; // seconds before a certificate expires

export function header() {
  const s = model.status;
  put(byId("version"), s.version);
  put(byId("facts"), `up ${span(seconds(s.uptime))}`);
  put(byId("span"), `lines: ${window().text}`);
}

// troubles lists what somebody should look at, the worst first.
function troubles() {
  const out = [];
  const add = (tone, text) => out.push({ tone, text });
  for (const p of model.pools.values()) {
    if (p.eligible === 0) add("bad", `Pool ${p.name}: no backend may be picked`);
    else if (p.panic) add("bad", `Pool ${p.name}: too few backends are eligible, so all are tried (panic)`);
    if (p.backups) add("warn", `Pool ${p.name}: the backup backends are in use`);
    if (p.queue.waiting > 0) add("warn", `Pool ${p.name}: ${count(p.queue.waiting)} sessions wait for a slot`);
    const down = [...model.backends.values()].filter((b) => b.pool === p.name && toneOf(b.state) === "bad");
    if (down.length > 0) add(p.eligible === 0 ? "bad" : "warn", `Pool ${p.name}: ${names(down)} ${down.length > 1 ? "are" : "is"} down or ejected`);
  }
  if (model.status.reload_failed) add("warn", "The last reload of the configuration failed; what was in force stays");
  for (const s of model.sources.values()) if (s.error) add("warn", `Pool ${s.pool}: ${s.address} cannot be looked up: ${s.error}`);
  for (const c of model.certificates) {
    const left = (Date.parse(c.not_after) - Date.now()) / 1000;
    if (left < soon && !c.authority) add(left < 0 ? "bad" : "warn", `Certificate of ${c.of} (${c.names.join(", ") || c.subject}) ${left < 0 ? "has expired" : `expires in ${span(left)}`}`);
  }
  for (const l of model.listeners.values()) if (l.drain) add("warn", `Listener ${l.name} is being drained`);
  if (model.refused > 0) add("warn", `${count(model.refused)} backends have no history: admin.history is too small`);
  return out.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === "bad" ? -1 : 1));
}

const listed = 5;
const names = (list) => list.slice(0, listed).map((b) => b.name).join(", ") + (list.length > listed ? ` and ${list.length - listed} more` : "");

// toneOf says how bad a backend's state is.
export function toneOf(state) {
  if (state === "up") return "good";
  return state === "down" || state === "ejected" ? "bad" : "warn";
}

export function attention() {
  const list = troubles();
  const worst = list[0]?.tone || "good";
  byId("attention").className = worst === "good" ? "" : worst;
  put(byId("attention-title"), list.length === 0 ? "Nothing needs attention" : `${list.length} ${list.length === 1 ? "thing needs" : "things need"} attention`);
  keyed(byId("attention-list"), list, (x) => x.text, () => ({ node: el("li") }), (part, x) => put(part.node, x.text));
}

const of = (kind, map, column) => [...map.keys()].map((name) => past(kind, name, column));

// tiles are sums over all listeners, or over all pools.
function tiles() {
  const l = (column) => sum(of("listener", model.listeners, column));
  const p = (column) => sum(of("pool", model.pools, column));
  const slow = (column) => most(of("listener", model.listeners, column));
  const [arrived, made, failed, up, down] = [l("connections"), l("handshakes"), l("handshakes_failed"), p("up"), p("down")];
  const [fast, late] = [slow("connect_p50"), slow("connect_p99")];
  return [
    { name: "Sessions", now: count(model.status.sessions), also: `${count(model.status.arrived)} since the start`, values: l("sessions"), format: count },
    { name: "Connections", now: rate(latest(arrived)), also: `most ${rate(peak(arrived))}`, values: arrived, format: rate },
    { name: "Traffic down", now: byteRate(latest(down)), also: `up ${byteRate(latest(up))} (dashed)`, values: down, second: up, format: byteRate },
    { name: "TLS handshakes", now: rate(latest(made)), also: `failed ${rate(latest(failed))} (dashed)`, values: made, second: failed, format: rate },
    { name: "Connecting, p99", now: time(latest(late)), also: `p50 ${time(latest(fast))} (dashed)`, values: late, second: fast, format: time },
    { name: "Eligible backends", now: `${count(model.status.eligible)} of ${count(model.status.backends)}`, also: model.status.waiting ? `${count(model.status.waiting)} wait` : "nobody waits", values: p("eligible"), format: count },
  ];
}

export function peak(values) {
  const there = values.filter((x) => x !== null);
  return there.length > 0 ? Math.max(...there) : undefined;
}

export function overview() {
  keyed(byId("tiles"), tiles(), (x) => x.name, makeTile, (part, x) => {
    put(part.now, x.now);
    put(part.also, x.also);
    draw(part.line, { ...x, window: window() });
  });
}

function makeTile(x) {
  const now = el("p", { class: "now" }), also = el("p", { class: "also" }), line = spark();
  return { node: el("li", { class: "tile" }, el("h3", {}, x.name), now, also, line.node), now, also, line };
}
