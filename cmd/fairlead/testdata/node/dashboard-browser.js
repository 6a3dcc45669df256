// Headless Chromium on the dashboard, as somebody who uses it with the keyboard. Argument: {url, token, executable, backend,
// screenshot}: backend is the name of the one that the test drains when this reports {watching}. Reports {found}: what was seen.
"use strict";
const { chromium } = require("playwright-core");
const { argument, report, run } = require("./program.js");
const { audit, contrast, launch } = require("./page-checks.js");

const { url, token, executable, backend, screenshot } = argument();
const patience = 25000;

// listen notes whatever a page should not do.
async function listen(context, found) {
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.on("pageerror", (error) => found.troubles.push(String(error)));
  page.on("dialog", (dialog) => { found.troubles.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (message) => {
    // Chromium itself reports answers of 401, which a sign-in is for, and of 400, which a wrong filter gets.
    if (message.type() === "error" && !/status of 40[01]/.test(message.text())) found.troubles.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) found.elsewhere.push(request.url());
    if (request.url().includes(token)) found.leaked.push(request.url());
  });
  return page;
}

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName);

// enter signs in: with a wrong token, and then with the right one.
async function enter(page, found) {
  await page.goto(url);
  await page.locator("#sign-in").waitFor();
  found.focusAtSignIn = await focused(page);
  await page.keyboard.type("this is not the token");
  await page.keyboard.press("Enter");
  await page.locator("#token-error", { hasText: "not the token" }).waitFor();
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.locator("#board").waitFor();
  await page.locator("#link.live").waitFor();
}

const row = (page) => page.locator("#pool-list tbody tr", { has: page.locator("th", { hasText: backend }) });

async function look(page, found) {
  await row(page).locator(".badge", { hasText: "up" }).waitFor();
  await page.locator("#tiles .tile").first().waitFor();
  found.tiles = await page.locator("#tiles .tile").count();
  found.made = await page.evaluate(() => document.querySelectorAll("main img, main script, main b").length);
  report({ watching: true });
  await row(page).locator(".badge", { hasText: "draining" }).waitFor();
}

// ofItsParts lists what modules of the page do wrong with what a process seldom tells.
const ofItsParts = async () => {
  const out = [];
  const want = (what, got, wanted) => { if (JSON.stringify(got) !== JSON.stringify(wanted)) out.push(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`); };
  const { el, keyed } = await import("/dashboard/dom.js");
  const list = el("ul");
  for (let i = 0; i < 3; i++) keyed(list, ["a", "b", "a"], (x) => x, (x) => ({ node: el("li", {}, x) }), () => {});
  want("what is there twice, shown three times", list.textContent, "ab");
  const { apply, learn, model, past } = await import("/dashboard/model.js?alone");
  const series = (kind, name, sessions, pool) => ({ kind, name, pool, columns: { sessions } });
  apply("snapshot", { pools: [{ name: "p" }, { name: "q" }], backends: [{ pool: "p", name: "b", sessions: 7 }], history: { number: 1, refused: 0, series: [series("pool", "p", [1, 2]), series("pool", "q", [5, 6])] } });
  learn({ series: [series("backend", "b", [7, 7], "p")] });
  apply("step", { history: { number: 2, refused: 1, series: [series("pool", "p", [3])] } });
  want("a pool", past("pool", "p", "sessions"), [1, 2, 3]);
  want("a pool that has no history any more", past("pool", "q", "sessions"), [5, 6, null]);
  want("a backend", past("backend", "b", "sessions", "p"), [7, 7, 7]);
  apply("state", { gone: [{ kind: "backend", pool: "p", name: "b" }] });
  want("a backend that is gone", [past("backend", "b", "sessions", "p"), model.past.size], [[], 2]);
  return out;
};

// byKeyboard goes from the top of the page to the sessions, and opens them.
async function byKeyboard(page, found) {
  await page.reload(); // the tab keeps the token
  await page.locator("#link.live").waitFor();
  await page.keyboard.press("Tab");
  found.firstStop = await focused(page);
  await page.keyboard.press("Enter");
  found.skipTo = await focused(page);
  const stops = [];
  for (let i = 0; i < 60 && !stops.includes("SUMMARY"); i++) {
    await page.keyboard.press("Tab");
    stops.push(await focused(page));
  }
  found.reached = stops.includes("SUMMARY");
  found.ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  await page.keyboard.press("Enter");
  await page.locator("#session-rows tr").first().waitFor();
  found.sessions = await page.locator("#session-rows tr").count();
  found.asked = await page.locator("#session-note").textContent();
  const oldest = await page.locator("#session-rows tr th").first().textContent();
  await page.locator("#session-form [name=order]").selectOption("-age");
  await page.locator("#session-rows tr:last-child th", { hasText: oldest }).waitFor();
  await page.locator("#session-form [name=client]").fill("192.0.2.0/24");
  await page.keyboard.press("Enter");
  await page.locator("#session-note", { hasText: "0 open" }).waitFor();
  found.elsewhereOnly = await page.locator("#session-rows tr").count();
  await page.locator("#session-form [name=client]").fill("nonsense");
  await page.keyboard.press("Enter");
  await page.locator("#session-note", { hasText: "client" }).waitFor();
}

// fits looks at the page in other sizes and colours.
async function fits(page, found) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    found.pale.push(...(await page.evaluate(contrast)).map((text) => `${colorScheme}: ${text}`));
  }
  found.audit = await page.evaluate(audit);
  await page.setViewportSize({ width: 360, height: 740 });
  found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await page.screenshot({ path: screenshot, fullPage: true });
  found.violations = await page.evaluate(() => window.violations);
}

run(async () => {
  const browser = await launch(chromium, executable);
  const found = { troubles: [], elsewhere: [], leaked: [], pale: [] };
  try {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, reducedMotion: "reduce" });
    const page = await listen(context, found);
    await enter(page, found);
    await look(page, found);
    found.troubles.push(...(await page.evaluate(ofItsParts)));
    await byKeyboard(page, found);
    await fits(page, found);
    await page.locator("#leave").click();
    await page.locator("#sign-in").waitFor();
    found.kept = await page.evaluate(() => sessionStorage.length + localStorage.length + document.cookie.length);
    report({ found });
  } finally {
    await browser.close();
  }
});
