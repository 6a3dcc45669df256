// Live sessions. They are asked for only while they are to be seen, and never all of them.

import { get } from "./api.js";
import { byId, el, keyed, put, row } from "./dom.js";
import { bytes, count, none, seconds, span } from "./format.js";
import { model } from "./model.js";

const pause = 4000; // milliseconds from an answer to the next question

let timer, asking;

const part = () => byId("session-part");

export function watch() {
  part().addEventListener("toggle", () => (part().open ? ask() : stop()));
  byId("session-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  byId("session-form").addEventListener("change", ask);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && part().open) ask(); });
}

export function stop() {
  clearTimeout(timer);
  asking?.abort();
}

// choices keeps the list of pools.
export function choices() {
  const names = [...model.pools.keys()].sort();
  const select = byId("session-form").elements.pool;
  const chosen = select.value;
  if (names.join("\n") === [...select.options].slice(1).map((o) => o.value).join("\n")) return;
  select.replaceChildren(el("option", { value: "" }, "all"), ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

async function ask() {
  stop();
  if (!part().open || document.hidden) return;
  const form = byId("session-form");
  const q = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (name !== "follow" && value.trim()) q.set(name, value.trim());
  const mine = new AbortController();
  asking = mine;
  try {
    show(await get(`../v1/sessions?${q}`, mine.signal));
  } catch (error) {
    if (mine.signal.aborted) return;
    put(byId("session-note"), error.message);
  }
  if (form.elements.follow.checked && part().open) timer = setTimeout(ask, pause);
}

function show({ total, sessions }) {
  put(byId("session-note"), total > sessions.length ? `The first ${count(sessions.length)} of ${count(total)}` : `${count(total)} open`);
  keyed(byId("session-rows"), sessions, (s) => s.id, () => row("once", "once", "long", "n", "n", "n", "n", "opt once", "opt once", "opt once"), (r, s) => {
    const texts = [s.client, `${s.pool}/${s.backend}`, (s.host || s.sni || none) + (s.path || ""), span(seconds(s.age)), span(seconds(s.idle)), bytes(s.up), bytes(s.down), s.tls || none, s.engine, s.id];
    texts.forEach((text, i) => put(r.cells[i], text));
  });
}
