// What this page was given: names and tokens as JSON, and the numbers of each layer in a block of their own.

const given = JSON.parse(document.getElementById("given").textContent);
const S = given.tokens.length;
const byId = (id) => document.getElementById(id);

// The lines of a block, one for each head; null as long as the browser is still reading it.
function linesOf(block) {
  const element = byId(block);
  if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return null;
  return element.textContent.split("\n");
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const letters = atob(base64), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

const decoded = new Map();

// One line of a block, decoded when it is first asked for; null if it is not here yet.
function decode(block, head, read) {
  const name = `${block}/${head}`;
  if (!decoded.has(name)) {
    const lines = linesOf(block);
    if (lines === null) return null;
    decoded.set(name, read(bytesOf(lines[head]).buffer));
  }
  return decoded.get(name);
}

// A of one head of model "a" or "b": bytes [S, S] and a scale for each row, so that weight = byte · scale.
const weightsOf = (model, layer, head) =>
  decode(`${model}${layer - 1}`, head - 1, (buffer) => ({
    scales: new Float32Array(buffer, 0, S),
    bytes: new Uint8Array(buffer, 4 * S),
  }));

// Q and K of one head, each [S, d_k] as numbers.
const queriesAndKeysOf = (layer, head) =>
  decode(`p${layer - 1}`, head - 1, (buffer) => {
    const scales = new Float32Array(buffer, 0, 2 * S), whole = new Int16Array(buffer, 8 * S), d = given.d_k;
    const values = Float64Array.from(whole, (x, i) => x * scales[Math.floor(i / d)]);
    return { Q: values.subarray(0, S * d), K: values.subarray(S * d) };
  });

// Labels, with strange characters as they are: text is only ever set as text.
function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}
