"""A page led by keyboard alone: from part to part by Tab, each of which must be seen to have the focus."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

MOST_STEPS = 200
# Where the focus is, whether that is what was looked for, whether it shows, and whether anything lies over it.
LOOK = """([one, has]) => {
  const at = document.activeElement, [box] = at.getClientRects(), style = getComputedStyle(at);
  if (at === document.body || !box) return { what: at.tagName, isLost: true };
  const over = document.elementFromPoint(
    Math.min(Math.max(box.x + box.width / 2, 0), innerWidth - 1),
    Math.min(Math.max(box.y + box.height / 2, 0), innerHeight - 1));
  return {
    what: at.outerHTML.slice(0, 160), isLost: false, isReached: at.matches(one) && at.textContent.includes(has),
    shows: at.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    box: [box.x, box.y, box.width, box.height].map(Math.round), over: over?.outerHTML.slice(0, 80),
    isFree: at.contains(over) || at.closest('label')?.contains(over) || false,
  };
}"""


def check_focus(page: Page) -> None:
    """The focus is somewhere, in view, marked and not covered."""
    _check(page.evaluate(LOOK, ["*", ""]))


def tab_to(page: Page, selector: str, *, back: bool = False, has: str = "") -> None:
    """Press Tab until the focus is on a part that matches and has these words; it must show on the way, too."""
    passed = []
    for _ in range(MOST_STEPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        seen = page.evaluate(LOOK, [selector, has])
        passed.append(seen["what"][:60])
        if seen["what"] == "BODY" and passed[-2:] != ["BODY", "BODY"]:
            continue  # past the page's end, where the browser's own parts are
        _check(seen)
        if seen["isReached"]:
            return
    raise AssertionError(f"{selector} {has} is not reached by Tab; passed {passed[-12:]}")


def _check(seen: dict[str, Any]) -> None:
    assert not seen["isLost"], f"the focus is lost ({seen['what']})"
    assert seen["shows"], f"nothing shows the focus on {seen['what']}"
    assert seen["isInView"] and seen["isFree"], f"not to be seen: {seen}"
