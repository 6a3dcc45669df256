// Takes the pictures of the dashboard for docs/: the embedded page, over an API that this program plays, with numbers made up for
// an hour of an evening in which a backend fails. Arguments: the folder of the page, the folder of the pictures, and Chromium's file.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { launch } = require("./page-checks.js");

const [page, out, executable = "/usr/bin/chromium"] = process.argv.slice(2);
const points = 360, now = Date.now();

// random gives the same numbers each time (mulberry32's mixing is plenty for a picture).
let seed = 7;
const random = () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const line = (f, noise = 0.08) => Array.from({ length: points }, (_, i) => Math.max(0, f(i / points, i) * (1 + noise * (random() - 0.5))));
const fails = 0.72; // when the backend does, as a share of the hour
const storm = (t) => Math.exp(-(((t - fails) / 0.012) ** 2)) + (t > fails ? 0.5 * Math.exp(-(t - fails) / 0.03) : 0);
const rising = (t) => 0.75 + 0.2 * t + 0.05 * Math.sin(9 * t);

const listener = (name, share, tls) => ({ kind: "listener", name, columns: {
  sessions: line((t) => 41200 * share * rising(t) * (1 - 0.12 * storm(t)), 0.004), connections: line((t) => 160 * share * (rising(t) + 9 * storm(t))),
  up: line((t) => 5.1e6 * share * rising(t), 0.2), down: line((t) => 23e6 * share * rising(t) * (1 - 0.3 * storm(t)), 0.2),
  handshakes: line((t) => (tls ? 155 * share * (rising(t) + 9 * storm(t)) : 0)), handshakes_failed: line((t) => (tls ? 3 * share * (rising(t) + 6 * storm(t)) : 0), 1.2),
  tls_p50: tls ? line((t) => 0.0021 * (1 + 1.5 * storm(t))) : [], tls_p99: tls ? line((t) => 0.0094 * (1 + 3 * storm(t)), 0.4) : [],
  head_p50: line(() => 0.0007), head_p99: line(() => 0.019, 0.5),
  connect_p50: line((t) => 0.0004 * (1 + storm(t))), connect_p99: line((t) => 0.0031 * (1 + 14 * storm(t)), 0.5),
  answer_p50: line(() => 0.0016), answer_p99: line((t) => 0.012 * (1 + 4 * storm(t)), 0.5),
} });
const pool = (name, share, n, lost) => ({ kind: "pool", name, columns: {
  sessions: line((t) => 41200 * share * rising(t) * (1 - 0.12 * storm(t)), 0.004), eligible: Array.from({ length: points }, (_, i) => n - (lost && i / points > fails ? 1 : 0)),
  waiting: line(() => 0, 0), connects: line((t) => 158 * share * (rising(t) + 9 * storm(t))), failures: line((t) => (lost ? 14 * storm(t) : 0), 0.4),
  up: line((t) => 5.1e6 * share * rising(t), 0.2), down: line((t) => 23e6 * share * rising(t) * (1 - 0.3 * storm(t)), 0.2),
} });
const cause = (name, side, f) => ({ kind: "cause", name, columns: { ended: line(f, 0.5) } });

const ends = [["client_fin", (t) => 92 * rising(t)], ["client_unreachable", (t) => 21 * rising(t)], ["us_backend_down", (t) => (t > fails ? 60 * Math.exp(-(t - fails) / 0.03) : 0)],
  ["client_reset", (t) => 14 * rising(t)], ["us_idle_timeout", (t) => 6 * rising(t)], ["client_handshake_failed", (t) => 2.6 * (rising(t) + 5 * storm(t))],
  ["client_truncated", (t) => 1.9 * rising(t)], ["backend_refused", (t) => 0.8 * storm(t)], ["client_silent", () => 0.3]];

const backendsOf = (name, n, share, lost) => Array.from({ length: n }, (_, i) => ({
  pool: name, name: `${name}-${String(i + 1).padStart(2, "0")}`, address: `10.20.${name.length}.${11 + i}:8000`, weight: 100, share: 1,
  state: i === lost ? "down" : i === 4 && lost !== undefined ? "draining" : "up", since: new Date(now - (i === lost ? 17 : 30) * 60000).toISOString(),
  reason: i === lost ? "3 checks failed" : i === 4 && lost !== undefined ? "by order" : "", error: i === lost ? "connect: connection refused" : "", check: i === lost ? "down" : "up",
  sessions: i === lost ? 0 : Math.round((39500 * share) / n * (0.93 + 0.14 * random())), connects: Math.round(9e5 + 4e4 * random()), failures: i === lost ? 412 : 0, refusals: i === 2 ? 3 : 0, ejections: i === lost ? 1 : 0,
}));
const backends = [...backendsOf("chat", 8, 0.86, 5), ...backendsOf("web", 3, 0.14)];
const pools = [["chat", 0.86, 8, true], ["web", 0.14, 3, false]];
const listeners = [["edge", 0.93, true], ["internal", 0.07, false]];
const total = (list) => list.reduce((n, b) => n + b.sessions, 0);
const series = [...listeners.map((l) => listener(...l)), ...pools.map((p) => pool(...p)), ...ends.map(([name, f]) => ({ ...cause(name, name.split("_")[0], f), pool: undefined }))];
const history = (list) => ({ step: "10s", number: points - 1, at: new Date(now), refused: 0, series: list });

