// What every view is built of: nodes, icons, and how times are written.
import { word } from "/words.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "i");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// Swaps only what has changed: a button must not vanish under a thumb, nor lose the focus.
export function fill(node, ...children) {
  const fresh = make("div", {}, ...children);
  const shape = fresh.innerHTML;
  if (node.dataset.shape === shape) return;
  node.dataset.shape = shape;
  const focus = node.contains(document.activeElement) ? document.activeElement.id : "";
  node.replaceChildren(...fresh.childNodes);
  if (focus) $(focus)?.focus();
}

const pad = (number) => String(number).padStart(2, "0");
export const clockTime = (ms) => { const at = new Date(ms); return `${pad(at.getHours())}:${pad(at.getMinutes())}`; };
export const dayTime = (ms) => { const at = new Date(ms); return `${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${clockTime(ms)}`; };
export const lasting = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${pad(Math.floor(s / 3600))}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
};
export const span = (s) => {
  if (s < 90) return `${Math.round(s)} ${word("seconds")}`;
  if (s < 5400) return `${Math.round(s / 60)} ${word("minutes")}`;
  return s < 172800 ? `${Math.round(s / 3600)} ${word("hours")}` : `${Math.round(s / 86400)} ${word("days")}`;
};
export const since = (ms) => span(Math.max(0, (Date.now() - ms) / 1000)) + word("ago");

export const head = (title, back) => make("div", { class: "head" }, make("button", { id: "back", type: "button", "data-back": back, "aria-label": word("back") }, icon("back")), make("h1", {}, title));
