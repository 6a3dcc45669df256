// The page: in with a token where one is asked for, then follow the stream and show what it tells.

import { Refused, follow, get, token } from "./api.js";
import { byId, put } from "./dom.js";
import * as lists from "./lists.js";
import { listeners } from "./listeners.js";
import { apply } from "./model.js";
import { attention, header, overview } from "./overview.js";
import { pools, retry } from "./pools.js";
import * as sessions from "./sessions.js";

const patience = [1, 2, 5, 10]; // seconds before another try
const often = 60000; // milliseconds between two looks at the certificates

function link(state, text) {
  byId("link").className = `link ${state}`;
  put(byId("link"), text);
}

function render() {
  header();
  attention();
  overview();
  pools();
  listeners();
  lists.causes();
  lists.sources();
  lists.certificates();
  sessions.choices();
}

function board(there) {
  byId("board").hidden = !there;
  byId("sign-in").hidden = there;
  byId("leave").hidden = !there || !token.get();
}

// signIn shows the form, and returns when it has a token that the API takes.
function signIn(why) {
  board(false);
  sessions.stop();
  link("", "Signed out");
  put(byId("token-error"), why);
  byId("token").focus();
  return new Promise((done) => {
    byId("sign-in-form").onsubmit = async (event) => {
      event.preventDefault();
      const value = byId("token").value.trim();
      try {
        if (!/^[\x21-\x7e]+$/.test(value)) throw new Refused(401, "");
        token.set(value);
        await get("../v1/log-level");
      } catch (error) {
        token.clear();
        const wrong = error instanceof Refused && error.status === 401;
        put(byId("token-error"), wrong ? "This is not the token." : `It could not be tried: ${error.message}`);
        byId("token").select();
        return;
      }
      byId("token").value = "";
      byId("main").focus();
      done();
    };
  });
}

const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

async function certificates() {
  try {
    await lists.ask();
    if (!byId("board").hidden) lists.certificates();
  } catch {
    // The stream says when the process is out of reach.
  }
}

let tries = 0;

// told shows what an event brings.
function told(name, live) {
  apply(name, live);
  if (name === "step") retry();
  if (name === "snapshot") {
    tries = 0;
    board(true);
    link("live", "Live");
    certificates().then(render);
  }
  render();
}

async function run() {
  sessions.watch();
  setInterval(certificates, often);
  byId("leave").addEventListener("click", () => { token.clear(); location.reload(); });
  for (;;) {
    try {
      await follow("../v1/stream", told);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        const had = token.get() !== "";
        token.clear();
        await signIn(had ? "The token has changed." : "");
        continue;
      }
      const seconds = patience[Math.min(tries++, patience.length - 1)];
      link("lost", error instanceof Refused ? `${error.message}; trying again` : "No connection; trying again");
      await wait(seconds);
    }
  }
}

run();
