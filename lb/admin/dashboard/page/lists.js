// The shorter lists: why sessions ended, certificates, and where backends come from.

import { get } from "./api.js";
import { badge, byId, el, keyed, put, row } from "./dom.js";
import { count, none, rate, span } from "./format.js";
import { key, model, past, window } from "./model.js";
import { draw, spark } from "./spark.js";

const step = 10; // seconds
const soon = 14 * 86400, close = 3 * 86400;

// usual are ends that say nothing bad of anybody.
const usual = new Set(["client_fin", "backend_fin", "client_gone", "us_idle_timeout", "us_max_age", "us_drained", "us_shutdown", "us_killed"]);

export function causes() {
  const w = window();
  const list = [...model.causes.values()].map((c) => {
    const values = past("cause", c.cause, "ended");
    return { ...c, values, hour: Math.round(values.reduce((n, x) => n + (x ?? 0) * step, 0)) };
  });
  list.sort((a, b) => b.hour - a.hour || b.count - a.count || a.cause.localeCompare(b.cause));
  byId("cause-none").hidden = list.length > 0;
  keyed(byId("cause-rows"), list, (c) => c.cause, () => {
    const r = row("once", "", "n", "wide", "n");
    const side = el("span"), graph = spark();
    r.cells[1].append(side);
    r.cells[3].append(graph.node);
    return { ...r, side, graph };
  }, (r, c) => {
    put(r.cells[0], c.cause);
    badge(r.side, c.side === "us" ? "fairlead" : c.side, usual.has(c.cause) ? "calm" : c.side === "client" ? "calm" : "warn");
    put(r.cells[2], count(c.hour));
    draw(r.graph, { name: `Sessions ended by ${c.cause}`, values: c.values, format: rate, window: w });
    put(r.cells[4], count(c.count));
  });
}

// ask fetches certificates, which change seldom.
export async function ask() {
  model.certificates = await get("../v1/certificates");
}

export function certificates() {
  const list = model.certificates.filter((c) => !c.authority);
  list.sort((a, b) => Date.parse(a.not_after) - Date.parse(b.not_after));
  byId("certificate-none").hidden = list.length > 0;
  keyed(byId("certificate-rows"), list, (c) => key(c.of, c.file, c.subject, c.not_after), () => {
    const r = row("", "once", "once", "opt long", "opt long");
    const when = el("span"), date = el("span", { class: "sub" });
    r.cells[2].append(when, date);
    return { ...r, when, date };
  }, (r, c) => {
    const left = (Date.parse(c.not_after) - Date.now()) / 1000;
    put(r.cells[0], c.names.join(", ") || c.subject);
    put(r.cells[1], c.of);
    badge(r.when, left < 0 ? "expired" : `in ${left > 86400 ? span(left - (left % 86400)) : span(left - (left % 60))}`, left < close ? "bad" : left < soon ? "warn" : "good");
    put(r.date, c.not_after.slice(0, 10));
    put(r.cells[3], c.issuer);
    put(r.cells[4], c.file);
  });
}

export function sources() {
  const list = [...model.sources.values()];
  byId("source-part").hidden = list.length === 0;
  keyed(byId("source-rows"), list, (s) => key(s.pool, s.address), () => {
    const r = row("", "", "n", "");
    const state = el("span"), why = el("span", { class: "sub" });
    r.cells[3].append(state, why);
    return { ...r, state, why };
  }, (r, s) => {
    put(r.cells[0], s.pool);
    put(r.cells[1], s.address);
    put(r.cells[2], count(s.members));
    badge(r.state, s.error ? "failing" : "known", s.error ? "warn" : "good");
    put(r.why, s.error || s.note || none);
  });
}
