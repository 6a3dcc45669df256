// A client on npm ws that stays, says what happens to its connection, and echoes when the test writes a line to it.
// Argument: {url, ca}. Reports {open}, {echo} for each line and {close, error}.
"use strict";
const readline = require("node:readline");
const WebSocket = require("ws");
const { argument, report } = require("./program.js");

const { url, ca } = argument();
const socket = new WebSocket(url, { ca });
let failure = null;
socket.on("open", () => report({ open: true }));
socket.on("message", (data) => report({ echo: String(data) }));
socket.on("error", (error) => { failure = String(error); });
socket.on("close", (code) => {
  report({ close: code, error: failure });
  process.exit(0);
});
readline.createInterface({ input: process.stdin }).on("line", (line) => socket.send(line)).on("close", () => process.exit(0));
