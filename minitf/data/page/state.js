// What is shown. It lives in the address too, so that a link or a reload comes back to it.

const views = ["head", "grid", "product", "attribution", "lens"].filter(
  (view) => ({ product: given.d_k, attribution: given.attribution, lens: given.lens })[view] !== null
);
const hasPair = given.pair !== null;

// Every field with the value it starts with, and how one is read from the address; undefined is none.
const fields = {
  view: ["head", (text) => among(views, text)],
  layer: [1, (text) => whole(text, 1, given.layers)],
  head: [1, (text) => whole(text, 1, given.heads)],
  heads: ["one", (text) => among(["one", "mean", "max"], text)],
  show: ["a", (text) => among(given.compare === null ? ["a"] : ["a", "b", "difference"], text)],
  sentences: ["all", (text) => among(hasPair ? ["all", "aa", "ab", "ba", "bb"] : ["all"], text)],
  // No lower than what each key would get if all got the same.
  least: [Math.max(0.001, Math.min(0.02, Math.round(1000 / S) / 1000)), (text) => (text >= 0 && text <= 0.5 && text !== "" ? Number(text) : undefined)],
  hide: [false, (text) => among(["true"], text) && true],
  merge: [false, (text) => among(["true"], text) && true],
  query: [null, (text) => whole(text, 0, S - 1)], // what is pinned: the number of a token
  key: [null, (text) => whole(text, 0, S - 1)],
};
const among = (choices, text) => (choices.includes(text) ? text : undefined);
const whole = (text, least, most) => (/^\d+$/.test(text) && text >= least && text <= most ? Number(text) : undefined);

const state = {};

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const [name, [start, read]] of Object.entries(fields)) {
    const value = said.has(name) ? read(said.get(name)) : undefined;
    state[name] = value === undefined ? start : value;
  }
}

function writeAddress() {
  const said = new URLSearchParams();
  for (const [name, [start]] of Object.entries(fields)) if (state[name] !== start) said.set(name, state[name]);
  try {
    history.replaceState(null, "", `#${said}`);
  } catch {
    // A frame in a notebook has no address of its own.
  }
}

let writing = null;

function set(changes) {
  Object.assign(state, changes);
  draw();
  // After the walk, not at each step of it: browsers refuse an address that changes too often.
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 100);
}

const step = (name, by, most) => set({ [name]: Math.min(most, Math.max(1, state[name] + by)) });
const turn = (name, choices) => set({ [name]: choices[(choices.indexOf(state[name]) + 1) % choices.length] });
