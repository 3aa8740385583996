// Remote command: who watches, numbered orders to be read back, talking, and asking to be watched.
import { clockTime, dayTime, fill, head, icon, make } from "/blocks.js";
import { watchHeld, watchHolds } from "/holding.js";
import { explain, newKey, send } from "/presses.js";
import { say, show } from "/screen.js";
import { isEnglish, word } from "/words.js";

const READ_BACK_MS = 1000;
const RENEW_MS = 1000;
let facts = null;
let refusing = null;
let announced = null; // the numbers of orders that have been put before the officer

const who = ({ name, by, court }) => [name ?? by, court && (isEnglish() ? ` (${court})` : `（${court}）`)].filter(Boolean).join("");
const list = (names) => names.join(isEnglish() ? ", " : "、");
const waits = (order) => ["received", "read"].includes(order.state);

// ---- the bar on every view

export function drawCommand(told) {
  facts = told;
  const orders = facts.orders.filter(waits);
  const bar = document.getElementById("live");
  bar.hidden = !facts.live && !orders.length;
  if (!bar.hidden) {
    bar.className = `livebar ${orders.length ? "todo" : facts.live?.watchers.length ? "on" : ""}`;
    fill(bar, icon(orders.length ? "order" : "eye"), make("span", {}, make("b", {}, barWord(orders)), make("small", {}, barHint(orders))));
  }
  drawTalk();
  announce(orders);
}

function barWord(orders) {
  if (orders.length) return `${word("order_no")}${orders[0].no}${word("order_no_end")} · ${word("read_back_now")}`;
  const hears = facts.voice?.hears ?? [];
  if (hears.length) return `${list(hears)} ${word("is_talking")}`;
  const count = facts.live.watchers.length;
  return count ? `${word("watched_by")} ${count} ${word("watched_people")}` : word("nobody_watches");
}

function barHint(orders) {
  if (orders.length) return orders[0].text;
  return facts.live.watchers.length ? list(facts.live.watchers.map(who)) : facts.live.sessions.map(who).join(" · ");
}

// A new order comes before the officer by itself: he has a glove on and both hands full.
function announce(orders) {
  const numbers = orders.map((order) => order.number);
  const fresh = announced !== null && numbers.some((number) => !announced.includes(number));
  announced = numbers;
  if (fresh && document.body.dataset.view !== "command") show("command");
}

// ---- the view

export function renderCommand(node) {
  const [order, ...later] = facts.orders.filter(waits);
  const parts = order ? [] : [head(word("command"), "home")];
  if (order) parts.push(orderCard(order), later.length ? make("p", { class: "text" }, `${word("more_orders")} ${later.length}`) : null);
  parts.push(...(facts.live ? [...facts.live.sessions.map(sessionFacts), watcherFacts(), targets()] : [make("p", { class: "empty" }, word("no_command"))]));
  const past = facts.orders.filter((one) => !waits(one));
  if (past.length) parts.push(make("h2", { class: "subhead" }, word("orders")), ...past.map(pastOrder));
  fill(node, ...parts);
}

function orderCard(order) {
  const button = (id, text, css, more = {}) => make("button", { type: "button", id, class: `key ${css}`, ...more }, text);
  const actions = refusing === order.number
    ? [...facts.cannot.map((code) => button(`cannot-${order.number}-${code}`, word(code), "")), button("cannot-back", word("back"), "wide")]
    : [button(`back-${order.number}`, make("span", {}, word("read_back"), make("small", {}, word("sos_hint"))), "on holds", { "data-hold": READ_BACK_MS }),
      button(`cannot-${order.number}`, word("cannot"), "")];
  return make("section", { class: "order", id: `order-${order.number}` },
    make("small", {}, [`${word("order_no")}${order.no}${word("order_no_end")}`, who(order), clockTime(order.issued_ms)].filter(Boolean).join(" · ")),
    make("p", { class: "order-text" }, order.text),
    make("div", { class: `choices ${refusing === order.number ? "" : "answer"}` }, ...actions));
}

function pastOrder(order) {
  const note = order.state === "refused" && order.note ? ` · ${word(order.note)}` : "";
  return make("div", { class: "row over" }, make("span", {}, make("b", {}, `${order.no}. ${order.text}`),
    make("small", {}, `${dayTime(order.state_ms)}${note} · ${word(order.at_centre ? "at_centre" : "here_only")}`)),
  make("span", { class: "badge" }, word(`order_${order.state}`)));
}

function sessionFacts(session) {
  const rows = [[word("purpose"), session.purpose], [word("decided_by"), who(session)], [word("since"), session.on_ms && clockTime(session.on_ms)],
    [word("until_then"), session.until_ms && dayTime(session.until_ms)]];
  return make("dl", { class: "facts" }, ...pairs(rows));
}

