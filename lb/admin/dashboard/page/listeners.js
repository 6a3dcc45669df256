// Listeners: who comes, how the handshakes go, and how long each phase of an arrival takes.

import { badge, byId, el, keyed, put, row } from "./dom.js";
import { byteRate, count, rate, time } from "./format.js";
import { model, past, window } from "./model.js";
import { line } from "./pools.js";
import { draw, latest, spark, trend } from "./spark.js";

const phases = [["tls", "TLS handshake"], ["head", "Request head"], ["connect", "Backend connected"], ["answer", "Upgrade answered"]];

let made = 0;

export function listeners() {
  const list = [...model.listeners.values()].sort((a, b) => a.name.localeCompare(b.name));
  keyed(byId("listener-list"), list, (l) => l.name, make, update);
}

function make() {
  const id = `listener-${++made}`;
  const part = {
    name: el("h3", { id }), badge: el("span"), facts: el("span", { class: "help" }),
    sessions: trend("Sessions"), connections: trend("Connections"), traffic: trend("Traffic down"), handshakes: trend("Handshakes"), rows: el("tbody"),
  };
  const head = el("tr", {}, ...[["Latency of", ""], ["p50", "n"], ["p99", "n"], ["p99 over time, p50 dashed", "wide"]].map(([name, kind]) => el("th", { scope: "col", class: kind }, name)));
  part.table = el("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": id }, el("table", {}, el("thead", {}, head), part.rows));
  part.node = el("article", { class: "card", "aria-labelledby": id }, el("div", { class: "head" }, part.name, part.badge, part.facts),
    el("ul", { class: "trends" }, part.sessions.node, part.connections.node, part.traffic.node, part.handshakes.node), part.table);
  return part;
}

function update(part, l) {
  const w = window();
  const of = (column) => past("listener", l.name, column);
  put(part.name, l.name);
  badge(part.badge, l.state, { up: "good", removed: "calm" }[l.state] || "warn");
  const places = [...new Set(l.addresses)];
  put(part.facts, places.join(", ") + (l.drain ? ` · ${count(l.drain.closed)} of ${count(l.drain.open)} ended` : ""));
  line(part.sessions, count(l.sessions), { name: `Sessions of ${l.name}`, values: of("sessions"), format: count, window: w });
  line(part.connections, rate(latest(of("connections"))), { name: `Connections to ${l.name}`, values: of("connections"), format: rate, window: w });
  line(part.traffic, `${byteRate(latest(of("down")))}, up ${byteRate(latest(of("up")))}`,
    { name: `Traffic of ${l.name} down`, values: of("down"), second: of("up"), format: byteRate, window: w });
  line(part.handshakes, `${rate(latest(of("handshakes")))}, failed ${rate(latest(of("handshakes_failed")))}`,
    { name: `TLS handshakes of ${l.name}`, values: of("handshakes"), second: of("handshakes_failed"), format: rate, window: w });
  part.handshakes.node.hidden = !of("handshakes").some((x) => x > 0) && !of("handshakes_failed").some((x) => x > 0);
  const list = phases.filter(([phase]) => of(`${phase}_p99`).some((x) => x !== null));
  part.table.hidden = list.length === 0;
  keyed(part.rows, list, ([phase]) => phase, makePhase, (r, [phase, words]) => {
    const [name, median, late] = r.cells;
    const [p50, p99] = [of(`${phase}_p50`), of(`${phase}_p99`)];
    put(name, words);
    put(median, time(latest(p50)));
    put(late, time(latest(p99)));
    draw(r.graph, { name: `${words} at ${l.name}, p99`, values: p99, second: p50, format: time, window: w });
  });
}

function makePhase() {
  const r = row("once", "n", "n", "wide");
  const graph = spark();
  r.cells[3].append(graph.node);
  return { ...r, graph };
}