const live = {
  at: new Date(now),
  status: { version: "v1.0.0", started: new Date(now - 9.4 * 86400000), uptime: "225h36m12s", sessions: total(backends), arrived: 118_402_331, listeners: 2, pools: 2, backends: 11, eligible: 9, waiting: 0 },
  listeners: listeners.map(([name, share]) => ({ name, state: "up", addresses: [name === "edge" ? "[::]:443" : "10.20.0.2:8080"], sessions: Math.round(total(backends) * share), arrived: 1 })),
  pools: pools.map(([name, , n, lost]) => ({ name, backends: n, eligible: lost ? n - 2 : n, sessions: total(backends.filter((b) => b.pool === name)), panic: false, backups: false,
    queue: { waiting: 0, size: 1024, longest: "0s" }, affinity: { pins: Math.round(0.97 * total(backends.filter((b) => b.pool === name))), remembered: 61022 } })),
  backends, causes: ends.map(([name, f], i) => ({ cause: name, side: name.split("_")[0], count: Math.round(3e7 * f(0.2) / 110) + 900 * i + 57 })), history: history(series),
};
const certificates = [["chat.example.org", 61], ["example.org, *.example.org", 11]].map(([names, days], i) => ({
  of: "listener edge", file: `/etc/fairlead/${i ? "example" : "chat"}.pem`, names: names.split(", "), subject: `CN=${names}`, issuer: "CN=R11,O=Let's Encrypt", not_after: new Date(now + days * 86400000), authority: false,
}));
const sessions = { total: total(backends), sessions: Array.from({ length: 8 }, (_, i) => ({
  id: (0x18c2f0a40 + i * 7919).toString(36), listener: "edge", client: `198.51.100.${20 + i * 13}:${40112 + i * 517}`, tls: "TLS 1.3", host: "chat.example.org", path: "/ws", pool: "chat", backend: backends[(i * 3) % 5].name,
  age: `${31 - i}h${(i * 13) % 60}m8s`, idle: `${(i * 7) % 25}.4s`, up: Math.round(4e5 * random()), down: Math.round(3e6 * random()), engine: "record",
})) };

// answers are what the page asks for.
const answers = {
  "/v1/certificates": () => certificates, "/v1/sessions": () => sessions,
  "/v1/history": (q) => history(q.getAll("name").map((name) => {
    const b = backends.find((x) => x.name === name);
    const then = b.sessions || 4300;
    return { kind: "backend", pool: b.pool, name, columns: { sessions: line((t) => (b.sessions === 0 && t > fails ? 0 : b.state === "draining" ? then * Math.min(1, Math.exp(0.5 - t)) * 1.6 * rising(Math.min(t, 0.5)) / rising(0.5) : then * rising(t) * (t > fails && b.pool === "chat" ? 1.12 : 1)), 0.02) } };
  })),
};

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const server = http.createServer((request, response) => {
  const u = new URL(request.url, "http://localhost");
  if (u.pathname === "/v1/stream") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`event: snapshot\ndata: ${JSON.stringify(live)}\n\n`); // it stays open
  } else if (answers[u.pathname]) {
    response.end(JSON.stringify(answers[u.pathname](u.searchParams)));
  } else {
    const name = path.basename(u.pathname) || "index.html";
    response.writeHead(200, { "Content-Type": types[path.extname(name === "dashboard" ? "index.html" : name)] || "text/html" });
    response.end(fs.readFileSync(path.join(page, name === "dashboard" ? "index.html" : name)));
  }
});

async function take(browser, url, name, { width, height, colorScheme }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const tab = await context.newPage();
  await tab.goto(url);
  await tab.locator("#link.live").waitFor();
  await tab.locator("#certificate-rows tr").first().waitFor();
  await tab.locator('#pool-list svg[aria-label^="Sessions of web-03 over"]').waitFor({ state: "attached" });
  await tab.screenshot({ path: path.join(out, name) });
  await context.close();
}

server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}/dashboard/`;
  const browser = await launch(chromium, executable);
  await take(browser, url, "dashboard-light.png", { width: 1280, height: 1500, colorScheme: "light" });
  await take(browser, url, "dashboard-dark.png", { width: 1280, height: 900, colorScheme: "dark" });
  await take(browser, url, "dashboard-phone.png", { width: 390, height: 1000, colorScheme: "light" });
  await browser.close();
  process.exit(0);
});