function watcherFacts() {
  const { live, voice } = facts;
  const picture = !live.connected ? word("relay_away") : live.note ? word(`note_${live.note}`) : live.kbps ? `${live.kbps} kbit/s` : word("not_flowing");
  const spoken = !voice.connected ? word("relay_away") : [word(`mode_${voice.mode}`), voice.reason && word(`reason_${voice.reason}`), voice.trouble && word(`voice_${voice.trouble}`)].filter(Boolean).join(" · ");
  const rows = [[word("is_talking"), list(voice.hears)], [word("watchers"), live.watchers.length ? list(live.watchers.map(who)) : word("none")], [word("picture"), picture], [word("voice"), spoken]];
  return make("dl", { class: "facts", id: "watchers" }, ...pairs(rows));
}

const pairs = (rows) => rows.filter(([, text]) => text).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);

function targets() {
  if (!maySpeak()) return null;
  const colleagues = facts.voice.others.filter((other) => !other.id.startsWith("p:"));
  const choice = (id, text) => make("button", { type: "button", id: `to-${id}`, class: `key ${facts.voice.to === id ? "on" : ""}`, "aria-pressed": String(facts.voice.to === id) }, text);
  return make("div", {}, make("h2", { class: "subhead" }, word("talk_to")), make("div", { class: "choices" },
    choice("centre", word("to_centre")), choice("all", word("to_all")), ...colleagues.map((one) => choice(one.id, one.name))));
}

// ---- talking

const maySpeak = () => Boolean(facts?.live?.sessions.some((session) => session.voice !== "off"));
const talkKey = document.getElementById("talk");
let talking = false;
let renewing = 0;
let line = Promise.resolve(); // one word after the other: an "on" must not overtake the "off" after it

function tell(value) {
  line = line.then(() => send("/talk", { value }, { tries: 1 })).then((told) => {
    if (value === "on" && told.refused !== undefined) { speak(false); say(explain(told)); }
  });
}

function speak(on) {
  if (on === talking || (on && !maySpeak())) return;
  talking = on;
  clearInterval(renewing);
  tell(on ? "on" : "off");
  if (on) renewing = setInterval(() => tell("on"), RENEW_MS);
  if (on) navigator.vibrate?.(60);
  drawTalk();
}

function drawTalk() {
  const { voice } = facts;
  talkKey.hidden = !maySpeak();
  if (talkKey.hidden) { if (talking) speak(false); return; }
  const to = { centre: word("to_centre"), all: word("to_all") }[voice.to] ?? voice.others.find((one) => one.id === voice.to)?.name ?? voice.to;
  const trouble = !voice.connected ? word("relay_away") : voice.trouble ? word(`voice_${voice.trouble}`) : "";
  const isOn = talking || voice.talking !== null;
  const isPartly = facts.live.sessions.some((session) => session.voice === "ptt");
  const hint = voice.mode === "duplex" ? (isPartly ? "talk_partly" : "talk_open") : voice.ptt === "toggle" ? "talk_tap" : "talk_hold";
  talkKey.classList.toggle("on", isOn);
  talkKey.setAttribute("aria-pressed", String(isOn));
  fill(talkKey, icon("talk"), make("span", {}, make("b", {}, word(talking ? "talking" : hint)), make("small", {}, trouble || [`${word("talk_to")} ${to}`, talking && word("talk_let_go")].filter(Boolean).join(" · "))));
}

watchHeld(talkKey, (on) => {
  if (facts?.voice?.ptt !== "toggle") speak(on);
  else if (on) speak(!talking);
});
window.addEventListener("pagehide", () => speak(false));

// ---- asking to be watched

export function drawWatchKey(node) {
  const asked = facts.watch_me;
  node.classList.toggle("on", Boolean(asked));
  node.setAttribute("aria-pressed", String(Boolean(asked)));
  fill(node, icon("eye"), make("span", {}, word(asked ? "watch_asked_for" : "watch_me"), make("small", {}, watchHint(asked))));
}

function watchHint(asked) {
  if (!asked) return word("watch_me_hint");
  if (asked.taken) return `${who(asked.taken)} ${word("watch_taken")}`;
  return `${word(asked.at_centre ? "watch_at_centre" : "watch_here")} · ${word("watch_again")}`;
}

// ---- what is pressed

async function answer(number, value, note = "") {
  refusing = null;
  const told = await send(`/orders/${number}`, { key: newKey(), value, note });
  if (told.refused !== undefined) say(explain(told));
}

watchHolds((id) => { if (id.startsWith("back-")) { navigator.vibrate?.(120); answer(Number(id.slice(5)), "accepted"); } });

document.addEventListener("click", (event) => {
  const id = event.target.closest("button")?.id ?? "";
  const chosen = /^cannot-(\d+)(?:-(\w+))?$/.exec(id);
  if (id === "live") { show("command"); markRead(); } else if (chosen?.[2]) answer(Number(chosen[1]), "refused", chosen[2]);
  else if (chosen) { refusing = Number(chosen[1]); show("command"); } else if (id === "cannot-back") { refusing = null; show("command"); }
  else if (id.startsWith("to-")) send("/talk_to", { value: id.slice(3) });
});

function markRead() {
  for (const order of facts.orders) if (order.state === "received") send(`/orders/${order.number}`, { key: newKey(), value: "read", note: "" });
}
