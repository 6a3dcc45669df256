// A WebSocket backend on npm ws: echoes messages, and does what text messages that begin with "/" ask for.
"use strict";
const http = require("node:http");
const { WebSocketServer } = require("ws");
const { argument, serve } = require("./program.js");

const { name = "ws" } = argument();
const server = http.createServer((request, response) => response.end(`${name}\n`));
const endings = new Map(); // by the id in the query: a promise of how that connection was closed

const commands = {
  "/ping": (socket) => {
    socket.once("pong", (data) => socket.send(`pong ${data}`));
    socket.ping("from the backend");
  },
  "/close": (socket, code, reason) => socket.close(Number(code), reason),
  "/ending": async (socket, id) => socket.send(JSON.stringify(await endings.get(id))),
};

new WebSocketServer({ server, maxPayload: 8 << 20 }).on("connection", (socket, request) => {
  const id = new URL(request.url, "http://backend").searchParams.get("id");
  endings.set(id, new Promise((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
  }));
  socket.on("error", () => {}); // a close event follows
  socket.on("message", (data, binary) => {
    const [command, ...args] = binary ? [] : String(data).split(" ");
    if (Object.hasOwn(commands, command)) commands[command](socket, ...args);
    else socket.send(data, { binary });
  });
});
serve(server);
