// Reads request heads, one base64 text a line, from standard input, gives each to Node's own HTTP parser over an
// in-memory stream, and writes one JSON object a line: how Node read it, or the parser's error code.
'use strict';
const http = require('node:http');
const { Duplex } = require('node:stream');

const b64 = (s) => Buffer.from(s, 'latin1').toString('base64');

function reading(req, upgrade) {
  return {
    method: req.method,
    url: b64(req.url),
    version: req.httpVersion,
    headers: req.rawHeaders.map(b64),
    upgrade,
  };
}

function read(head) {
  return new Promise((resolve) => {
    const server = http.createServer({ maxHeaderSize: 1 << 20, requireHostHeader: true });
    server.maxHeadersCount = 0;
    const wire = new Duplex({ read() {}, write(chunk, enc, cb) { cb(); } });
    const end = (answer) => { resolve(answer); wire.destroy(); };
    // Expect is answered by other events than 'request'; the reading is the same.
    for (const event of ['request', 'checkContinue', 'checkExpectation']) {
      server.on(event, (req) => end(reading(req, false)));
    }
    for (const event of ['upgrade', 'connect']) server.on(event, (req) => end(reading(req, true)));
    server.on('clientError', (err) => end({ error: err.code }));
    wire.on('error', () => {});
    server.emit('connection', wire);
    wire.push(head);
    wire.push(null);
    // Neither a request nor an error: the parser still waits for more.
    wire.on('close', () => resolve({ error: 'INCOMPLETE' }));
  });
}

async function main() {
  const lines = require('node:fs').readFileSync(0, 'latin1').split('\n').filter((l) => l !== '');
  for (const line of lines) {
    const answer = await read(Buffer.from(line, 'base64'));
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}

main();
