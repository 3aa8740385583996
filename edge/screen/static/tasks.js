// Tasks: the list, one task, and the officer's answers. An answer is durable on the kit before it shows here.
import { dayTime, fill, head, make } from "/blocks.js";
import { explain, newKey, send } from "/presses.js";
import { categoryWord, word } from "/words.js";
import { say, show } from "/screen.js";

// Which choices stand open below a task: refuse, finish or none.
let choosing = null;
let chosenFor = null;

const isOpen = (task) => ["received", "read", "accepted"].includes(task.state);
const isOverdue = (task) => isOpen(task) && task.due_ms && task.due_ms < Date.now();
const urgency = (task) => (task.urgency && task.urgency !== "normal" ? word(task.urgency) : "");

export function render(node, facts) {
  if (!facts.tasks.length) { fill(node, make("p", { class: "empty" }, word("no_tasks"))); return; }
  fill(node, ...facts.tasks.map((task) => {
    const todo = ["received", "read"].includes(task.state);
    const about = [urgency(task), isOverdue(task) ? word("overdue") : "", task.due_ms && isOpen(task) ? `${word("due")} ${dayTime(task.due_ms)}` : "", task.place]
      .filter(Boolean).join(" · ");
    return make("button", { type: "button", id: `task-${task.number}`, class: `row ${urgency(task) && isOpen(task) ? "urgent" : ""} ${isOpen(task) ? "" : "over"}` },
      make("span", {}, make("b", {}, task.title), make("small", {}, about || dayTime(task.issued_ms))),
      make("span", { class: `badge ${todo ? "todo" : ""}` }, word(`task_${task.state}`)));
  }));
}

export function renderTask(node, facts, number) {
  const task = facts.tasks.find((one) => one.number === number);
  if (!task) { fill(node, head(word("tasks"), "tasks"), make("p", { class: "empty" }, word("no_tasks"))); return; }
  if (chosenFor !== number) { chosenFor = number; choosing = null; }
  const rows = [
    [word("case_no"), task.case_no], [word("category"), task.category ? categoryWord(task.category) : ""], [word("place"), task.place],
    [word("due"), task.due_ms ? dayTime(task.due_ms) : ""], [word("by"), task.by], [word("issued"), dayTime(task.issued_ms)],
  ].filter(([, text]) => text);
  const pressing = isOpen(task) ? [urgency(task), isOverdue(task) ? word("overdue") : ""].filter(Boolean).join(" · ") : "";
  const answered = task.state === "received" ? "" : `${word(`task_${task.state}`)}${task.note ? `（${word(task.note)}）` : ""} · ${dayTime(task.state_ms)}`;
  fill(node, head(task.title, "tasks"),
    pressing ? make("p", { class: "alert" }, pressing) : null,
    make("p", { class: "text", id: "task-state" }, make("b", {}, answered), answered && task.state !== "recalled" ? make("small", { id: "task-where" }, ` · ${word(task.at_centre ? "at_centre" : "here_only")}`) : null),
    actions(task, facts),
    task.text ? make("p", { class: "text" }, task.text) : null,
    make("dl", { class: "facts" }, ...rows.flatMap(([name, text, tone]) => [make("dt", {}, name), make("dd", { class: tone ?? "" }, text)])));
}

function actions(task, facts) {
  const key = (id, text, css = "") => make("button", { type: "button", id, class: `key ${css}` }, text);
  if (choosing) {
    const codes = choosing === "refused" ? facts.refusals : facts.outcomes;
    return make("div", {}, make("p", { class: "text" }, word(choosing === "refused" ? "why" : "how")),
      make("div", { class: "choices" }, ...codes.map((code) => key(`note-${code}`, word(code))), key("choose-none", word("back"), "wide")));
  }
  if (["received", "read"].includes(task.state)) return make("div", { class: "choices" }, key("accept", word("accept"), "on"), key("choose-refused", word("refuse")));
  if (task.state === "accepted") return make("div", { class: "choices" }, key("choose-done", word("finish"), "on"), key("choose-refused", word("give_up")));
  return task.state === "refused" ? make("div", { class: "choices" }, key("accept", word("accept"), "wide")) : null;
}

async function answer(number, state, note = "") {
  choosing = null;
  const told = await send(`/tasks/${number}`, { key: newKey(), value: state, note });
  if (told.refused !== undefined) say(explain(told));
  show("task", number);
}

document.addEventListener("click", (event) => {
  const id = event.target.closest("button")?.id ?? "";
  if (/^task-\d+$/.test(id)) {
    const number = Number(id.slice(5));
    choosing = null;
    show("task", number);
    send(`/tasks/${number}`, { key: newKey(), value: "read", note: "" });
  } else if (id === "accept") answer(chosenFor, "accepted");
  else if (id.startsWith("choose-")) { choosing = { refused: "refused", done: "done" }[id.slice(7)] ?? null; show("task", chosenFor); }
  else if (id.startsWith("note-")) answer(chosenFor, choosing, id.slice(5));
});
