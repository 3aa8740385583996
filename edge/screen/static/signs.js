// What the kit says of itself in words: position, link, queue, warnings, and the view that lists it all.
import { $, fill, make, since, span } from "/blocks.js";
import { reasonWord, word } from "/words.js";

export function positionSign(facts) {
  const { status, accuracy_m: accuracy, suspect } = facts.position;
  const good = ["3D fix", "2D fix", "replayed track"].includes(status);
  const parts = [word(status) || word("unknown")];
  if (good && accuracy) parts.push(`±${Math.round(accuracy)} m`);
  if (good && suspect) parts.push(suspect);
  return ["fix", good ? "ok" : "bad", parts.join(" · ")];
}

export function linkSign(facts) {
  const link = facts.link;
  const parts = [link.connected ? word("connected") : word("dark")];
  if (!link.connected && link.reason) parts.push(reasonWord(link.reason));
  if (!link.connected && link.since_ms) parts.push(span((Date.now() - link.since_ms) / 1000));
  if (link.metered) parts.push(word("metered"));
  else if (link.connected && link.thin) parts.push(word("thin"));
  return ["link", link.connected ? "ok" : "bad", parts.join(" · ")];
}

export function queueSign(facts) {
  const queue = facts.queue;
  if (!queue.messages && !queue.segments) return ["queue", "ok", word("nothing_waits")];
  const parts = [`${queue.messages} ${word("messages")}`, `${queue.segments} ${word("segments")}`];
  if (queue.oldest_ms && Date.now() - queue.oldest_ms > 60000) parts.push(`${word("oldest")} ${since(queue.oldest_ms)}`);
  return ["queue", facts.link.connected ? "ok" : "warn", parts.join(" · ")];
}

function storageText(facts) {
  const { level, minutes_left: minutes } = facts.storage;
  if (!level) return word("unknown");
  return [word(`level_${level}`), Number.isFinite(minutes) ? `${word("free")} ${span(minutes * 60)}` : ""].filter(Boolean).join(" · ");
}

function clockText(facts) {
  const { source, error_ms: error, disagree } = facts.clock;
  if (!source) return word("unknown");
  const parts = [word(`source_${source}`)];
  if (Number.isFinite(error)) parts.push(`±${(error / 1000).toFixed(error < 10000 ? 1 : 0)} s`);
  if (disagree?.length) parts.push(facts.clock.text || disagree.join(", "));
  return parts.join(" · ");
}

export function warnings(facts) {
  const list = [];
  if (["low", "critical", "full"].includes(facts.storage.level)) list.push(`${word("storage")}：${storageText(facts)}`);
  if (facts.card.state && facts.card.state !== "ok") list.push(`${word("card")}：${word(`card_${facts.card.state}`)}`);
  if (facts.clock.disagree?.length) list.push(`${word("clock")}：${clockText(facts)}`);
  if (facts.certificate.trouble) list.push(`${word("certificate")}：${facts.certificate.trouble}`);
  // Storage and card are told above; what ends the kit's work soonest stands first.
  const others = facts.warnings.filter((code) => !/^(storage_|card_(slow|read_only|failing))/.test(code));
  const gravest = others.filter((code) => ["battery_critical", "too_hot", "under_voltage"].includes(code));
  return [...gravest, ...list, ...others.filter((code) => !gravest.includes(code))].map((item) => (others.includes(item) ? word(`warn_${item}`) : item));
}

export function drawState(facts) {
  const { lat, lon } = facts.position;
  const { machine } = facts;
  const warned = (...codes) => (codes.some((code) => facts.warnings.includes(code)) ? "bad" : "");
  const rows = [
    [word("position"), positionSign(facts)], ["", ["", "", Number.isFinite(lat) ? `${lat.toFixed(5)}, ${lon.toFixed(5)}` : "—"]],
    [word("link"), linkSign(facts)], [word("queue"), queueSign(facts)],
    [word("storage"), ["", ["critical", "full"].includes(facts.storage.level) ? "bad" : "", storageText(facts)]],
    [word("card"), ["", facts.card.state && facts.card.state !== "ok" ? "bad" : "", facts.card.state ? word(`card_${facts.card.state}`) : word("unknown")]],
    [word("battery"), ["", warned("battery_low", "battery_critical"), facts.battery ? `${facts.battery.percent}%${facts.battery.charging ? ` · ${word("charging")}` : ""}` : word("no_battery")]],
    [word("clock"), ["", facts.clock.disagree?.length ? "bad" : "", clockText(facts)]],
    [word("certificate"), ["", facts.certificate.trouble ? "bad" : "", facts.certificate.until_ms ? `${word("until")} ${new Date(facts.certificate.until_ms).toISOString().slice(0, 10)}` : word("unknown")]],
    [word("temperature"), ["", warned("hot", "too_hot"), Number.isFinite(machine.temp_c) ? `${machine.temp_c.toFixed(0)} °C` : word("no_sensor")]],
    [word("power"), ["", warned("under_voltage", "throttled"), machine.throttle.length ? machine.throttle.map((code) => word(`pi_${code}`)).join("、") : word("card_ok")]],
    [word("memory"), ["", warned("memory_low"), Number.isFinite(machine.memory_pct) ? `${machine.memory_pct.toFixed(0)}%` : word("unknown")]],
    [word("wear"), ["", warned("card_worn", "card_worn_out"), Number.isFinite(machine.wear_pct) ? `${machine.wear_pct.toFixed(0)}%` : word("no_sensor")]],
    [word("restarts"), ["", warned("restarts"), Object.entries(facts.restarts).map(([name, count]) => `${name} ${count}`).join(", ") || word("none")]],
    [word("version"), ["", "", facts.version]],
  ];
  if (facts.queue.trouble) rows.splice(4, 0, [word("trouble"), ["", "bad", facts.queue.trouble]]);
  fill($("facts"), ...rows.flatMap(([name, [, tone, text]]) => [make("dt", {}, name), make("dd", { class: tone }, text)]));
}
