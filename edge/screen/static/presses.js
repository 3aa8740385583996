// How a press reaches the kit.
import { word } from "/words.js";

// The same key for every try: however often it is sent, the kit carries a press out once.
export async function send(path, body, { tries = 3 } = {}) {
  for (let attempt = 0; attempt < tries; attempt++) {
    try {
      const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), cache: "no-store" });
      const told = await answer.json();
      if (answer.status !== 503) return told;
      if (attempt === tries - 1) return told;
    } catch { /* the page's process is being restarted */ }
    await new Promise((done) => setTimeout(done, 700));
  }
  return { refused: "", code: "no_answer" };
}

// Not crypto.randomUUID alone: a kiosk's browser may be old.
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const explain = (told) => (told.code ? word(`code_${told.code}`) : told.refused || word("waiting"));
