// What all programs of this folder have in common: one JSON argument in, JSON lines out.
"use strict";
const net = require("node:net");

// argument is the object that the test gave on the command line.
exports.argument = () => JSON.parse(process.argv[2] || "{}");

// report writes one line for the test.
exports.report = (fact) => process.stdout.write(JSON.stringify(fact) + "\n");

// serve listens on a free loopback port, says where, and ends with its standard input: that ends with the test, however
// the test ends.
exports.serve = (server, host = "127.0.0.1") => {
  server.listen(0, host, () => {
    const { address, port } = server.address();
    exports.report({ listening: net.isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}` });
  });
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
};

// run ends the process with the outcome of main.
exports.run = (main) => {
  main().then(
    () => process.exit(0),
    (error) => {
      process.stderr.write(`${error.stack || error}\n`);
      process.exit(1);
    },
  );
};

// within fails when a promise takes longer than the milliseconds a broken run may cost.
exports.within = (promise, what, milliseconds = 20000) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
