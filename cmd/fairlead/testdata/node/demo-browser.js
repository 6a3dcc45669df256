// Headless Chromium on the demo's chat page. Every visitor is a browser profile of its own.
// Argument: {url, executable, screenshot}. Reports {visitors}, waits for a line that names the backend that was killed, and
// reports {visitors} again.
"use strict";
const readline = require("node:readline");
const { chromium } = require("playwright-core");
const { argument, report, run } = require("./program.js");

const { url, executable, screenshot } = argument();
const mostVisitors = 12;
const patience = { timeout: 25000 };

// visit opens the page in a profile of its own and notes what becomes of its sockets.
async function visit(browser) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 900, height: 600 } });
  const page = await context.newPage();
  page.setDefaultTimeout(patience.timeout);
  const visitor = { page, opened: 0, closed: 0, troubles: [] };
  page.on("pageerror", (error) => visitor.troubles.push(String(error)));
  page.on("websocket", (socket) => {
    visitor.opened++;
    socket.on("close", () => { visitor.closed++; });
  });
  await page.goto(url);
  await settle(visitor);
  return visitor;
}

// settle waits until the chat is on, and notes the backends of the page and of the chat.
async function settle(visitor) {
  const badge = visitor.page.locator("#chat-backend[data-backend]");
  await badge.waitFor(patience);
  visitor.chat = await badge.getAttribute("data-backend");
  visitor.served = await visitor.page.locator("#page-backend").getAttribute("data-backend");
}

// chatters finds two visitors of the same backend.
const chatters = (visitors) => {
  for (const one of visitors) {
    const pair = visitors.filter((other) => other.chat === one.chat);
    if (pair.length > 1) return pair;
  }
  return [];
};

const backends = (visitors) => new Set(visitors.map((visitor) => visitor.chat));

// gather lets visitors in until there are two on one backend and one on another.
async function gather(browser) {
  const visitors = [];
  while (visitors.length < mostVisitors && (backends(visitors).size < 2 || chatters(visitors).length < 2)) {
    visitors.push(await visit(browser));
  }
  return visitors;
}

// says has one visitor say something, and waits until the other reads it.
async function says(from, to, text) {
  await from.page.fill("#text", text);
  await from.page.press("#text", "Enter");
  await to.page.locator("#log li", { hasText: text }).waitFor(patience);
}

const facts = (visitors) => visitors.map(({ chat, served, reloaded, heard, moved, opened, closed, troubles }) =>
  ({ chat, served, reloaded, heard, moved, opened, closed, troubles }));

async function reload(visitor) {
  const { chat } = visitor;
  await visitor.page.reload();
  await settle(visitor);
  visitor.reloaded = visitor.chat === chat && visitor.served === chat;
  visitor.opened = 1; // sockets of the page as it is now
  visitor.closed = 0;
}

async function checkMessages(visitors) {
  const [one, two] = chatters(visitors);
  await says(one, two, "hello from next door");
  for (const visitor of visitors) {
    visitor.heard = await visitor.page.locator("#log li", { hasText: "hello from next door" }).count();
  }
}

// follow waits until the visitors of a killed backend have moved, and the others have spoken over the sockets they had.
async function follow(visitors, killed) {
  await Promise.all(visitors.map(async (visitor) => {
    if (visitor.chat === killed) {
      await visitor.page.locator("#log .moved").waitFor(patience);
      visitor.moved = await visitor.page.locator("#log .moved").textContent();
      await settle(visitor);
    } else {
      await says(visitor, visitor, "still here");
    }
  }));
}

run(async () => {
  const browser = await chromium.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
  });
  try {
    const visitors = await gather(browser);
    await Promise.all(visitors.map(reload));
    await checkMessages(visitors);
    report({ visitors: facts(visitors) });
    const lines = readline.createInterface({ input: process.stdin });
    for await (const killed of lines) {
      await follow(visitors, killed);
      break;
    }
    await visitors[0].page.screenshot({ path: screenshot });
    report({ visitors: facts(visitors) });
  } finally {
    await browser.close();
  }
});
