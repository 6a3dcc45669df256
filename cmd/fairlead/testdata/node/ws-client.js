// A client on npm ws: everything a WebSocket may carry, there and back, and both ways to close.
// Argument: {url, ca, version}: version is the TLS version to insist on.
"use strict";
const { once } = require("node:events");
const { randomBytes } = require("node:crypto");
const WebSocket = require("ws");
const { argument, report, run, within } = require("./program.js");

const { url, ca, version } = argument();
const options = ca ? { ca, minVersion: version, maxVersion: version } : {};

async function open(id) {
  const socket = new WebSocket(`${url}?id=${id}`, options);
  await within(once(socket, "open"), "open");
  return socket;
}

async function answer(socket, data) {
  const answered = once(socket, "message");
  socket.send(data);
  const [message, binary] = await within(answered, "an answer");
  return { message, binary };
}

const same = async (socket, data) => {
  const { message, binary } = await answer(socket, data);
  return Buffer.from(data).equals(message) && binary === (typeof data !== "string");
};

async function ending(socket) {
  const [code, reason] = await within(once(socket, "close"), "close");
  return { code, reason: String(reason) };
}

run(async () => {
  const first = await open("first");
  const facts = {
    protocol: first._socket.getProtocol ? first._socket.getProtocol() : "",
    text: await same(first, "grüß dich, 世界"),
    empty: await same(first, ""),
    binary: await same(first, Buffer.from([0, 1, 2, 253, 254, 255])),
    large: await same(first, randomBytes(1 << 20)),
  };
  const ponged = once(first, "pong");
  first.ping("from the client");
  facts.pong = String((await within(ponged, "pong"))[0]);
  facts.backendPong = String((await answer(first, "/ping")).message);
  const closed = ending(first);
  first.close(4001, "bye");
  facts.clientClose = { client: await closed };

  const second = await open("second");
  facts.clientClose.backend = JSON.parse((await answer(second, "/ending first")).message);
  const closing = ending(second);
  second.send("/close 4002 later");
  facts.backendClose = { client: await closing };

  const third = await open("third");
  facts.backendClose.backend = JSON.parse((await answer(third, "/ending second")).message);
  const last = ending(third);
  third.close(1000);
  await last;
  report(facts);
});
