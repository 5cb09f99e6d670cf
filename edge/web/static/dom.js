// Elements without markup in strings: what a device sends is text, and stays text.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const $ = (id) => document.getElementById(id);
export const put = (node, ...children) => node.replaceChildren(...children.flat(Infinity).filter(Boolean));

// Keeps a list's rows by their key, so that an open menu or the keyboard's focus survives an update.
export function keyed(list, items, key, make, update) {
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let row = known.get(name);
    if (row) known.delete(name);
    else { row = make(item); row.dataset.key = name; }
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const row of known.values()) row.remove();
}

export const lamp = (state) => h("span", { class: `lamp ${state}`, "aria-hidden": "true" });
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, ...value]) => [h("dt", {}, name), h("dd", {}, ...value)]));

export function options(select, values, text = (value) => value) {
  const chosen = select.value;
  const kept = [...select.options].filter((option) => option.value === "");
  put(select, kept, values.map((value) => h("option", { value, selected: value === chosen }, text(value))));
}
