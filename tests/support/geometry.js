// The layout of a page, for geometry.py: an object of functions that name elements.
(() => {
  const name = (e) => `${e.tagName.toLowerCase()}${e.id && "#" + e.id} “${e.textContent.trim().slice(0, 20)}”`;
  const clips = (e) => getComputedStyle(e).overflow !== "visible";
  const ancestors = (e) => {
    const found = [];
    for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) found.push(up);
    return found;
  };
  const visible = (selector) =>
    [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility({ checkVisibilityCSS: true }));

  // The part of an element's box that its ancestors do not cut off.
  const shownBox = (e) => {
    let { left, top, right, bottom } = e.getBoundingClientRect();
    for (const up of ancestors(e).filter(clips)) {
      const box = up.getBoundingClientRect();
      [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
    }
    return { e, left, top, right, bottom };
  };

  // Pairs of elements, neither inside the other, that share more than one pixel each way. A sticky element covers others.
  const overlaps = (selector) => {
    const loose = visible(selector).filter((e) => getComputedStyle(e).position !== "sticky");
    const all = loose.map(shownBox).filter((box) => box.right - box.left > 1 && box.bottom - box.top > 1);
    all.sort((a, b) => a.top - b.top);
    const pairs = [];
    all.forEach((a, i) => {
      for (let j = i + 1; j < all.length && all[j].top < a.bottom - 1; j++) {
        const b = all[j], wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        if (wide > 1 && !a.e.contains(b.e) && !b.e.contains(a.e)) pairs.push(`${name(a.e)} and ${name(b.e)}`);
      }
    });
    return pairs;
  };

  // Whether an element is outside the page's width, or cut off, and no ancestor scrolls to it.
  const isUnreachable = (e) => {
    const { left, right } = e.getBoundingClientRect();
    for (const up of ancestors(e).filter(clips)) {
      const box = up.getBoundingClientRect(), from = left - box.left + up.scrollLeft, to = right - box.left + up.scrollLeft;
      if (/auto|scroll/.test(getComputedStyle(up).overflowX)) return from < -1 || to > Math.max(up.scrollWidth, box.width) + 1;
      if (left < box.left - 1 || right > box.right + 1) return true;
    }
    return left < -1 || right > document.documentElement.clientWidth + 1;
  };
  const unreachable = (selector) => visible(selector).filter(isUnreachable).map(name);

  const tooSmall = (selector, side) =>
    visible(selector)
      .map((e) => [e, e.getBoundingClientRect()])
      .filter(([, box]) => box.width < side - 0.5 || box.height < side - 0.5)
      .map(([e, box]) => `${name(e)}: ${box.width} × ${box.height}`);

  return { overlaps, unreachable, tooSmall };
})()
