// The heat map: rows are queries, columns keys. The text above it shows the weight under the mouse.

const heat = byId("heat");
let heatLayout = null; // { left, top, cell, picture } of the drawn heat map

function drawHeat(M) {
  const n = M.rows.length, m = M.columns.length, signed = state.show === "difference";
  const width = heat.parentElement.clientWidth, height = Math.max(360, framed ? 0 : innerHeight - 380);
  const measure = heat.getContext("2d");
  measure.font = fontOf(12);
  const labelWidth = (groups) => Math.min(110, Math.max(20, ...groups.map((g) => measure.measureText(g.label).width)) + 8);
  const left = labelWidth(M.rows), top = labelWidth(M.columns);
  let cell = Math.min(34, (width - left - 2) / Math.max(1, m), (height - top) / Math.max(1, n));
  cell = cell >= 8 ? Math.floor(cell) : Math.max(1, cell);
  heatLayout = { left, top, cell, picture: image(M.values, n, m, M.largest, signed, state.threshold ?? 0) };
  drawLegend(M.largest, signed);
}

const fontOf = (points) => `${points}px ${colours.family}`;

// Draws the heat map and marks one row and one column; either may be undefined.
function markHeat(M, row, column) {
  const { left, top, cell } = heatLayout, n = M.rows.length, m = M.columns.length;
  paintHeat(resize(heat, left + m * cell + 2, top + n * cell + 2), M, row, column);
}

function paintHeat(pen, M, row, column) {
  const { left, top, cell, picture } = heatLayout, n = M.rows.length, m = M.columns.length;
  pen.drawImage(picture, 0, 0, m, n, left, top, m * cell, n * cell);
  pen.strokeStyle = colours.edge;
  pen.strokeRect(left - 0.5, top - 0.5, m * cell + 1, n * cell + 1);
  const points = Math.min(12, Math.max(9, cell - 2)), every = Math.max(1, Math.ceil((points + 2) / cell));
  pen.font = fontOf(points);
  pen.textBaseline = "middle";
  const label = (group, x, y, rotated, marked) => {
    pen.save();
    pen.translate(x, y);
    if (rotated) pen.rotate(-Math.PI / 2);
    pen.textAlign = rotated ? "left" : "right";
    pen.fillStyle = marked ? colours.focus : colours.soft;
    pen.fillText(truncate(pen, group.label, (rotated ? top : left) - 8), 0, 0);
    pen.restore();
  };
  // If not every label fits, draws every second, third, …, and none close to the marked one.
  const fits = (i, marked) => i % every === 0 && (marked === undefined || every === 1 || Math.abs(i - marked) >= every);
  M.rows.forEach((group, r) => (r === row || fits(r, row)) && label(group, left - 5, top + (r + 0.5) * cell, false, r === row));
  M.columns.forEach((group, c) => (c === column || fits(c, column)) && label(group, left + (c + 0.5) * cell, top - 5, true, c === column));
  pen.strokeStyle = colours.focus;
  pen.lineWidth = 1.5;
  if (row !== undefined) pen.strokeRect(left, top + row * cell, m * cell, cell);
  if (column !== undefined) pen.strokeRect(left + column * cell, top, cell, n * cell);
}

// Shortens a label to a width.
function truncate(pen, label, width) {
  let cut = label;
  while (cut.length > 1 && pen.measureText(cut + (cut === label ? "" : "…")).width > width) cut = cut.slice(0, -1);
  return cut === label ? label : `${cut}…`;
}

function cellAt(event) {
  const box = heat.getBoundingClientRect(), { left, top, cell } = heatLayout;
  const column = Math.floor((event.clientX - box.left - left) / cell), row = Math.floor((event.clientY - box.top - top) / cell);
  return row >= 0 && column >= 0 && row < shown.rows.length && column < shown.columns.length ? { row, column } : null;
}
heat.addEventListener("mousemove", (event) => shown && point(cellAt(event)));
heat.addEventListener("mouseleave", () => point(null));
heat.addEventListener("click", (event) => {
  const at = shown && cellAt(event);
  if (at) set({ query: shown.rows[at.row].tokens[0], key: shown.columns[at.column].tokens[0] });
});

const nameOf = ({ name }) => (name === "cross" ? "cross-attention" : `${name} self-attention`);
const where = () => `${kinds ? `${nameOf(kindOf())}, ` : ""}layer ${state.layer}, ${state.heads === "one" ? `head ${state.head}` : `the ${state.heads} of ${kindOf().heads} heads`}`;

