// The state of the page. The address stores it too, so that a link or a reload restores it.

// What an encoder-decoder has: three kinds of attention, and the attribution of each target token. Else null.
const kinds = data.kinds ?? null;
const attributions = data.attributions ?? (data.attribution && [data.attribution]);

const views = ["head", "grid", "product", "attribution", "lens"].filter(
  (view) => ({ product: data.d_k, attribution: attributions, lens: data.lens })[view] !== null
);
const hasPair = data.pair !== null;
const choicesOfSentences = kinds?.map((kind) => kind.id) ?? (hasPair ? ["all", "aa", "ab", "ba", "bb"] : ["all"]);
const methods = (attributions?.[0]?.scores ?? []).map((score) => score.name);

// Each field: its initial value, and a function that reads it from the address, undefined if it is invalid.
const fields = {
  view: [data.opening.view, (text) => oneOf(views, text)],
  layer: [data.opening.layer, (text) => integer(text, 1, data.layers)],
  head: [data.opening.head, (text) => integer(text, 1, data.heads)],
  heads: ["one", (text) => oneOf(["one", "mean", "max"], text)],
  show: [data.opening.show, (text) => oneOf(data.compare === null ? ["a"] : ["a", "b", "difference"], text)],
  sentences: [choicesOfSentences[0], (text) => oneOf(choicesOfSentences, text)], // or the kind of attention
  threshold: [null, (text) => (text >= 0 && text <= 1 && text !== "" ? Number(text) : undefined)], // null: the strongest lines
  hide: [false, (text) => oneOf(["true"], text) && true],
  merge: [false, (text) => oneOf(["true"], text) && true],
  query: [null, (text) => integer(text, 0, S - 1)], // the pinned query: the index of a token
  key: [null, (text) => integer(text, 0, S - 1)],
  method: ["erasure", (text) => oneOf(methods, text)], // the method of attribution that shades the sentence
  target: [0, (text) => integer(text, 0, (attributions?.length ?? 1) - 1)], // whose attribution is shown
};
const oneOf = (choices, text) => (choices.includes(text) ? text : undefined);
const integer = (text, min, max) => (/^\d+$/.test(text) && text >= min && text <= max ? Number(text) : undefined);

const state = {};

function readAddress() {
  const params = new URLSearchParams(location.hash.slice(1));
  for (const [name, [initial, read]] of Object.entries(fields)) {
    const value = params.has(name) ? read(params.get(name)) : undefined;
    state[name] = value === undefined ? initial : value;
  }
  keepHead();
}

function writeAddress() {
  const params = new URLSearchParams();
  for (const [name, [initial]] of Object.entries(fields)) if (state[name] !== initial) params.set(name, state[name]);
  try {
    history.replaceState(null, "", `#${params}`);
  } catch {
    // A frame in a notebook has no address.
  }
}

let writing = null;

function set(changes) {
  // A threshold for weights is too large for differences.
  if ("show" in changes && (changes.show === "difference") !== (state.show === "difference")) changes.threshold = null;
  Object.assign(state, changes);
  keepHead();
  draw();
  // After a pause: browsers refuse an address that changes too often.
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 100);
}

// The kind of attention that is shown, or the whole model: it has `layers` and `heads`.
const kindOf = () => kinds?.find((kind) => kind.id === state.sentences) ?? data;
const attribution = () => attributions[state.target];

// Another kind of attention may have fewer layers or heads.
function keepHead() {
  for (const name of ["layer", "head"]) state[name] = Math.min(state[name], kindOf()[`${name}s`]);
}

const step = (name, offset, count) => set({ [name]: Math.min(count, Math.max(1, state[name] + offset)) });
const cycle = (name, choices) => set({ [name]: choices[(choices.indexOf(state[name]) + 1) % choices.length] });
