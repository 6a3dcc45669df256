// How the page asks. The token goes with each request, in a header that no other page can make a browser add; it is kept by
// this tab and for this origin only. A cookie would go to whatever else listens on this machine, whatever its port.

const kept = "fairlead-token";

export const token = {
  get: () => sessionStorage.getItem(kept) || "",
  set: (value) => sessionStorage.setItem(kept, value),
  clear: () => sessionStorage.removeItem(kept),
};

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, signal) {
  const headers = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  const answer = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.error || `status ${answer.status}`);
}

export const get = async (path, signal) => (await ask(path, signal)).json();

const silence = 40000; // milliseconds; the server says something every 15 seconds

// follow reads a stream of events until it ends, which is an error: it ends by itself never.
export async function follow(path, tell) {
  const gone = new AbortController();
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => gone.abort(new Error("nothing was heard for a while")), silence);
  };
  wait();
  try {
    const reader = (await ask(path, gone.signal)).body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream has ended");
      wait();
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) dispatch(event, tell);
    }
  } finally {
    clearTimeout(timer);
    gone.abort();
  }
}

function dispatch(event, tell) {
  let name = "message", data = "";
  for (const line of event.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data) tell(name, JSON.parse(data));
}
