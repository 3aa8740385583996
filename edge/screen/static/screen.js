// The officer's page: shows what the kit says, and sends what he presses. Everything durable is the kit's; this page
// may be closed, reloaded or cut off at any moment.
import { $, clockTime, fill, head, icon, lasting, make } from "/blocks.js";
import { drawCommand, drawWatchKey, renderCommand } from "/command.js";
import { explain, newKey, send } from "/presses.js";
import { drawState, linkSign, positionSign, queueSign, warnings } from "/signs.js";
import { render as renderTasks, renderTask } from "/tasks.js";
import { categoryWord, isEnglish, reasonWord, setEnglish, word } from "/words.js";

const SOS_HOLD_MS = 1000;
const STALE_MS = 12000;
const FELT = { task: "task_new", task_recalled: "task_taken_back" };

let facts = null;
let fedAt = performance.now();
let view = "home";
let openTask = null;
let said = 0;
let sosWriting = null; // null, "writing", "kept", "unsent"
let feltMs = null;
let surely = null;
let sureTimer = 0;

export function show(name, task = null) {
  view = name;
  openTask = task;
  document.body.dataset.view = name;
  document.querySelector("main").scrollTop = 0;
  draw();
}

export function say(text, ms = 3000) {
  $("said").textContent = text;
  $("said").hidden = false;
  clearTimeout(said);
  said = setTimeout(() => { $("said").hidden = true; }, ms);
}

// ---- talking to the kit

async function press(act, value = "") {
  const told = await send(`/press/${act}`, { key: newKey(), value });
  if (told.refused !== undefined) say(explain(told));
  else if (told.waiting) say(word("waiting"));
}

// ---- SOS: held for a second, then sent until the kit has it

let holding = null;
function beginHold(event) {
  if (holding || (event.type === "keydown" && ![" ", "Enter"].includes(event.key))) return;
  event.preventDefault();
  if (event.pointerId !== undefined) $("sos").setPointerCapture?.(event.pointerId);
  $("sos").classList.add("down");
  holding = setTimeout(() => { endHold(); callForHelp(); }, SOS_HOLD_MS);
  drawSos();
}

function endHold() {
  clearTimeout(holding);
  holding = null;
  $("sos").classList.remove("down");
  drawSos();
}

async function callForHelp() {
  navigator.vibrate?.([80, 80, 80]);
  sosWriting = "writing";
  draw();
  const told = await send("/press/sos", { key: newKey(), value: "" }, { tries: 40 });
  sosWriting = told.refused !== undefined ? "unsent" : told.waiting ? "kept" : null;
  draw();
}

// ---- drawing

function drawTop() {
  $("kit").textContent = facts.kit;
  $("time").textContent = clockTime(Date.now());
  const battery = facts.battery;
  const waiting = facts.queue.messages + facts.queue.segments;
  const chip = (name, css, text, title) => make("span", { class: `chip ${css}`, role: "img", "aria-label": title }, icon(name), text ?? "");
  const [, fixTone, fixText] = positionSign(facts);
  const [, linkTone, linkText] = linkSign(facts);
  fill($("chips"),
    facts.quiet ? chip("quiet", "", "", word("quiet")) : null,
    chip(fixTone === "ok" ? "fix" : "fix-off", fixTone, "", fixText),
    chip(linkTone === "ok" ? "link" : "link-off", linkTone, "", linkText),
    waiting ? chip("queue", "", waiting > 999 ? "999+" : String(waiting), queueSign(facts)[2]) : null,
    battery ? chip("battery", !battery.charging && battery.percent <= 15 ? "bad" : "", `${battery.percent}%`, word("battery")) : null);
  const [first, ...more] = warnings(facts);
  $("warning").hidden = !first || view !== "home";
  if (first) fill($("warning"), icon("warn"), make("span", {}, more.length ? `${first} · +${more.length}` : first));
}

function recordingWord(told) {
  if (!told.state) return word("no_recorder");
  return word(told.state);
}

function drawRecording() {
  const told = facts.recording;
  const broken = !told.on && (told.wanted || !["idle", "starting", ""].includes(told.state));
  $("recording").className = `recording ${told.on ? "on" : broken ? "bad" : ""}`;
  const about = told.on ? [told.ends_ms ? word("post_event") : "", categoryWord(facts.category), word(`cause_${told.cause}`)].filter((text) => !text.startsWith("cause_")) : [told.note && reasonWord(told.note)];
  fill($("recording"), icon(told.on ? "record" : broken ? "warn" : "stop"),
    make("div", {}, make("b", {}, recordingWord(told)), make("small", {}, about.filter(Boolean).join(" · "))),
    told.on && told.since_ms ? make("time", {}, lasting(Date.now() - told.since_ms)) : null);
}

