// Buttons that count only when held: a drop of rain or a sleeve reads no order back. Delegated, for they come and go.

let timer = 0;
let held = null;

function end() {
  clearTimeout(timer);
  held?.classList.remove("down");
  held = null;
}

/** Calls `act(id)` when a button of class "holds" was held for its data-hold ms, by finger, pen, mouse or key. */
export function watchHolds(act) {
  const begin = (event) => {
    const button = event.target.closest?.("button.holds");
    if (!button || held || (event.type === "keydown" && (event.repeat || ![" ", "Enter"].includes(event.key)))) return;
    event.preventDefault();
    held = button;
    button.classList.add("down");
    timer = setTimeout(() => { const { id } = button; end(); act(id); }, Number(button.dataset.hold));
  };
  document.addEventListener("pointerdown", begin);
  document.addEventListener("keydown", begin);
  for (const name of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(name, end);
  window.addEventListener("blur", end);
  document.addEventListener("contextmenu", (event) => { if (event.target.closest?.("button.holds")) event.preventDefault(); });
}

/** `onChange(true)` while `button` is held down, whatever ends it: let go, slid off the glass, another window, a call. */
export function watchHeld(button, onChange) {
  let down = false;
  const change = (on) => { if (on !== down) { down = on; button.classList.toggle("down", on); onChange(on); } };
  button.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    button.setPointerCapture?.(event.pointerId);
    change(true);
  });
  button.addEventListener("keydown", (event) => { if (!event.repeat && [" ", "Enter"].includes(event.key)) { event.preventDefault(); change(true); } });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur", "keyup"]) button.addEventListener(name, () => change(false));
  document.addEventListener("visibilitychange", () => { if (document.hidden) change(false); });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}
