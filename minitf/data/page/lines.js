// The head view: one line for each weight, from the query on the left to the key on the right. A larger weight has a
// thicker, darker line.

const MAX_LINES = 1200; // the largest visible weights: more lines are slow and overlap too much
const LEVELS = 10; // of width and opacity
let shown = null; // the matrix that is drawn
let pointed = null; // what the mouse or the keyboard focus points at: { row, column }, either may be missing

const scroller = byId("lines"), linesCanvas = byId("lines-canvas");
const pin = (side, groups, i) => {
  const token = groups[i].tokens[0];
  set({ query: null, key: null, [side]: state[side] === token ? null : token });
};
const point = (at) => {
  if (!shown || (at?.row === pointed?.row && at?.column === pointed?.column)) return;
  pointed = at;
  drawFocus();
};
const queries = new Column(byId("queries"), (i) => point(i === null ? null : { row: i }), (i) => pin("query", shown.rows, i));
const keys = new Column(byId("keys"), (i) => point(i === null ? null : { column: i }), (i) => pin("key", shown.columns, i));
scroller.addEventListener("scroll", () => shown && drawLines(), { passive: true });

// The row and column whose lines are drawn: pointed at, else pinned. { row, column }, either may be undefined.
function focus() {
  if (pointed) return pointed;
  const row = indexOfToken(shown.rows, state.query), column = indexOfToken(shown.columns, state.key);
  return { row: row < 0 ? undefined : row, column: column < 0 ? undefined : column };
}

// The smallest weight with a line: the user's threshold, or the one that leaves the strongest lines, about two for each
// query and none below a tenth of the largest weight.
function leastWeight(M) {
  if (state.threshold !== null) return state.threshold;
  const unit = 10 ** thresholdDigits(), all = M.values.map(Math.abs);
  return Math.floor(Math.max(cut(all, 2 * M.rows.length, M.largest), M.largest / 10) * unit) / unit;
}

// A hovered or pinned token shows more of its own lines.
function leastLine(M) {
  const { row, column } = focus();
  return state.threshold === null && (row !== undefined || column !== undefined) ? M.largest / 50 : M.least;
}

const thresholdDigits = () => (state.show === "difference" ? 4 : 3);

function drawHead() {
  const M = matrix(state.layer, state.heads === "one" ? state.head : state.heads);
  if (M === null) return false;
  shown = M;
  M.least = leastWeight(M);
  showThreshold(M.least);
  // The mouse may still point at a row that the new matrix does not have.
  if (pointed?.row >= M.rows.length || pointed?.column >= M.columns.length) pointed = null;
  if (kinds) showSides();
  const row = rowHeight(Math.max(M.rows.length, M.columns.length));
  queries.show(M.rows, row);
  keys.show(M.columns, row);
  drawHeat(M);
  drawFacts();
  drawFocus();
  return true;
}

// Names the queries and the keys of an encoder-decoder. A query of its decoder has the token that it predicts.
function showSides() {
  const [source, target] = data.roles, names = { a: [source, source], b: [`${target} (predicted)`, `${target} (read)`] };
  document.querySelectorAll("#view-head .columns-head span").forEach((span, side) => {
    span.textContent = `${side ? "key" : "query"}: ${names[state.sentences[side]][side]}`;
  });
}

function drawFocus() {
  const M = shown, { row, column } = focus(), m = M.columns.length;
  queries.showWeights(column === undefined ? null : (r) => M.values[r * m + column], M.largest);
  keys.showWeights(row === undefined ? null : (c) => M.values[row * m + c], M.largest);
  queries.mark(indexOfToken(M.rows, state.query), pointed?.row);
  keys.mark(indexOfToken(M.columns, state.key), pointed?.column);
  drawLines();
  markHeat(M, row, column);
  showWeight(M, row, column);
}

function drawLines() {
  const M = shown, n = M.rows.length, m = M.columns.length, row = rowHeight(Math.max(n, m));
  const width = linesCanvas.parentElement.clientWidth;
  const height = Math.min(scroller.clientHeight, Math.max(n, m) * row), top = scroller.scrollTop;
  const pen = resize(linesCanvas, width, height), { row: onlyRow, column: onlyColumn } = focus();
  const visible = [], least = leastLine(M); // indices in M.values
  for (let r = 0; r < n; r++) {
    if (onlyRow !== undefined && r !== onlyRow) continue;
    const y = (r + 0.5) * row - top;
    for (let c = 0; c < m; c++) {
      if (onlyColumn !== undefined && c !== onlyColumn) continue;
      const weight = Math.abs(M.values[r * m + c]), to = (c + 0.5) * row - top;
      if (weight < least || weight === 0) continue;
      if ((y < 0 && to < 0) || (y > height && to > height)) continue;
      visible.push(r * m + c);
    }
  }
  const drawn = largestOf(visible, M.values, M.largest);
  const note = visible.length > drawn.length ? `the largest ${drawn.length} of ${visible.length} visible lines` : `${visible.length} ${visible.length === 1 ? "line" : "lines"}`;
  const kind = state.show === "difference" ? "differences" : "weights", what = `${state.threshold === null ? ", the strongest:" : " for"} ${kind}`;
  byId("lines-note").textContent = `${note}${what} of at least ${least.toFixed(thresholdDigits())}${state.hide || (!kinds && state.sentences !== "all") ? "; weights are not renormalised" : ""}`;
  strokeLines(pen, M, drawn, row, width, top);
}

// Draws lines, given as indices in M.values, between columns of rows that are `row` pixels high.
function strokeLines(pen, M, drawn, row, width, top = 0) {
  const m = M.columns.length, levels = Array.from({ length: 2 * LEVELS }, () => []);
  for (const at of drawn) {
    const level = Math.min(LEVELS - 1, Math.floor((Math.abs(M.values[at]) / M.largest) * LEVELS));
    levels[level + (M.values[at] < 0 ? LEVELS : 0)].push(at);
  }
  pen.lineCap = "butt";
  levels.forEach((indices, i) => {
    if (!indices.length) return;
    const depth = ((i % LEVELS) + 1) / LEVELS;
    pen.globalAlpha = 0.1 + 0.9 * depth ** 1.3;
    pen.lineWidth = 0.6 + 2.6 * depth;
    pen.strokeStyle = state.show !== "difference" ? colours.accent : i < LEVELS ? colours.more : colours.less;
    // One path for each line: a single path would not darken where lines cross, and is ten times slower.
    for (const at of indices) {
      pen.beginPath();
      const from = (Math.floor(at / m) + 0.5) * row - top, to = ((at % m) + 0.5) * row - top;
      pen.moveTo(2, from);
      if (drawn.length > 600) pen.lineTo(width - 2, to);
      else pen.bezierCurveTo(width * 0.4, from, width * 0.6, to, width - 2, to);
      pen.stroke();
    }
  });
}

// The at most MAX_LINES indices with the largest weights.
function largestOf(indices, values, largest) {
  if (indices.length <= MAX_LINES) return indices;
  const sizes = indices.map((at) => Math.abs(values[at])), least = cut(sizes, MAX_LINES, largest);
  return indices.filter((_, i) => sizes[i] >= least);
}

// The largest value, to a thousandth of `largest`, that at most `n` of the sizes reach; found with a histogram.
function cut(sizes, n, largest) {
  const counts = new Uint32Array(1024);
  for (const size of sizes) counts[Math.min(1023, Math.floor((size / (largest || 1)) * 1023))]++;
  let at = 1023, sum = counts[1023];
  while (at > 0 && sum + counts[at - 1] <= n) sum += counts[--at];
  return (at / 1023) * largest;
}
