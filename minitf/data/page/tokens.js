// A column of tokens: point at one, click to pin it. The Tab key stops once; the arrow keys move up and down.

class Column {
  constructor(container, hovered, picked) {
    this.container = container;
    this.signature = null;
    this.buttons = [];
    const at = (event) => {
      const button = event.target.closest?.(".token");
      return button ? Number(button.dataset.i) : null;
    };
    container.addEventListener("mouseover", (event) => hovered(at(event)));
    container.addEventListener("mouseleave", () => hovered(null));
    container.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && hovered(at(event)));
    container.addEventListener("focusout", () => hovered(null));
    container.addEventListener("click", (event) => at(event) !== null && picked(at(event)));
    container.addEventListener("keydown", (event) => {
      const offset = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!offset || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const next = this.buttons[at(event) + offset];
      if (next) this.makeTabStop(next).focus();
    });
  }

  // Builds the buttons, unless the labels have not changed.
  show(groups, row) {
    const signature = JSON.stringify([row, groups.map((group) => [group.tokens, group.label])]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.container.style.setProperty("--row", `${row}px`);
    this.container.style.setProperty("--size", `${Math.min(14, row - 6)}px`);
    this.buttons = groups.map((group, i) => {
      const kind = `token${group.special ? " special" : ""}${group.segment ? " second" : ""}`;
      const button = element("button", { type: "button", class: kind, "data-i": i, "aria-pressed": false, tabindex: -1 });
      button.append(element("span", { class: "t", title: group.label }, group.label), element("span", { class: "n" }));
      return button;
    });
    if (this.buttons.length) this.makeTabStop(this.buttons[0]);
    this.container.replaceChildren(...this.buttons);
    this.empty = true;
    this.marked = null;
  }

  // Makes a button the only one that the Tab key stops at.
  makeTabStop(button) {
    this.stopped?.setAttribute("tabindex", -1);
    button.setAttribute("tabindex", 0);
    this.stopped = button;
    return button;
  }

  // Shows weights beside the tokens, or none: `of(i)` is a number, `largest` the weight with the darkest background.
  showWeights(of, largest = 1) {
    if (!of && this.empty) return; // no weights to remove
    this.empty = !of;
    this.container.classList.toggle("weighed", !this.empty); // the tint needs darker letters
    this.buttons.forEach((button, i) => {
      const weight = of ? of(i) : null, share = weight === null || !largest ? 0 : Math.min(1, Math.abs(weight) / largest);
      button.style.setProperty("--w", share.toFixed(3));
      button.style.setProperty("--tint", weight < 0 ? colours.less : state.show === "difference" && state.view === "head" ? colours.more : "");
      button.lastChild.textContent = weight === null ? "" : short(weight);
    });
  }

  // Marks the pinned token and the token that is pointed at.
  mark(pinned, pointed) {
    if (this.marked === `${pinned} ${pointed}`) return;
    this.marked = `${pinned} ${pointed}`;
    this.buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", i === pinned);
      button.classList.toggle("pointed", i === pointed);
    });
  }
}

// The index of the group with a token; −1 if the token is hidden.
const indexOfToken = (groups, token) => (token === null ? -1 : groups.findIndex((group) => group.tokens.includes(token)));
const short = (value) => value.toFixed(Math.abs(value) < 0.0995 ? 3 : 2).replace("-", "−");
const long = (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : value.toFixed(4)).replace(/-/g, "−");
const rowHeight = (n) => (touch.matches ? 44 : n <= 16 ? 28 : n <= 48 ? 23 : 19);
const touch = matchMedia("(pointer: coarse), (max-width: 600px)"); // a finger needs 44 pixels