function drawSos() {
  const label = holding ? word("sos_held") : word("sos_hint");
  $("sos").querySelector("b").textContent = word("sos");
  $("sos").querySelector("small").textContent = label;
}

function drawSosState() {
  const sos = facts.sos;
  let text = null;
  let hint = "";
  if (sosWriting === "unsent") text = word("sos_unsent");
  else if (sosWriting === "writing") text = word("sos_writing");
  else if (sos) {
    if (sos.withdrawn) text = word("sos_withdrawn");
    else if (sos.acked) text = isEnglish() ? `${sos.acked_by} ${word("sos_acked")}` : `${sos.acked_by}${word("sos_acked")}`;
    else if (sos.receipted) text = word("sos_receipted");
    else { text = word(facts.link.connected ? "sos_sending" : "sos_kept"); hint = facts.link.connected ? "" : word("sos_dark"); }
  } else if (sosWriting === "kept") text = word("sos_kept");
  $("sos-state").hidden = text === null;
  fill($("sos-state"), make("p", {}, text ?? "", make("small", {}, [sos && clockTime(sos.pressed_ms), hint].filter(Boolean).join(" · "))),
    sos?.withdrawable && !sosWriting ? make("button", { id: "withdraw", type: "button" }, word("withdraw")) : null);
}

function drawHome() {
  const told = facts.recording;
  const again = (id, text) => (surely === id ? word("once_more") : text);
  for (const id of ["record", "duty", "watch"]) $(id).classList.toggle("sure", surely === id);
  fill($("record"), icon(told.wanted ? "stop" : "record"), make("span", {}, word(told.wanted ? "record_stop" : "record_start"),
    surely === "record" ? make("small", {}, word("once_more")) : null));
  fill($("mark"), icon("mark"), make("span", {}, word("mark")));
  fill($("category"), icon("wheel"), make("span", {}, word("category"), make("small", {}, categoryWord(facts.category))));
  $("duty").classList.toggle("on", facts.duty);
  $("duty").setAttribute("aria-pressed", facts.duty);
  drawWatchKey($("watch"));
  fill($("duty"), icon("duty"), make("span", {}, word(facts.duty ? "duty_on" : "duty_off"), make("small", {}, again("duty", word(facts.duty ? "duty_on_hint" : "duty_off_hint")))));
  const current = facts.task_current;
  $("current").hidden = !current;
  if (current) fill($("current"), icon("task"), make("span", {}, make("small", {}, word("now_on")), make("b", {}, current.title)));
  fill($("signs"), ...[positionSign(facts), linkSign(facts), queueSign(facts)].map(([name, tone, text]) =>
    make("li", { class: tone }, icon(name), make("span", {}, text))));
}

function drawWheel() {
  const choice = (code) => make("button", { id: `category-${code || "none"}`, type: "button", class: `key ${code === facts.category ? "on" : ""} ${code ? "" : "wide"}`, "aria-pressed": String(code === facts.category) }, categoryWord(code));
  fill($("wheel"), head(word("category"), "home"), make("div", { class: "choices" }, ...facts.categories.map(choice), choice("")));
}

function drawMore() {
  const theme = localStorage.getItem("theme") ?? "auto";
  const metered = facts.link.metered_officer;
  const row = (id, title, hint, value) => make("button", { id, type: "button", class: "row" }, make("span", {}, make("b", {}, title), make("small", {}, hint)), make("span", { class: "badge" }, value));
  fill($("more"),
    row("quiet", word("quiet"), word("quiet_hint"), word(facts.quiet ? "on" : "off")),
    row("metered", word("metered"), word("metered_hint"), word(metered === null ? "auto" : metered ? "on" : "off")),
    row("theme", word("theme"), "", word(`theme_${theme}`)),
    row("language", word("language"), "", isEnglish() ? "EN" : "中"),
    make("p", { class: "text" }, word("hands")));
}

function drawTabs() {
  const waiting = facts.tasks.filter((task) => ["received", "read"].includes(task.state)).length;
  const at = { task: "tasks", wheel: "home", command: "home" }[view] ?? view;
  fill($("tabs"), ...[["home", "home"], ["tasks", "task"], ["state", "state"], ["more", "more"]].map(([name, symbol]) =>
    make("button", { id: `tab-${name}`, type: "button", "aria-current": at === name ? "page" : null }, icon(symbol), word(name),
      name === "tasks" && waiting ? make("span", { class: "count" }, String(waiting)) : null)));
}

