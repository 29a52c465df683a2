// The same weights as a map, a row for each query, a column for each key; and what one weight is, in words.

const heat = byId("heat");
let heatPlace = null; // { left, top, cell, picture } of what is drawn

function drawHeat(M) {
  const n = M.rows.length, m = M.columns.length, signed = state.show === "difference";
  const room = heat.parentElement.clientWidth, tall = Math.max(360, innerHeight - 380);
  const measure = heat.getContext("2d");
  measure.font = fontOf(12);
  const longest = (groups) => Math.min(110, Math.max(20, ...groups.map((g) => measure.measureText(g.label).width)) + 8);
  const left = longest(M.rows), top = longest(M.columns);
  let cell = Math.min(34, (room - left - 2) / Math.max(1, m), (tall - top) / Math.max(1, n));
  cell = cell >= 8 ? Math.floor(cell) : Math.max(1, cell);
  heatPlace = { left, top, cell, picture: image(M.values, n, m, M.most, signed, state.least) };
  drawLegend(M.most, signed);
}

const fontOf = (points) => `${points}px ${colours.family}`;

// Draws the map with the row and column that are in focus.
function markHeat(M, row, column) {
  const { left, top, cell, picture } = heatPlace, n = M.rows.length, m = M.columns.length;
  const pen = size(heat, left + m * cell + 2, top + n * cell + 2);
  pen.drawImage(picture, 0, 0, m, n, left, top, m * cell, n * cell);
  pen.strokeStyle = colours.edge;
  pen.strokeRect(left - 0.5, top - 0.5, m * cell + 1, n * cell + 1);
  const points = Math.min(12, Math.max(9, cell - 2)), every = Math.max(1, Math.ceil((points + 2) / cell));
  pen.font = fontOf(points);
  pen.textBaseline = "middle";
  const label = (i, x, y, turned, strong) => {
    pen.save();
    pen.translate(x, y);
    if (turned) pen.rotate(-Math.PI / 2);
    pen.textAlign = turned ? "left" : "right";
    pen.fillStyle = strong ? colours.focus : colours.soft;
    pen.fillText(fit(pen, i.label, (turned ? top : left) - 8), 0, 0);
    pen.restore();
  };
  // Where there is no room for every label, each second, third, …; never one beside that which is in focus.
  const free = (i, strong) => i % every === 0 && (strong === undefined || every === 1 || Math.abs(i - strong) >= every);
  M.rows.forEach((group, r) => (r === row || free(r, row)) && label(group, left - 5, top + (r + 0.5) * cell, false, r === row));
  M.columns.forEach((group, c) => (c === column || free(c, column)) && label(group, left + (c + 0.5) * cell, top - 5, true, c === column));
  pen.strokeStyle = colours.focus;
  pen.lineWidth = 1.5;
  if (row !== undefined) pen.strokeRect(left, top + row * cell, m * cell, cell);
  if (column !== undefined) pen.strokeRect(left + column * cell, top, cell, n * cell);
}

// The label cut to a width.
function fit(pen, label, width) {
  let cut = label;
  while (cut.length > 1 && pen.measureText(cut + (cut === label ? "" : "…")).width > width) cut = cut.slice(0, -1);
  return cut === label ? label : `${cut}…`;
}

function cellAt(event) {
  const box = heat.getBoundingClientRect(), { left, top, cell } = heatPlace;
  const column = Math.floor((event.clientX - box.left - left) / cell), row = Math.floor((event.clientY - box.top - top) / cell);
  return row >= 0 && column >= 0 && row < shown.rows.length && column < shown.columns.length ? { row, column } : null;
}
heat.addEventListener("mousemove", (event) => shown && point(cellAt(event)));
heat.addEventListener("mouseleave", () => point(null));
heat.addEventListener("click", (event) => {
  const at = shown && cellAt(event);
  if (at) set({ query: shown.rows[at.row].tokens[0], key: shown.columns[at.column].tokens[0] });
});

const where = () => `layer ${state.layer}, ${state.heads === "one" ? `head ${state.head}` : `the ${state.heads} of ${given.heads} heads`}`;

function sayWeight(M, row, column) {
  const said = byId("readout");
  if (row === undefined || column === undefined) {
    const one = row !== undefined ? M.rows[row] : column !== undefined ? M.columns[column] : null;
    const what = row !== undefined ? "what it looks at" : "what looks at it";
    said.replaceChildren(one ? `“${one.label}”: ${what}` : "Point at a token or a cell; click to pin it", soft(where()));
    return;
  }
  const value = M.values[row * M.columns.length + column], off = doubt(M, row, column);
  said.replaceChildren(
    `“${M.rows[row].label}” → “${M.columns[column].label}”  `,
    element("data", { value, "data-doubt": off }, long(value)),
    soft(`± ${off < 5e-5 ? off.toExponential(0) : off.toFixed(4)} · ${where()}`)
  );
}

const soft = (text) => element("span", { class: "soft" }, text);

let legendOf = null; // the colours of the bar that is there

function drawLegend(most, signed) {
  const ends = signed ? [`−${most.toFixed(3)}`, `+${most.toFixed(3)}`] : ["0", most.toFixed(3)];
  if (legendOf !== `${signed} ${colours.panel}`) buildLegend(signed);
  legendOf = `${signed} ${colours.panel}`;
  byId("legend").firstChild.textContent = ends[0];
  byId("legend").children[2].textContent = ends[1];
}

function buildLegend(signed) {
  const bar = document.createElement("canvas"), pen = size(bar, 160, 10);
  const steps = Float32Array.from({ length: 160 }, (_, i) => (signed ? i / 79.5 - 1 : i / 159));
  pen.drawImage(image(steps, 1, 160, 1, signed), 0, 0, 160, 10);
  const what = signed ? `${given.name} minus ${given.compare}` : "";
  byId("legend").replaceChildren(element("span"), bar, element("span"), element("span", {}, what));
}

// What the map does as a whole, over all tokens (Clark et al. 2019, §3): of weights that share out 1, not of others.
let factsLater = null;

function drawFacts() {
  clearTimeout(factsLater);
  // Of a long text they take as long as all else: not at each step of a walk through the heads.
  if (S <= 128) countFacts();
  else factsLater = setTimeout(countFacts, 80);
}

function countFacts() {
  const list = byId("facts");
  if (state.show === "difference" || state.heads === "max") return list.replaceChildren();
  const { A } = chosen(state.layer, state.heads === "one" ? state.head : state.heads);
  let entropy = 0, special = 0, before = 0, after = 0, same = 0;
  for (let q = 0, i = 0; q < S; q++)
    for (let k = 0; k < S; k++, i++) {
      if (A[i] > 0) entropy -= A[i] * Math.log(A[i]);
      if (given.special[k]) special += A[i];
      if (k === q - 1) before += A[i];
      else if (k === q + 1) after += A[i];
      else if (k === q) same += A[i];
    }
  const facts = { entropy: entropy / S, special: special / S, previous: before / (S - 1), next: after / (S - 1), itself: same / S };
  const named = { entropy: "entropy, nats", special: "to special tokens", previous: "to the previous", next: "to the next", itself: "to itself" };
  list.replaceChildren(
    ...Object.entries(named).map(([name, label]) => {
      const fact = element("div", { "data-fact": name });
      fact.append(element("dt", {}, label), element("dd", {}, Number.isFinite(facts[name]) ? facts[name].toFixed(3) : "–"));
      return fact;
    })
  );
}
