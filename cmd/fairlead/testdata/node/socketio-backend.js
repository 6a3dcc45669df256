// A socket.io backend with the default adapter: it knows only the sessions that began here.
"use strict";
const http = require("node:http");
const { Server } = require("socket.io");
const { argument, serve } = require("./program.js");

const { name } = argument();
const server = http.createServer();
new Server(server, { serveClient: false }).on("connection", (socket) => {
  socket.on("echo", (text, answer) => answer({ name, text, transport: socket.conn.transport.name }));
});
serve(server);
