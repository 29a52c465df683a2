// Query · key: what makes one weight, element by element. softmax over keys of Σᵢ qᵢ kᵢ / √d_k.

let product = null; // { rows, columns, q, k, scores, weights, products } in view
const productQueries = new Column(byId("product-queries"), () => {}, (i) => set({ query: product.rows[i].tokens[0] }));
const productKeys = new Column(byId("product-keys"), () => {}, (i) => set({ key: product.columns[i].tokens[0] }));

function drawProduct() {
  const found = queriesAndKeysOf(state.layer, state.head);
  if (found === null) return false;
  const merge = state.merge;
  state.merge = false; // products are of tokens
  const rows = groupsOf("query"), columns = groupsOf("key"), d = given.d_k;
  state.merge = merge;
  if (!rows.length || !columns.length) return true;
  const row = Math.max(0, holding(rows, state.query)), q = rows[row].tokens[0];
  const scores = Float64Array.from({ length: S }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += found.Q[q * d + i] * found.K[k * d + i];
    return sum / Math.sqrt(d);
  });
  const highest = Math.max(...scores), powers = scores.map((score) => Math.exp(score - highest));
  const total = powers.reduce((a, b) => a + b, 0), weights = powers.map((power) => power / total);
  let column = holding(columns, state.key);
  if (column < 0) column = columns.reduce((best, group, c) => (weights[group.tokens[0]] > weights[columns[best].tokens[0]] ? c : best), 0);
  const k = columns[column].tokens[0];
  const products = new Float32Array(columns.length * d);
  columns.forEach((group, c) => {
    for (let i = 0; i < d; i++) products[c * d + i] = found.Q[q * d + i] * found.K[group.tokens[0] * d + i];
  });
  product = { rows, columns, row, column, q, k, scores, weights, products, found };

  const height = rowHeight(Math.max(rows.length, columns.length));
  productQueries.show(rows, height);
  productQueries.mark(row);
  productKeys.show(columns, height);
  productKeys.weigh((c) => weights[columns[c].tokens[0]], Math.max(...weights));
  productKeys.mark(column);
  byId("product-title").textContent = `products with “${given.tokens[q]}”, elements 1 to ${d}; orange adds, blue takes away`;
  drawProducts(height);
  drawLanes(null);
  return true;
}

function drawProducts(height) {
  const { columns, products, column } = product, d = given.d_k, canvas = byId("products");
  const width = Math.max(d, byId("product-keys").parentElement.clientWidth - byId("product-keys").offsetWidth - 12);
  const pen = size(canvas, width, columns.length * height);
  let most = 0;
  for (const value of products) most = Math.max(most, Math.abs(value));
  pen.drawImage(image(products, columns.length, d, most, true), 0, 0, d, columns.length, 0, 0, width, columns.length * height);
  pen.strokeStyle = colours.panel;
  pen.lineWidth = 2;
  for (let c = 1; c < columns.length; c++) pen.strokeRect(-2, c * height, width + 4, 0);
  pen.strokeStyle = colours.focus;
  pen.strokeRect(1, column * height + 1, width - 2, height - 2);
}

// The lanes stand under the columns of the products.
const lanesLeft = () => Math.max(92, byId("products").offsetLeft);

// Four lanes for the chosen pair; `at` is the element that is pointed at.
function drawLanes(at) {
  const { q, k, scores, weights, found } = product, d = given.d_k, canvas = byId("lanes");
  const width = Math.max(320, canvas.parentElement.clientWidth), left = lanesLeft(), right = 4, high = 62, between = 14;
  const pen = size(canvas, width, 4 * (high + between)), wide = (width - left - right) / d;
  const Q = found.Q.subarray(q * d, q * d + d), K = found.K.subarray(k * d, k * d + d), both = Q.map((x, i) => x * K[i]);
  let sum = 0;
  const running = both.map((x) => (sum += x) / Math.sqrt(d));
  const lanes = { "q": Q, "k": K, "q × k": both, "sum ÷ √d": running };
  pen.textBaseline = "middle";
  Object.entries(lanes).forEach(([name, values], lane) => {
    const top = lane * (high + between) + 4, most = Math.max(1e-12, ...values.map(Math.abs)), zero = top + high / 2;
    pen.font = fontOf(13);
    pen.fillStyle = colours.ink;
    pen.textAlign = "left";
    pen.fillText(name, 0, zero);
    pen.font = fontOf(10);
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    pen.fillText(`+${most.toPrecision(2)}`, left - 8, top + 4);
    pen.fillText(`−${most.toPrecision(2)}`, left - 8, top + high - 4);
    pen.fillStyle = colours.edge;
    pen.fillRect(left, zero, width - left - right, 1);
    values.forEach((value, i) => {
      const tall = (value / most) * (high / 2);
      pen.fillStyle = i === at ? colours.focus : value < 0 ? colours.less : colours.more;
      pen.fillRect(left + i * wide, Math.min(zero, zero - tall), Math.max(0.8, wide - (wide > 4 ? 1.5 : 0.2)), Math.max(0.5, Math.abs(tall)));
    });
  });
  const said = [`“${given.tokens[q]}” · “${given.tokens[k]}” ÷ √${d} = ${long(scores[k])}, softmax over the keys: `];
  said.push(element("data", { value: weights[k], "data-score": scores[k] }, long(weights[k])));
  said.push(soft(at === null ? `layer ${state.layer}, head ${state.head}` : `element ${at + 1}: ${long(Q[at])} × ${long(K[at])} = ${long(both[at])}`));
  byId("product-readout").replaceChildren(...said);
}
byId("lanes").addEventListener("mousemove", (event) => {
  if (!product) return;
  const box = event.target.getBoundingClientRect(), left = lanesLeft();
  const at = Math.floor(((event.clientX - box.left - left) / (box.width - left - 4)) * given.d_k);
  drawLanes(at >= 0 && at < given.d_k ? at : null);
});
byId("lanes").addEventListener("mouseleave", () => product && drawLanes(null));
byId("products").addEventListener("click", (event) => {
  const box = event.target.getBoundingClientRect();
  set({ key: product.columns[Math.min(product.columns.length - 1, Math.floor(((event.clientY - box.top) / box.height) * product.columns.length))].tokens[0] });
});
