// The few ways in which this page writes into itself. Text is only ever text: nothing that comes from outside is read as HTML.

export const byId = (id) => document.getElementById(id);

// el makes an element: attributes from an object, children that are elements or text.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// put writes text, if it is not there already: what stays the same is not announced again.
export function put(node, text) {
  const s = String(text);
  if (node.textContent !== s) node.textContent = s;
}

// keyed makes the children of parent those of a list: what has the same key stays the same element, so focus and reading
// positions stay where they are. What has the key of another before it is left out.
export function keyed(parent, list, keyOf, make, update) {
  const old = parent.keyed || new Map();
  const now = new Map();
  let before = null;
  for (const item of list) {
    const key = keyOf(item);
    if (now.has(key)) continue; // its element could not be found again, nor be removed
    const part = old.get(key) || make(item);
    old.delete(key);
    now.set(key, part);
    const next = before ? before.nextSibling : parent.firstChild;
    if (part.node !== next) parent.insertBefore(part.node, next);
    before = part.node;
    update(part, item);
  }
  for (const part of old.values()) part.node.remove();
  parent.keyed = now;
}

// row makes a table's row: a heading and cells with these classes.
export function row(...classes) {
  const node = el("tr");
  const cells = classes.map((name, i) => {
    const cell = i === 0 ? el("th", { scope: "row" }) : el("td");
    if (name) cell.className = name;
    node.append(cell);
    return cell;
  });
  return { node, cells };
}

const tones = ["good", "warn", "bad", "calm"];

// badge sets a word and its tone, which is one of four.
export function badge(node, text, tone) {
  put(node, text);
  node.className = tones.includes(tone) ? `badge ${tone}` : "badge";
}
