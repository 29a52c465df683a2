// The controls: each shows the state and changes it; and the keys that do the same.

const CHOICES = { heads: ["one", "mean", "max"], show: ["a", "b", "difference"], sentences: ["all", "aa", "ab", "ba", "bb"] };
const ABSENT = { "show-control": given.compare === null, "sentences-control": !hasPair };
// What each view has a use for; the rest is dimmed.
const USES = {
  head: ["layer", "head", "heads", "show", "sentences", "least", "hide", "merge"],
  grid: ["heads", "show", "sentences", "least", "hide", "merge", "layer", "head"],
  product: ["layer", "head", "sentences", "hide"],
  attribution: ["hide"],
  lens: ["hide"],
};

function setUpControls() {
  byId("name").textContent = given.name;
  byId("shape").textContent = `${given.layers} layers × ${given.heads} heads, ${S} tokens${given.compare === null ? "" : `; beside ${given.compare}`}`;
  byId("text").textContent = hasPair ? `A: ${given.text}\nB: ${given.pair}` : given.text;
  if (given.labels.length) {
    const best = given.probabilities.indexOf(Math.max(...given.probabilities));
    byId("prediction").hidden = false;
    byId("prediction").replaceChildren(`${given.labels[best]} `, element("data", { value: given.probabilities[best] }, given.probabilities[best].toFixed(4)));
    byId("prediction").title = given.labels.map((label, i) => `${label} ${given.probabilities[i].toFixed(4)}`).join("\n");
  }
  const titles = given.compare === null ? [] : [given.name, given.compare, `${given.name} minus ${given.compare}`];
  titles.forEach((title, i) => (byId("show").children[i].title = title));
  for (const tab of byId("tabs").children) {
    tab.hidden = !views.includes(tab.dataset.view);
    tab.addEventListener("click", () => set({ view: tab.dataset.view }));
  }
  for (const [name, most] of [["layer", given.layers], ["head", given.heads]]) {
    const list = byId(name);
    for (let i = 1; i <= most; i++) list.append(element("option", { value: i }, `${i} / ${most}`));
    list.addEventListener("change", () => set({ [name]: Number(list.value) }));
    byId(`${name}-less`).addEventListener("click", () => step(name, -1, most));
    byId(`${name}-more`).addEventListener("click", () => step(name, 1, most));
  }
  for (const name of Object.keys(CHOICES)) {
    const group = byId(name);
    group.addEventListener("click", (event) => event.target.dataset.value && set({ [name]: event.target.dataset.value }));
    group.addEventListener("keydown", (event) => roam(event, [...group.children]));
  }
  byId("tabs").addEventListener("keydown", (event) => roam(event, [...byId("tabs").children].filter((tab) => !tab.hidden)));
  byId("least").addEventListener("input", () => set({ least: Number(byId("least").value) }));
  for (const name of ["hide", "merge"]) byId(name).addEventListener("click", () => set({ [name]: !state[name] }));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  document.addEventListener("keydown", pressed);
}

// In a group of which one is chosen, the arrows choose the next and take the focus along.
function roam(event, buttons) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  const next = buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length];
  next.click();
  next.focus();
}

function showControls() {
  for (const tab of byId("tabs").children) {
    const on = tab.dataset.view === state.view;
    tab.setAttribute("aria-selected", on);
    tab.setAttribute("tabindex", on ? 0 : -1);
    byId(`view-${tab.dataset.view}`).hidden = !on;
  }
  const uses = USES[state.view];
  for (const name of ["layer", "head"]) {
    byId(name).value = state[name];
    const free = uses.includes(name) && (name === "layer" || state.heads === "one" || state.view === "product");
    byId(name).disabled = !free;
    byId(`${name}-less`).disabled = !free || state[name] === 1;
    byId(`${name}-more`).disabled = !free || state[name] === given[`${name}s`];
  }
  for (const name of Object.keys(CHOICES))
    for (const button of byId(name).children) {
      const on = button.dataset.value === state[name];
      button.setAttribute("aria-checked", on);
      button.setAttribute("tabindex", on ? 0 : -1);
      button.disabled = !uses.includes(name);
    }
  // A view that has no use for maps has none for what chooses among them.
  const plain = !uses.includes("layer");
  for (const control of byId("controls").children)
    if (control.id !== "tokens-control") control.hidden = plain || ABSENT[control.id] === true;
  byId("least").value = state.least;
  byId("least").disabled = !uses.includes("least");
  byId("least-value").textContent = state.least.toFixed(3);
  for (const name of ["hide", "merge"]) {
    byId(name).setAttribute("aria-pressed", state[name]);
    byId(name).disabled = !uses.includes(name);
  }
}

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || byId("help").open) return;
  const inField = event.target.matches?.("select, input"), uses = USES[state.view];
  const arrows = {
    ArrowLeft: () => step("head", -1, given.heads),
    ArrowRight: () => step("head", 1, given.heads),
    ArrowUp: () => step("layer", -1, given.layers),
    ArrowDown: () => step("layer", 1, given.layers),
  };
  const keys = {
    a: () => uses.includes("heads") && turn("heads", CHOICES.heads),
    s: () => hasPair && uses.includes("sentences") && turn("sentences", CHOICES.sentences),
    d: () => given.compare !== null && uses.includes("show") && turn("show", CHOICES.show),
    h: () => set({ hide: !state.hide }),
    w: () => uses.includes("merge") && set({ merge: !state.merge }),
    "[": () => uses.includes("least") && set({ least: Math.max(0, Math.round((state.least - 0.005) * 1000) / 1000) }),
    "]": () => uses.includes("least") && set({ least: Math.min(0.5, Math.round((state.least + 0.005) * 1000) / 1000) }),
    Escape: () => set({ query: null, key: null }),
    "?": () => byId("help").showModal(),
  };
  const view = views[Number(event.key) - 1];
  if (event.key in arrows && uses.includes("layer") && !inField) {
    event.preventDefault();
    arrows[event.key]();
    if (state.view === "grid") byId("grid").querySelector("[aria-current=true]")?.focus();
  } else if (event.key in keys && !inField) keys[event.key]();
  else if (view && !inField) set({ view });
}
