// Many socket.io clients: each connects, upgrades if it may, and is echoed before and after.
// Argument: {url, ca, users, affinity: cookie|query|none, transports}. Reports {user, ...} for each.
"use strict";
const https = require("node:https");
const { io } = require("socket.io-client");
const { argument, report, run, within } = require("./program.js");

const { url, ca, users, affinity, transports } = argument();

// options identify a user. Every request is a connection of its own, so that nothing but identity can keep them together.
function options(user) {
  const all = { transports, ca, agent: new https.Agent({ ca, keepAlive: false }), forceNew: true, reconnection: false };
  if (affinity === "cookie") all.extraHeaders = { cookie: `theme=dark; sid=${user}` };
  if (affinity === "query") all.query = { token: user };
  return all;
}

// failure waits for the first sign that a connection will not come about, or has ended.
function failure(socket) {
  return new Promise((_, reject) => {
    const say = (what) => (error, details) => {
      const from = details || error || {};
      const answer = from.context && from.context.responseText;
      reject(new Error([what, from.message || from, answer].filter(Boolean).join(": ")));
    };
    socket.on("connect_error", say("connect"));
    socket.io.on("open", () => socket.io.engine.on("close", say("engine closed")));
  });
}

async function converse(socket) {
  const upgraded = new Promise((resolve) => {
    socket.io.on("open", () => socket.io.engine.once("upgrade", resolve));
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  const before = await socket.emitWithAck("echo", "before");
  if (transports.includes("websocket")) await upgraded;
  const after = await socket.emitWithAck("echo", "after");
  return { before, after };
}

async function visit(user) {
  const socket = io(url, options(user));
  try {
    return { user, ...await within(Promise.race([converse(socket), failure(socket)]), "socket.io") };
  } catch (error) {
    return { user, error: error.message };
  } finally {
    socket.io.engine.removeAllListeners("close");
    socket.disconnect();
  }
}

run(async () => {
  if (affinity === "none") for (const user of users) report(await visit(user)); // in turn: the outcome is certain
  else for (const fact of await Promise.all(users.map(visit))) report(fact);
});
