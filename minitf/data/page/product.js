// Query · key: the products behind one weight, element by element. softmax over keys of Σᵢ qᵢ kᵢ / √d_k.

let product = null; // { rows, columns, q, k, scores, weights, products, … } of the drawn view
const productQueries = new Column(byId("product-queries"), () => {}, (i) => set({ query: product.rows[i].tokens[0] }));
const productKeys = new Column(byId("product-keys"), () => {}, (i) => set({ key: product.columns[i].tokens[0] }));

function drawProduct() {
  const vectors = queriesAndKeysOf(state.layer, state.head);
  if (vectors === null) return false;
  const merge = state.merge;
  state.merge = false; // a product belongs to two tokens, not to words
  const rows = groupsOf("query"), columns = groupsOf("key"), d = data.d_k;
  state.merge = merge;
  if (!rows.length || !columns.length) return true;
  const row = Math.max(0, indexOfToken(rows, state.query)), q = rows[row].tokens[0];
  const scores = Float64Array.from({ length: S }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += vectors.Q[q * d + i] * vectors.K[k * d + i];
    return sum / Math.sqrt(d);
  });
  const highest = Math.max(...scores), powers = scores.map((score) => Math.exp(score - highest));
  const total = powers.reduce((a, b) => a + b, 0), weights = powers.map((power) => power / total);
  let column = indexOfToken(columns, state.key);
  if (column < 0) column = columns.reduce((best, group, c) => (weights[group.tokens[0]] > weights[columns[best].tokens[0]] ? c : best), 0);
  const k = columns[column].tokens[0];
  const products = new Float32Array(columns.length * d);
  columns.forEach((group, c) => {
    for (let i = 0; i < d; i++) products[c * d + i] = vectors.Q[q * d + i] * vectors.K[group.tokens[0] * d + i];
  });
  product = { rows, columns, row, column, q, k, scores, weights, products, vectors };

  const height = rowHeight(Math.max(rows.length, columns.length));
  productQueries.show(rows, height);
  productQueries.mark(row);
  productKeys.show(columns, height);
  productKeys.showWeights((c) => weights[columns[c].tokens[0]], Math.max(...weights));
  productKeys.mark(column);
  byId("product-title").textContent = `products with “${data.tokens[q]}”, elements 1 to ${d}; orange is positive, blue negative`;
  drawProducts(height);
  drawLanes(null);
  return true;
}

function drawProducts(height) {
  const { columns, products, column } = product, d = data.d_k, canvas = byId("products");
  const width = Math.max(d, byId("product-keys").parentElement.clientWidth - byId("product-keys").offsetWidth - 12);
  const pen = resize(canvas, width, columns.length * height);
  let largest = 0;
  for (const value of products) largest = Math.max(largest, Math.abs(value));
  pen.drawImage(image(products, columns.length, d, largest, true), 0, 0, d, columns.length, 0, 0, width, columns.length * height);
  pen.strokeStyle = colours.panel;
  pen.lineWidth = 2;
  for (let c = 1; c < columns.length; c++) pen.strokeRect(-2, c * height, width + 4, 0);
  pen.strokeStyle = colours.focus;
  pen.strokeRect(1, column * height + 1, width - 2, height - 2);
}

// Aligns the lanes with the columns of the products.
const lanesLeft = () => Math.max(92, byId("products").offsetLeft);

// Draws four lanes for the chosen pair; `at` is the element that the mouse points at.
function drawLanes(at) {
  const { q, k, scores, weights, vectors } = product, d = data.d_k, canvas = byId("lanes");
  const width = Math.max(320, canvas.parentElement.clientWidth), left = lanesLeft(), right = 4, high = 62, between = 14;
  const pen = resize(canvas, width, 4 * (high + between)), wide = (width - left - right) / d;
  const Q = vectors.Q.subarray(q * d, q * d + d), K = vectors.K.subarray(k * d, k * d + d), both = Q.map((x, i) => x * K[i]);
  let sum = 0;
  const running = both.map((x) => (sum += x) / Math.sqrt(d));
  const lanes = { "q": Q, "k": K, "q × k": both, "sum ÷ √d": running };
  pen.textBaseline = "middle";
  Object.entries(lanes).forEach(([name, values], lane) => {
    const top = lane * (high + between) + 4, largest = Math.max(1e-12, ...values.map(Math.abs)), zero = top + high / 2;
    pen.font = fontOf(13);
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    pen.fillText(name, 0, zero);
    pen.font = fontOf(10);
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    pen.fillText(`+${largest.toPrecision(2)}`, left - 8, top + 4);
    pen.fillText(`−${largest.toPrecision(2)}`, left - 8, top + high - 4);
    pen.fillStyle = colours.edge;
    pen.fillRect(left, zero, width - left - right, 1);
    values.forEach((value, i) => {
      const tall = (value / largest) * (high / 2);
      pen.fillStyle = i === at ? colours.focus : value < 0 ? colours.less : colours.more;
      pen.fillRect(left + i * wide, Math.min(zero, zero - tall), Math.max(0.8, wide - (wide > 4 ? 1.5 : 0.2)), Math.max(0.5, Math.abs(tall)));
    });
  });
  const readout = [`“${data.tokens[q]}” · “${data.tokens[k]}” ÷ √${d} = ${long(scores[k])}, softmax over the keys: `];
  readout.push(element("data", { value: weights[k], "data-score": scores[k] }, long(weights[k])));
  readout.push(soft(at === null ? `layer ${state.layer}, head ${state.head}` : `element ${at + 1}: ${long(Q[at])} × ${long(K[at])} = ${long(both[at])}`));
  byId("product-readout").replaceChildren(...readout);
}
byId("lanes").addEventListener("mousemove", (event) => {
  if (!product) return;
  const box = event.target.getBoundingClientRect(), left = lanesLeft();
  const at = Math.floor(((event.clientX - box.left - left) / (box.width - left - 4)) * data.d_k);
  drawLanes(at >= 0 && at < data.d_k ? at : null);
});
byId("lanes").addEventListener("mouseleave", () => product && drawLanes(null));
byId("products").addEventListener("click", (event) => {
  const box = event.target.getBoundingClientRect();
  set({ key: product.columns[Math.min(product.columns.length - 1, Math.floor(((event.clientY - box.top) / box.height) * product.columns.length))].tokens[0] });
});
