// The head view: a line for each weight, from the query on the left to the key on the right; thick and deep is much.

const MOST_LINES = 1200; // the strongest that are in sight: more is a grey cloud, and slow
const LEVELS = 10; // of depth, each drawn in one stroke
let shown = null; // the matrix in view
let aim = null; // what the mouse or the keyboard points at: { row, column }, either may be missing

const scroller = byId("lines"), linesCanvas = byId("lines-canvas");
const pin = (side, groups, i) => {
  const token = groups[i].tokens[0];
  set({ query: null, key: null, [side]: state[side] === token ? null : token });
};
const point = (at) => {
  if (!shown || (at?.row === aim?.row && at?.column === aim?.column)) return;
  aim = at;
  drawFocus();
};
const queries = new Column(byId("queries"), (i) => point(i === null ? null : { row: i }), (i) => pin("query", shown.rows, i));
const keys = new Column(byId("keys"), (i) => point(i === null ? null : { column: i }), (i) => pin("key", shown.columns, i));
scroller.addEventListener("scroll", () => shown && drawLines(), { passive: true });

// What the lines are narrowed to: what is pointed at, else what is pinned. { row, column }, either may be undefined.
function focus() {
  if (aim) return aim;
  const row = holding(shown.rows, state.query), column = holding(shown.columns, state.key);
  return { row: row < 0 ? undefined : row, column: column < 0 ? undefined : column };
}

function drawHead() {
  const M = matrix(state.layer, state.heads === "one" ? state.head : state.heads);
  if (M === null) return false;
  shown = M;
  // The mouse rests where it was while the keys walk through the heads.
  if (aim?.row >= M.rows.length || aim?.column >= M.columns.length) aim = null;
  const row = rowHeight(Math.max(M.rows.length, M.columns.length));
  queries.show(M.rows, row);
  keys.show(M.columns, row);
  drawHeat(M);
  drawFacts();
  drawFocus();
  return true;
}

function drawFocus() {
  const M = shown, { row, column } = focus(), m = M.columns.length;
  queries.weigh(column === undefined ? null : (r) => M.values[r * m + column], M.most);
  keys.weigh(row === undefined ? null : (c) => M.values[row * m + c], M.most);
  queries.mark(holding(M.rows, state.query), aim?.row);
  keys.mark(holding(M.columns, state.key), aim?.column);
  drawLines();
  markHeat(M, row, column);
  sayWeight(M, row, column);
}

function drawLines() {
  const M = shown, n = M.rows.length, m = M.columns.length, row = rowHeight(Math.max(n, m));
  const width = linesCanvas.parentElement.clientWidth;
  const height = Math.min(scroller.clientHeight, Math.max(n, m) * row), top = scroller.scrollTop;
  const pen = size(linesCanvas, width, height), { row: only, column: onlyColumn } = focus();
  const found = []; // places in M.values
  for (let r = 0; r < n; r++) {
    if (only !== undefined && r !== only) continue;
    const y = (r + 0.5) * row - top;
    for (let c = 0; c < m; c++) {
      if (onlyColumn !== undefined && c !== onlyColumn) continue;
      const weight = Math.abs(M.values[r * m + c]), to = (c + 0.5) * row - top;
      if (weight < state.least || weight === 0) continue;
      if ((y < 0 && to < 0) || (y > height && to > height)) continue;
      found.push(r * m + c);
    }
  }
  const drawn = strongest(found, M.values, M.most);
  const note = found.length > drawn.length ? `the strongest ${drawn.length} of ${found.length} lines in sight` : `${found.length} ${found.length === 1 ? "line" : "lines"}`;
  byId("lines-note").textContent = `${note}, from ${state.least.toFixed(3)} up${state.hide || state.sentences !== "all" ? "; hidden tokens keep their share" : ""}`;
  const levels = Array.from({ length: 2 * LEVELS }, () => []);
  for (const at of drawn) {
    const level = Math.min(LEVELS - 1, Math.floor((Math.abs(M.values[at]) / M.most) * LEVELS));
    levels[level + (M.values[at] < 0 ? LEVELS : 0)].push(at);
  }
  pen.lineCap = "butt";
  levels.forEach((places, i) => {
    if (!places.length) return;
    const depth = ((i % LEVELS) + 1) / LEVELS;
    pen.globalAlpha = 0.1 + 0.9 * depth ** 1.3;
    pen.lineWidth = 0.6 + 2.6 * depth;
    pen.strokeStyle = state.show !== "difference" ? colours.accent : i < LEVELS ? colours.more : colours.less;
    // One by one: as one path they would cover each other's crossings once, and take ten times as long.
    for (const at of places) {
      pen.beginPath();
      const from = (Math.floor(at / m) + 0.5) * row - top, to = ((at % m) + 0.5) * row - top;
      pen.moveTo(2, from);
      if (drawn.length > 600) pen.lineTo(width - 2, to);
      else pen.bezierCurveTo(width * 0.4, from, width * 0.6, to, width - 2, to);
      pen.stroke();
    }
  });
}

// Of many places the MOST_LINES with the largest weights, found by counting; all of a level that overflows are left out.
function strongest(places, values, most) {
  if (places.length <= MOST_LINES) return places;
  const counts = new Uint32Array(1024), bin = (at) => Math.min(1023, Math.floor((Math.abs(values[at]) / most) * 1023));
  for (const at of places) counts[bin(at)]++;
  let cut = 1023, sum = counts[1023];
  while (cut > 0 && sum + counts[cut - 1] <= MOST_LINES) sum += counts[--cut];
  return places.filter((at) => bin(at) >= cut);
}
