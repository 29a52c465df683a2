// The controls show the state and change it; keyboard shortcuts do the same.

const CHOICES = { heads: ["one", "mean", "max"], show: ["a", "b", "difference"], sentences: choicesOfSentences, method: methods };
const ABSENT = { "show-control": data.compare === null, "sentences-control": !hasPair };
// The controls that each view uses; the others are disabled.
const USES = {
  head: ["layer", "head", "heads", "show", "sentences", "threshold", "hide", "merge"],
  grid: ["heads", "show", "sentences", "threshold", "hide", "merge", "layer", "head"],
  product: ["layer", "head", "sentences", "hide"],
  attribution: ["hide", "method"],
  lens: ["hide"],
};

function setUpControls() {
  byId("name").textContent = shortName(data.name);
  byId("name").title = data.name;
  byId("shape").textContent = kinds ? shapeOfKinds() : `${data.layers} layers × ${data.heads} heads, ${S} tokens`;
  const [first, second] = data.roles ?? ["1", "2"];
  byId("text").textContent = hasPair ? `${first}: ${data.text}\n${second}: ${data.pair}` : data.text;
  if (kinds) setUpKinds();
  byId("other").hidden = byId("name-of-a").hidden = data.compare === null;
  byId("other-name").textContent = shortName(data.compare ?? "");
  byId("other-name").title = data.compare ?? "";
  for (const name of methods) byId("method").append(element("button", { type: "button", role: "radio", "data-value": name }, name));
  byId("no-attribution").hidden = !data.no_attribution;
  byId("no-attribution").textContent = `No Attribution tab: ${data.no_attribution}.`;
  if (data.prediction) {
    byId("prediction").hidden = false;
    byId("prediction").textContent = `prediction: ${data.prediction}`;
    byId("prediction").title = data.labels.map((label, i) => `${label} ${data.probabilities[i].toFixed(4)}`).join("\n");
  }
  const titles = data.compare === null ? [] : [data.name, data.compare, `${data.name} minus ${data.compare}`];
  titles.forEach((title, i) => {
    const button = byId("show").children[i];
    button.title = title;
    if (i < 2) button.textContent = `${"AB"[i]}: ${shortName(title)}`;
  });
  for (const tab of byId("tabs").children) {
    tab.hidden = !views.includes(tab.dataset.view);
    tab.addEventListener("click", () => set({ view: tab.dataset.view }));
  }
  for (const name of ["layer", "head"]) {
    byId(name).addEventListener("change", () => set({ [name]: Number(byId(name).value) }));
    byId(`${name}-less`).addEventListener("click", () => step(name, -1, kindOf()[`${name}s`]));
    byId(`${name}-more`).addEventListener("click", () => step(name, 1, kindOf()[`${name}s`]));
  }
  for (const name of Object.keys(CHOICES)) {
    const group = byId(name);
    group.addEventListener("click", (event) => event.target.dataset.value && set({ [name]: event.target.dataset.value }));
    group.addEventListener("keydown", (event) => moveChoice(event, [...group.children]));
  }
  byId("tabs").addEventListener("keydown", (event) => moveChoice(event, [...byId("tabs").children].filter((tab) => !tab.hidden)));
  byId("threshold").addEventListener("input", () => set({ threshold: Number(byId("threshold").value) }));
  byId("strongest").addEventListener("click", () => set({ threshold: state.threshold === null ? shown?.least ?? 0 : null }));
  for (const kind of ["svg", "png"]) byId(`save-${kind}`).addEventListener("click", () => savePicture(kind));
  for (const name of ["hide", "merge"]) byId(name).addEventListener("click", () => set({ [name]: !state[name] }));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  document.addEventListener("keydown", onKey);
}

// The controls of an encoder-decoder: the kind of attention, and the target token of an attribution.
function setUpKinds() {
  byId("sentences-label").textContent = "Attention";
  const titles = { ba: "which tokens of the source the decoder attends to", aa: "source to source", bb: "target to the tokens before it" };
  byId("sentences").replaceChildren(
    ...kinds.map(({ id, name }) => element("button", { type: "button", role: "radio", "data-value": id, title: titles[id] }, name))
  );
  byId("help-sentences").textContent = "attention: cross, encoder, decoder";
  if (attributions === null) return;
  byId("target-control").hidden = false;
  byId("target").append(...attributions.map(({ label }, t) => element("option", { value: t }, `${t + 1}: ${label}`)));
  byId("target").addEventListener("change", () => set({ target: Number(byId("target").value) }));
  for (const [id, offset] of [["less", -1], ["more", 1]])
    byId(`target-${id}`).addEventListener("click", () => set({ target: Math.max(0, Math.min(attributions.length - 1, state.target + offset)) }));
}

