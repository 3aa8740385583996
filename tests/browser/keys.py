"""A page led by keyboard alone: from part to part by Tab, each of which must be seen to have the focus."""

from __future__ import annotations

from playwright.sync_api import Page

MOST_STEPS = 200
# Where the focus is, whether it shows, and whether anything lies over it.
LOOK = """() => {
  const at = document.activeElement, [box] = at.getClientRects(), style = getComputedStyle(at);
  if (at === document.body || !box) return { what: at.tagName, isLost: true };
  const over = document.elementFromPoint(
    Math.min(Math.max(box.x + box.width / 2, 0), innerWidth - 1),
    Math.min(Math.max(box.y + box.height / 2, 0), innerHeight - 1));
  return {
    what: at.outerHTML.slice(0, 160), isLost: false,
    shows: at.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    box: [box.x, box.y, box.width, box.height].map(Math.round), over: over?.outerHTML.slice(0, 80),
    isFree: at.contains(over) || at.closest('label')?.contains(over) || false,
  };
}"""


def check_focus(page: Page) -> None:
    """The focus is somewhere, in view, marked and not covered."""
    seen = page.evaluate(LOOK)
    assert not seen["isLost"], f"the focus is lost ({seen['what']})"
    assert seen["shows"], f"nothing shows the focus on {seen['what']}"
    assert seen["isInView"] and seen["isFree"], f"not to be seen: {seen}"


def tab_to(page: Page, selector: str, *, back: bool = False, has: str = "") -> None:
    """Press Tab until the focus is on a part that matches and has these words; fails on the way where it shows not."""
    reached = "([selector, has]) => document.activeElement.matches(selector) && document.activeElement.textContent.includes(has)"
    passed = []
    for _ in range(MOST_STEPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # past the page's end, where the browser's own parts are
        check_focus(page)
        if page.evaluate(reached, [selector, has]):
            return
        passed.append(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
    raise AssertionError(f"{selector} {has} is not reached by Tab; passed {passed[-12:]}")