function drawLocked() {
  document.body.classList.toggle("is-locked", Boolean(facts.lost));
  let card = $("locked");
  if (!facts.lost) { card?.remove(); return; }
  if (!card) { card = make("section", { id: "locked", class: "locked", role: "alert" }); document.querySelector("main").append(card); }
  const gone = facts.lost.step === "destroyed";
  $("sos").hidden = gone;
  fill(card, icon("lock"), make("b", {}, word(facts.lost.step)), make("span", {}, word(gone ? "destroyed_hint" : "locked_hint")));
}

function drawFelt() {
  const newest = facts.felt.at(-1);
  const isNew = newest && feltMs !== null && newest.at_ms !== feltMs;
  feltMs = newest?.at_ms ?? 0;
  if (!isNew) return;
  navigator.vibrate?.(newest.pattern.startsWith("person") ? [600, 200, 600, 200, 600] : [150, 80, 150]);
  say(newest.pattern === "category" ? categoryWord(facts.category) : word(FELT[newest.pattern] ?? newest.pattern));
}

function draw() {
  drawSos();
  const stale = performance.now() - fedAt > STALE_MS;
  document.body.classList.toggle("is-stale", stale);
  $("alert").hidden = !stale;
  $("alert").textContent = word("stale");
  if (!facts) return;
  // Quiet mode is dark: a bright page gives an officer away as a lamp does.
  const theme = localStorage.getItem("theme") ?? "auto";
  document.documentElement.dataset.theme = facts.quiet ? "night" : theme;
  drawTop(); drawRecording(); drawSosState(); drawLocked(); drawTabs(); drawCommand(facts);
  if (view === "home") drawHome();
  else if (view === "state") drawState(facts);
  else if (view === "wheel") drawWheel();
  else if (view === "more") drawMore();
  else if (view === "tasks") renderTasks($("tasks"), facts);
  else if (view === "command") renderCommand($("command"));
  else if (view === "task") renderTask($("task"), facts, openTask);
}

// ---- one listener for every button: the buttons themselves come and go

const THEMES = ["auto", "day", "night"];

// A raindrop or a sleeve must not end a recording or a duty: that takes a second tap.
function twice(id, act) {
  clearTimeout(sureTimer);
  if (surely === id) { surely = null; act(); } else {
    surely = id;
    sureTimer = setTimeout(() => { surely = null; draw(); }, 3000);
  }
  draw();
}

const ACTS = {
  record: () => (facts.recording.wanted ? twice("record", () => press("record", "off")) : press("record", "on")),
  mark: () => press("mark"),
  category: () => show("wheel"),
  duty: () => (facts.duty ? twice("duty", () => press("duty", "off")) : press("duty", "on")),
  withdraw: () => press("withdraw"),
  watch: () => (facts.watch_me ? twice("watch", () => press("watch_me", "off")) : press("watch_me", "on")),
  current: () => show("task", facts.task_current.number),
  quiet: () => press("quiet", facts.quiet ? "off" : "on"),
  metered: () => press("metered", { null: "on", true: "off", false: "auto" }[String(facts.link.metered_officer)]),
  theme: () => { localStorage.setItem("theme", THEMES[(THEMES.indexOf(localStorage.getItem("theme") ?? "auto") + 1) % 3]); draw(); },
  language: () => { setEnglish(!isEnglish()); draw(); },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !facts) return;
  if (button.id.startsWith("tab-")) show(button.id.slice(4));
  else if (button.id.startsWith("category-")) { press("category", button.id.slice(9)); show("home"); }
  else if (button.dataset.back) show(button.dataset.back);
  else ACTS[button.id]?.();
});
const sosKey = $("sos");
sosKey.addEventListener("pointerdown", beginHold);
for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur", "keyup"]) sosKey.addEventListener(name, endHold);
sosKey.addEventListener("keydown", (event) => { if (!event.repeat) beginHold(event); });
sosKey.addEventListener("contextmenu", (event) => event.preventDefault());

function listen() {
  const stream = new EventSource("/events");
  stream.onmessage = (event) => {
    const told = JSON.parse(event.data);
    fedAt = performance.now();
    if (told.kit) { facts = told; if (facts.sos && sosWriting === "kept") sosWriting = null; drawFelt(); }
    draw();
  };
  // A refusal (too many pages) ends an EventSource for good: begin anew.
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2000); };
}
listen();
setInterval(draw, 1000);
