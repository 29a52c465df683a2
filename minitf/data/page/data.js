// The data of this page: names and tokens as JSON, and one block with the numbers of each layer.

const data = JSON.parse(document.getElementById("data").textContent);
const S = data.tokens.length;
const framed = window.parent !== window; // in a notebook
const byId = (id) => document.getElementById(id);

// The lines of a block, one for each head; null while the browser is still reading it.
function linesOf(block) {
  const element = byId(block);
  if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return null;
  return element.textContent.split("\n");
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const decoded = new Map();

// One line of a block, decoded on first use; null if the browser has not read it yet.
function decode(block, head, read) {
  const name = `${block}/${head}`;
  if (!decoded.has(name)) {
    const lines = linesOf(block);
    if (lines === null) return null;
    decoded.set(name, read(bytesOf(lines[head]).buffer));
  }
  return decoded.get(name);
}

// A of one head of model "a" or "b": bytes [S, S] and a scale for each row; weight = byte · scale.
const weightsOf = (model, layer, head) =>
  decode(`${model}${layer - 1}`, head - 1, (buffer) => ({
    scales: new Float32Array(buffer, 0, S),
    bytes: new Uint8Array(buffer, 4 * S),
  }));

// Q and K of one head, each [S, d_k] as numbers.
const queriesAndKeysOf = (layer, head) =>
  decode(`p${layer - 1}`, head - 1, (buffer) => {
    const scales = new Float32Array(buffer, 0, 2 * S), integers = new Int16Array(buffer, 8 * S), d = data.d_k;
    const values = Float64Array.from(integers, (x, i) => x * scales[Math.floor(i / d)]);
    return { Q: values.subarray(0, S * d), K: values.subarray(S * d) };
  });

// Creates an element. User text is set as text, never as HTML.
function element(tag, attributes = {}, text = "") {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.textContent = text;
  return created;
}