function showWeight(M, row, column) {
  const readout = byId("readout");
  if (row === undefined || column === undefined) {
    const one = row !== undefined ? M.rows[row] : column !== undefined ? M.columns[column] : null;
    const which = row !== undefined ? "weights of this query" : "weights of this key";
    readout.replaceChildren(one ? `“${one.label}”: ${which}` : "Point at a token or a cell; click to pin it", soft(where()));
    return;
  }
  const value = M.values[row * M.columns.length + column], error = maxError(M, row, column);
  readout.replaceChildren(
    `“${M.rows[row].label}” → “${M.columns[column].label}”  `,
    element("data", { value, "data-error": error }, long(value)),
    soft(`± ${error < 5e-5 ? error.toExponential(0) : error.toFixed(4)} · ${where()}`)
  );
}

const soft = (text) => element("span", { class: "soft" }, text);

let legendOf = null; // the colours of the current legend

function drawLegend(largest, signed) {
  const ends = signed ? [`−${largest.toFixed(3)}`, `+${largest.toFixed(3)}`] : ["0", largest.toFixed(3)];
  if (legendOf !== `${signed} ${colours.panel}`) buildLegend(signed);
  legendOf = `${signed} ${colours.panel}`;
  byId("legend").firstChild.textContent = ends[0];
  byId("legend").children[2].textContent = ends[1];
}

function buildLegend(signed) {
  const bar = document.createElement("canvas"), pen = resize(bar, 160, 10);
  const steps = Float32Array.from({ length: 160 }, (_, i) => (signed ? i / 79.5 - 1 : i / 159));
  pen.drawImage(image(steps, 1, 160, 1, signed), 0, 0, 160, 10);
  const what = signed ? `${shortName(data.name)} minus ${shortName(data.compare)}: orange is more in A, blue more in B` : "attention weight: the share of a query’s attention";
  byId("legend").replaceChildren(element("span"), bar, element("span"), element("span", {}, what));
}

// Summary of the head over all tokens (Clark et al. 2019, §3), only for weights that sum to 1.
let factsLater = null;

function drawFacts() {
  clearTimeout(factsLater);
  // For a long text they take as long as everything else, so they wait until the user stops switching heads.
  if (S <= 128) countFacts();
  else factsLater = setTimeout(countFacts, 80);
}

function countFacts() {
  const list = byId("facts"), note = byId("facts-note");
  note.hidden = state.show === "difference" || state.heads === "max";
  if (note.hidden) return list.replaceChildren();
  const { A } = shownMap(state.layer, state.heads === "one" ? state.head : state.heads);
  // Of an encoder-decoder only the block of this kind; its decoder has no positions to compare with keys.
  const inside = (side, i) => !kinds || data.segments[i] === "ab".indexOf(state.sentences[side]);
  const n = kinds ? data.segments.filter((_, q) => inside(0, q)).length : S;
  let entropy = 0, special = 0, before = 0, after = 0, same = 0;
  for (let q = 0, i = 0; q < S; q++)
    for (let k = 0; k < S; k++, i++) {
      if (!inside(0, q) || !inside(1, k)) continue;
      if (A[i] > 0) entropy -= A[i] * Math.log(A[i]);
      if (data.special[k]) special += A[i];
      if (k === q - 1) before += A[i];
      else if (k === q + 1) after += A[i];
      else if (k === q) same += A[i];
    }
  const facts = { entropy: entropy / n, special: special / n, previous: before / (n - 1), next: after / (n - 1), itself: same / n };
  const labels = { entropy: "entropy, nats", special: "to special tokens", previous: "to the previous token", next: "to the next token", itself: "to itself" };
  const keys = data.segments.filter((_, k) => inside(1, k)).length;
  note.textContent = `Means over all queries. Entropy: 0 if a query attends to one key, ${Math.log(keys).toFixed(2)} if to all ${keys} equally. The others: shares of the attention, 0 to 1.`;
  list.replaceChildren(
    ...Object.entries(labels).slice(0, kinds && state.sentences !== "aa" ? 2 : 5).map(([name, label]) => {
      const fact = element("div", { "data-fact": name });
      fact.append(element("dt", {}, label), element("dd", {}, Number.isFinite(facts[name]) ? facts[name].toFixed(3) : "–"));
      return fact;
    })
  );
}
