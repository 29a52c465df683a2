// All heads as small heat maps: rows are layers. Each frame draws a few, so that the page stays responsive.

const THUMB = 72;
let waiting = []; // cells to draw
let builtFor = null; // the heads and the kind of attention that the cells are built for

function drawGrid() {
  const one = state.heads === "one", heads = one ? Array.from({ length: kindOf().heads }, (_, h) => h + 1) : [state.heads];
  const wanted = `${state.heads} ${kinds && state.sentences}`;
  if (builtFor !== wanted) buildGrid(heads);
  builtFor = wanted;
  waiting = [];
  for (const cell of byId("grid").querySelectorAll(".cell")) {
    const layer = Number(cell.dataset.layer), current = layer === state.layer && (!one || Number(cell.dataset.head) === state.head);
    cell.setAttribute("aria-current", current);
    cell.setAttribute("tabindex", current ? 0 : -1);
    const settings = [state.show, state.sentences, (state.threshold ?? 0), state.hide, state.merge, colours.panel].join();
    if (cell.dataset.drawn !== settings) waiting.push([cell, layer, one ? Number(cell.dataset.head) : state.heads, settings]);
  }
  if (waiting.length) requestAnimationFrame(drawSome);
  return true;
}

function buildGrid(heads) {
  const grid = byId("grid"), cells = [element("span")];
  const width = heads.length === 1 ? "minmax(72px, 150px)" : `repeat(${heads.length}, minmax(${touch.matches ? 44 : 30}px, 92px))`;
  grid.style.gridTemplateColumns = `max-content ${width}`;
  for (const head of heads) cells.push(element("span", { class: "label" }, typeof head === "number" ? String(head) : head));
  for (let layer = 1; layer <= kindOf().layers; layer++) {
    cells.push(element("span", { class: "label layer" }, layer === 1 ? "layer 1" : String(layer)));
    for (const head of heads) {
      const label = typeof head === "number" ? `layer ${layer}, head ${head}` : `layer ${layer}, ${head} of its heads`;
      const cell = element("button", { type: "button", class: "cell", "data-layer": layer, "data-head": head, "aria-label": label, title: label });
      cell.append(document.createElement("canvas"));
      cell.addEventListener("click", () => set({ view: "head", layer, ...(typeof head === "number" ? { head } : {}) }));
      cells.push(cell);
    }
  }
  grid.replaceChildren(...cells);
}

function drawSome() {
  const until = performance.now() + 12;
  while (waiting.length && performance.now() < until) {
    const [cell, layer, head, settings] = waiting[0], M = matrix(layer, head);
    if (M === null) return void setTimeout(drawSome, 50); // the browser is still reading its layer
    waiting.shift();
    drawThumb(cell.firstChild, M);
    cell.dataset.drawn = settings;
  }
  if (waiting.length) requestAnimationFrame(drawSome);
}

function drawThumb(canvas, M) {
  const signed = state.show === "difference", dots = Math.round(THUMB * Math.max(1, devicePixelRatio || 1));
  const small = pooled(M, dots);
  canvas.width = canvas.height = dots;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(image(small.values, small.n, small.m, M.largest, signed, (state.threshold ?? 0)), 0, 0, small.m, small.n, 0, 0, dots, dots);
}

// Max pooling to at most dots × dots values: a mean would hide the few large weights.
function pooled(M, dots) {
  const n = M.rows.length, m = M.columns.length;
  if (n <= dots && m <= dots) return { n, m, values: M.values };
  const tall = Math.min(n, dots), wide = Math.min(m, dots), values = new Float32Array(tall * wide);
  const to = Uint32Array.from({ length: m }, (_, c) => Math.floor((c * wide) / m));
  for (let r = 0, i = 0; r < n; r++) {
    const start = Math.floor((r * tall) / n) * wide;
    for (let c = 0; c < m; c++, i++) {
      const at = start + to[c], value = M.values[i];
      if (Math.abs(value) > Math.abs(values[at])) values[at] = value;
    }
  }
  return { n: tall, m: wide, values };
}