function shapeOfKinds() {
  const shapes = kinds.map(({ name, layers, heads }) => [name, `${layers} layers × ${heads} heads`]);
  const same = shapes.every(([, shape]) => shape === shapes[0][1]), source = data.segments.indexOf(1);
  return `${same ? shapes[0][1] : shapes.map((shape) => shape.join(" ")).join(", ")}; ${source} ${data.roles[0]} tokens, ${S - source} ${data.roles[1]}`;
}

// Fills the lists of layers and heads; the kinds of attention may have different numbers of them.
function fillLists() {
  for (const name of ["layer", "head"]) {
    const list = byId(name), count = kindOf()[`${name}s`];
    if (list.length !== count)
      list.replaceChildren(...Array.from({ length: count }, (_, i) => element("option", { value: i + 1 }, `${i + 1} / ${count}`)));
  }
}

// In a radio group, the arrow keys choose the next button and focus it.
function moveChoice(event, buttons) {
  const offset = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!offset) return;
  event.preventDefault();
  event.stopPropagation();
  const next = buttons[(buttons.indexOf(document.activeElement) + offset + buttons.length) % buttons.length];
  next.click();
  next.focus();
}

function showControls() {
  for (const tab of byId("tabs").children) {
    const selected = tab.dataset.view === state.view;
    tab.setAttribute("aria-selected", selected);
    tab.setAttribute("tabindex", selected ? 0 : -1);
    byId(`view-${tab.dataset.view}`).hidden = !selected;
  }
  const uses = USES[state.view];
  fillLists();
  for (const name of ["layer", "head"]) {
    byId(name).value = state[name];
    const enabled = uses.includes(name) && (name === "layer" || state.heads === "one" || state.view === "product");
    byId(name).disabled = !enabled;
    byId(`${name}-less`).disabled = !enabled || state[name] === 1;
    byId(`${name}-more`).disabled = !enabled || state[name] === kindOf()[`${name}s`];
  }
  for (const name of Object.keys(CHOICES))
    for (const button of byId(name).children) {
      const checked = button.dataset.value === state[name];
      button.setAttribute("aria-checked", checked);
      button.setAttribute("tabindex", checked ? 0 : -1);
      button.disabled = !uses.includes(name);
    }
  // A view without attention maps needs no controls that choose one.
  const noMaps = !uses.includes("layer");
  for (const control of byId("controls").children)
    if (control.id !== "tokens-control") control.hidden = noMaps || ABSENT[control.id] === true;
  showThreshold(state.threshold ?? 0);
  byId("threshold").disabled = !uses.includes("threshold");
  byId("strongest").disabled = state.view !== "head";
  byId("strongest").setAttribute("aria-pressed", state.threshold === null);
  byId("text").hidden = state.view === "attribution"; // which shows the text itself, shaded
  for (const name of ["hide", "merge"]) {
    byId(name).setAttribute("aria-pressed", state[name]);
    byId(name).disabled = !uses.includes(name);
  }
}

function showThreshold(value) {
  const signed = state.show === "difference";
  byId("threshold").max = largestThreshold();
  byId("threshold").step = signed ? 0.0001 : 0.001;
  byId("threshold").value = value;
  byId("threshold-value").textContent = value.toFixed(thresholdDigits());
}

const largestThreshold = () => (state.show === "difference" ? data.largest_difference : 0.5);

// Changes the threshold by a hundredth of its range.
function stepThreshold(direction) {
  const from = state.threshold ?? (state.view === "head" ? shown.least : 0), range = largestThreshold(), unit = 10 ** thresholdDigits();
  set({ threshold: Math.max(0, Math.min(range, Math.round((from + (direction * range) / 100) * unit) / unit)) });
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || byId("help").open) return;
  const inField = event.target.matches?.("select, input"), uses = USES[state.view];
  const arrows = {
    ArrowLeft: () => step("head", -1, kindOf().heads),
    ArrowRight: () => step("head", 1, kindOf().heads),
    ArrowUp: () => step("layer", -1, kindOf().layers),
    ArrowDown: () => step("layer", 1, kindOf().layers),
  };
  const keys = {
    a: () => uses.includes("heads") && cycle("heads", CHOICES.heads),
    s: () => hasPair && uses.includes("sentences") && cycle("sentences", CHOICES.sentences),
    d: () => data.compare !== null && uses.includes("show") && cycle("show", CHOICES.show),
    h: () => set({ hide: !state.hide }),
    w: () => uses.includes("merge") && set({ merge: !state.merge }),
    "[": () => uses.includes("threshold") && stepThreshold(-1),
    "]": () => uses.includes("threshold") && stepThreshold(1),
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
