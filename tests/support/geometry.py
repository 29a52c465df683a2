"""The layout of a page in a browser: what overlaps, what is cut off, what is too small for a finger."""

from typing import Any

# Text and controls that can be seen now: visible, and inside every ancestor that scrolls or clips.
COLLECT = """
(selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility({ checkVisibilityCSS: true })).map((e) => {
  let { left, top, right, bottom } = e.getBoundingClientRect();
  const full = { left, top, right, bottom };
  for (let up = e.parentElement; up; up = up.parentElement) {
    const style = getComputedStyle(up);
    if (style.overflowX === "visible" && style.overflowY === "visible") continue;
    const box = up.getBoundingClientRect();
    if (up === document.documentElement || up === document.body) continue;
    left = Math.max(left, box.left); right = Math.min(right, box.right);
    top = Math.max(top, box.top); bottom = Math.min(bottom, box.bottom);
  }
  return { e, full, box: { left, top, right, bottom }, name: `${e.tagName.toLowerCase()}${e.id && "#" + e.id} “${e.textContent.trim().slice(0, 20)}”` };
})
"""


def overlaps(page: Any, selector: str) -> list[str]:
    """Name each pair of visible elements, neither inside the other, that share more than one pixel each way."""
    found: list[str] = page.evaluate(
        f"""(selector) => {{
          const all = ({COLLECT})(selector).filter(({{ box }}) => box.right - box.left > 1 && box.bottom - box.top > 1);
          const sticky = (e) => getComputedStyle(e).position === "sticky", pairs = [];
          all.sort((a, b) => a.box.top - b.box.top);
          for (let i = 0; i < all.length; i++)
            for (let j = i + 1; j < all.length && all[j].box.top < all[i].box.bottom - 1; j++) {{
              const [a, b] = [all[i], all[j]];
              if (a.e.contains(b.e) || b.e.contains(a.e) || sticky(a.e) || sticky(b.e)) continue;
              const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
              if (wide > 1) pairs.push(`${{a.name}} and ${{b.name}}`);
            }}
          return pairs;
        }}""",
        selector,
    )
    return found


def unreachable(page: Any, selector: str) -> list[str]:
    """Name each element outside the page's width that no ancestor scrolls to."""
    found: list[str] = page.evaluate(
        f"""(selector) => ({COLLECT})(selector).filter(({{ e, full }}) => {{
          const scrolls = (up) => /auto|scroll/.test(getComputedStyle(up).overflowX) && up.scrollWidth > up.clientWidth;
          for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) {{
            const box = up.getBoundingClientRect(), clips = getComputedStyle(up).overflowX !== "visible";
            if (scrolls(up)) return full.left - box.left + up.scrollLeft < -1 || full.right - box.left + up.scrollLeft > up.scrollWidth + 1;
            if (clips && (full.right > box.right + 1 || full.left < box.left - 1)) return true;
          }}
          return full.left < -1 || full.right > document.documentElement.clientWidth + 1;
        }}).map(({{ name }}) => name)""",
        selector,
    )
    return found


def too_small(page: Any, selector: str, side: float = 44) -> list[str]:
    """Name each visible element lower or narrower than `side` pixels."""
    found: list[str] = page.evaluate(
        f"""([selector, side]) => ({COLLECT})(selector)
          .filter(({{ full }}) => full.right - full.left < side - 0.5 || full.bottom - full.top < side - 0.5)
          .map(({{ name, full }}) => `${{name}} ${{full.right - full.left}} × ${{full.bottom - full.top}}`)""",
        [selector, side],
    )
    return found
