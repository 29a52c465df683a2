// Saves the current view as a picture, with the model and the text: SVG, or PNG at double size.

const MARGIN = 24;
const paintView = { head: paintHead, grid: paintGrid, product: paintProduct, attribution: paintAttribution, lens: paintLens };

function savePicture(kind) {
  // The first pass only measures: a painter returns the right and lower end of what it painted.
  const paint = (pen) => (pen.textBaseline = "middle", paintView[state.view](pen, paintHeader(pen)).map((end) => Math.ceil(end + MARGIN)));
  const svg = new SvgPen(), [width, height] = paint(svg), name = `${shortName(data.name)}-${state.view}`.replace(/[^\p{L}\p{N}.-]+/gu, "-");
  if (kind === "svg") return download(new Blob([svg.svg(width, height, colours.panel)], { type: "image/svg+xml" }), `${name}.svg`);
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  pen.scale(2, 2);
  pen.imageSmoothingEnabled = false;
  pen.fillStyle = colours.panel;
  pen.fillRect(0, 0, width, height);
  paint(pen);
  canvas.toBlob((blob) => download(blob, `${name}.png`));
}

function download(blob, name) {
  const link = element("a", { download: name });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The last two parts of a path: "reviews-1/best".
const shortName = (name) => name.replace(/[\\/]+$/, "").split(/[\\/]/).slice(-2).join("/");

function write(pen, text, x, y, { size = 13, colour = colours.ink, align = "left", bold = false, most = 1e9 } = {}) {
  pen.font = `${bold ? "bold " : ""}${fontOf(size)}`;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.fillText(most < 1e9 ? truncate(pen, text, most) : text, x, y);
}

// Writes a text in lines of a width; returns the y below it.
function writeLines(pen, text, x, y, width, settings) {
  const { size = 13, bold = false } = settings;
  pen.font = `${bold ? "bold " : ""}${fontOf(size)}`;
  let line = "";
  for (const part of text.match(/\s+|[\u2e80-\uffff]|[^\s\u2e80-\uffff]{1,40}/gu) ?? []) {
    if (line && pen.measureText(line + part).width > width) {
      write(pen, line, x, y + size / 2, settings);
      y += size * 1.45;
      line = "";
    }
    line += line || part.trim() ? part : "";
  }
  if (line) write(pen, line, x, y + size / 2, settings);
  return y + size * 1.45;
}

function paintHeader(pen) {
  const compared = data.compare !== null && state.show === "difference" ? ` minus ${shortName(data.compare)}` : "";
  const name = state.show === "b" ? data.compare : data.name;
  let y = writeLines(pen, shortName(name) + compared, MARGIN, MARGIN, 780, { size: 17, bold: true });
  if (state.view === "attribution") return y + 6;
  const soft = { size: 13, colour: colours.soft };
  y = writeLines(pen, `${data.roles ? `${data.roles[0]}: ` : ""}${data.text}`, MARGIN, y + 2, 780, soft);
  if (hasPair) y = writeLines(pen, `${data.roles ? `${data.roles[1]}: ` : ""}${data.pair}`, MARGIN, y, 780, soft);
  const what = { head: where(), grid: "all heads: rows are layers, columns heads", product: where(), lens: "what each layer would predict" }[state.view];
  return writeLines(pen, what, MARGIN, y + 2, 780, { size: 13 }) + 8;
}

function paintHead(pen, y) {
  const M = shown, n = M.rows.length, m = M.columns.length, row = Math.max(10, Math.min(24, 7000 / Math.max(n, m))), size = Math.min(13, row - 2);
  pen.font = fontOf(size);
  const widest = (groups) => Math.min(170, Math.max(30, ...groups.map((g) => pen.measureText(g.label).width))) + 8;
  const left = MARGIN + widest(M.rows), wide = 260, right = left + wide, end = right + widest(M.columns);
  const tokens = (groups, x, align) => groups.forEach((g, i) => write(pen, g.label, x, y + (i + 0.5) * row, { size, align, most: 170, colour: g.special ? colours.soft : colours.ink }));
  tokens(M.rows, left - 6, "right");
  tokens(M.columns, right + 6, "left");
  const { row: onlyRow, column: onlyColumn } = focus(), indices = [], least = leastLine(M);
  for (let at = 0; at < M.values.length; at++) {
    const size = Math.abs(M.values[at]), other = (onlyRow ?? Math.floor(at / m)) !== Math.floor(at / m) || (onlyColumn ?? at % m) !== at % m;
    if (size >= least && size > 0 && !other) indices.push(at);
  }
  pen.save();
  pen.translate(left, y);
  strokeLines(pen, M, largestOf(indices, M.values, M.largest), row, wide);
  pen.restore();
  pen.globalAlpha = 1;
  pen.save();
  pen.translate(end + 24, y - 4);
  pen.lineWidth = 1;
  paintHeat(pen, M, onlyRow, onlyColumn);
  pen.restore();
  const { left: labels, top, cell } = heatLayout, heatEnd = end + 24 + labels + m * cell, below = y + top + n * cell + 22;
  const [from, to] = state.show === "difference" ? [-M.largest, M.largest] : [0, M.largest];
  paintLegend(pen, end + 24 + labels, below, state.show === "difference", `${from.toFixed(3)}`, to.toFixed(3));
  return [Math.max(heatEnd, end + 24 + labels + 330), Math.max(y + Math.max(n, m) * row, below + 8)];
}

function paintLegend(pen, x, y, signed, from, to) {
  write(pen, from.replace("-", "−"), x, y, { size: 11, colour: colours.soft });
  const start = x + pen.measureText(from).width + 10;
  pen.drawImage(image(Float32Array.from({ length: 160 }, (_, i) => (signed ? i / 79.5 - 1 : i / 159)), 1, 160, 1, signed), start, y - 5, 160, 10);
  write(pen, to, start + 168, y, { size: 11, colour: colours.soft });
}

function paintGrid(pen, y) {
  const cells = [...byId("grid").querySelectorAll(".cell")], side = 72, gap = 6, heads = [...new Set(cells.map((cell) => cell.dataset.head))];
  const left = MARGIN + 60;
  heads.forEach((head, i) => write(pen, head, left + i * (side + gap) + side / 2, y, { size: 12, colour: colours.soft, align: "center" }));
  cells.forEach((cell, i) => {
    const x = left + (i % heads.length) * (side + gap), top = y + 12 + Math.floor(i / heads.length) * (side + gap);
    if (i % heads.length === 0) write(pen, `layer ${cell.dataset.layer}`, left - 8, top + side / 2, { size: 12, colour: colours.soft, align: "right" });
    pen.drawImage(cell.firstChild, x, top, side, side);
    pen.strokeStyle = colours.edge;
    pen.strokeRect(x, top, side, side);
  });
  return [left + heads.length * (side + gap), y + 12 + (cells.length / heads.length) * (side + gap)];
}

function paintProduct(pen, y) {
  const { columns, products, weights, column } = product, d = data.d_k, row = Math.max(10, Math.min(24, 7000 / columns.length)), left = MARGIN + 190;
  y = writeLines(pen, byId("product-title").textContent, MARGIN, y, 780, { size: 13, colour: colours.soft }) + 6;
  const largest = products.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  pen.drawImage(image(products, columns.length, d, largest, true), left, y, 600, columns.length * row);
  columns.forEach((group, c) => {
    const settings = { size: Math.min(13, row - 2), colour: c === column ? colours.focus : colours.ink };
    write(pen, group.label, MARGIN, y + (c + 0.5) * row, { ...settings, most: 130 });
    write(pen, short(weights[group.tokens[0]]), left - 8, y + (c + 0.5) * row, { ...settings, align: "right" });
  });
  return [left + 600, writeLines(pen, Array.from(byId("product-readout").childNodes, (part) => part.textContent).join(" "), MARGIN, y + columns.length * row + 14, 780, { size: 13 })];
}

function paintAttribution(pen, y) {
  const { scores, label, probability, conclusion } = attribution();
  y = writeLines(pen, `${label} (${probability.toFixed(4)}), shaded by ${state.method}: ${signedMethod(state.method) ? "orange for it, blue against it" : "grey, without a sign"}`, MARGIN, y, 780, { size: 13, colour: colours.soft }) + 8;
  y = paintSentence(pen, y) + 22;
  scores.forEach(({ name }, j) => write(pen, name, MARGIN + 220 + j * 160, y, { size: 12, align: "center", bold: true }));
  y += 20;
  const rows = [...byId("attribution").tBodies[0].rows].filter((row) => !row.hidden);
  rows.forEach((row, r) => {
    const at = y + r * 20, i = Number(row.dataset.i);
    write(pen, data.tokens[i], MARGIN, at, { colour: data.special[i] ? colours.soft : colours.ink, most: 120 });
    scores.forEach((score, j) => {
      const { share, value } = barOf(score, i), middle = MARGIN + 220 + j * 160, wide = share * 72;
      pen.fillStyle = colours.edge;
      pen.fillRect(middle, at - 8, 1, 16);
      pen.fillStyle = !signedMethod(score.name) ? colours.soft : value < 0 ? colours.accent : colours.warm;
      pen.fillRect(value < 0 ? middle - wide : middle, at - 6, wide, 12);
    });
  });
  return [MARGIN + 800, writeLines(pen, conclusion, MARGIN, y + rows.length * 20 + 8, 780, { size: 13 })];
}

// The shaded sentence, in lines; returns the y below it.
function paintSentence(pen, y) {
  const size = 19, line = 32, pieces = sentencePieces();
  let x = MARGIN;
  y += line / 2;
  for (const { text, tokens, segment, first } of pieces) {
    if (first && segment) (x = MARGIN, y += line);
    const shade = tokens.length ? shadeOf(tokens) : null;
    for (const part of text.match(/\s+|[\u2e80-\uffff]|[^\s\u2e80-\uffff]{1,40}/gu) ?? []) {
      pen.font = fontOf(size);
      const wide = pen.measureText(part).width;
      if (x + wide > MARGIN + 800) (x = MARGIN, y += line);
      if (shade) {
        pen.fillStyle = shade.background;
        pen.fillRect(x - 1, y - 13, wide + 2, 26);
      }
      write(pen, part, x, y, { size, colour: shade ? shade.colour : colours.soft });
      x += wide;
    }
  }
  return y + line / 2;
}

function paintLens(pen, y) {
  const { words, probabilities } = data.lens, wide = 96, left = MARGIN + 110;
  words.forEach((_, l) => write(pen, l ? `layer ${l}` : "embeddings", left + (l + 0.5) * wide, y, { size: 12, colour: colours.soft, align: "center" }));
  const visible = data.tokens.map((_, s) => s).filter((s) => !(state.hide && data.special[s]));
  visible.forEach((s, r) => {
    const at = y + 24 + r * 24;
    write(pen, data.tokens[s], MARGIN, at, { most: 100, colour: data.special[s] ? colours.soft : colours.ink });
    words.forEach((layer, l) => {
      const colour = colours.weight[colourIndex(probabilities[l][s][0], 1.15, false)];
      pen.fillStyle = cssOf(colour);
      pen.fillRect(left + l * wide, at - 12, wide - 2, 22);
      write(pen, layer[s][0], left + (l + 0.5) * wide, at, { align: "center", most: wide - 10, colour: textColour(colour) });
    });
  });
  return [left + words.length * wide, y + 24 + visible.length * 24];
}
