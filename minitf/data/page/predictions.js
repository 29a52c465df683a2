// What a prediction rests on, by four methods; and what each layer would predict. Tables, built when first shown.

const built = new Set();
const once = (name, build) => {
  if (built.has(name)) return;
  built.add(name);
  build();
};

function drawAttribution() {
  once("attribution", buildAttribution);
  const found = given.attribution;
  for (const cell of byId("correlations").querySelectorAll("td[data-value]")) {
    const value = Number(cell.dataset.value), colour = colours.difference[placeOf(value, 1, true)];
    cell.style.background = cssOf(colour);
    cell.style.color = readable(colour);
  }
  // Each method on its own scale: that of the tokens in sight, for [CLS] alone can dwarf all words.
  const seen = (i) => !(state.hide && given.special[i]);
  const most = found.scores.map(({ values }) => Math.max(1e-12, ...values.filter((_, i) => seen(i)).map(Math.abs)));
  for (const row of byId("attribution").tBodies[0].rows) {
    row.hidden = !seen(row.dataset.i);
    row.querySelectorAll("i").forEach((bar, j) => {
      const value = found.scores[j].values[row.dataset.i], share = Math.min(50, (Math.abs(value) / most[j]) * 50);
      bar.style.width = `${share}%`;
      bar.style.left = value < 0 ? `${50 - share}%` : "50%";
    });
  }
  return true;
}

function buildAttribution() {
  const found = given.attribution, names = found.scores.map((score) => score.name);
  byId("attribution-lead").replaceChildren(
    "What the prediction ",
    element("b", {}, found.label),
    ` (${found.probability.toFixed(4)}) rests on: orange speaks for it, blue against it; each method on its own scale.`
  );
  const head = element("thead"), top = head.appendChild(element("tr"));
  for (const name of ["token", ...names]) top.append(element("th", { scope: "col" }, name));
  const body = element("tbody");
  given.tokens.forEach((token, i) => {
    const row = body.appendChild(element("tr", { "data-i": i }));
    row.append(element("th", { scope: "row", class: given.special[i] ? "soft" : "" }, token));
    found.scores.forEach((score) => {
      const value = score.values[i], box = element("span", { class: "score" });
      box.append(element("i", value < 0 ? { class: "against" } : {}));
      const cell = element("td", { title: `${score.name}: ${value.toPrecision(4)}`, "aria-label": value.toPrecision(4) });
      cell.append(box);
      row.append(cell);
    });
  });
  byId("attribution").replaceChildren(head, body);
  buildCorrelations(names, found.correlations);
  byId("verdict").textContent = `${found.verdict[0].toUpperCase()}${found.verdict.slice(1)}.`.replace(/-(?=\d)/g, "−");
  byId("attribution-note").textContent =
    "Rollout: attention carried through the layers, the same whatever is predicted (Abnar & Zuidema 2020); it takes no side, so the others are compared with it by their size. Gradient × attention: " +
    "weights times what the prediction would gain by them. Integrated gradients: from a text of padding to this one " +
    `(Sundararajan et al. 2017); completeness residual ${found.residual.toExponential(1)}. Erasure: hide the token and see by how much the logit falls; ` +
    "of the four, the only experiment.";
}

function buildCorrelations(names, pairs) {
  const table = names.map((_, i) => names.map((_, j) => (i === j ? 1 : null)));
  for (const [i, j, value] of pairs) table[i][j] = table[j][i] = value;
  const head = element("thead"), top = head.appendChild(element("tr"));
  for (const name of ["", ...names]) top.append(element(name ? "th" : "td", name ? { scope: "col" } : {}, name));
  const body = element("tbody");
  table.forEach((values, i) => {
    const row = body.appendChild(element("tr"));
    row.append(element("th", { scope: "row" }, names[i]));
    values.forEach((value, j) => {
      const said = i === j ? "" : value === null ? "–" : value.toFixed(2).replace("-", "−");
      row.append(element("td", i === j ? { class: "same" } : value === null ? {} : { "data-value": value }, said));
    });
  });
  byId("correlations").replaceChildren(head, body);
}

// Black or white, whichever stands out on a colour.
const readable = (colour) =>
  0.299 * (colour & 255) + 0.587 * ((colour >> 8) & 255) + 0.114 * ((colour >> 16) & 255) > 140 ? "#14171a" : "#ffffff";

function drawLens() {
  once("lens", buildLens);
  for (const row of byId("lens").tBodies[0].rows) {
    row.hidden = state.hide && given.special[row.dataset.i];
    for (const cell of row.cells) {
      if (cell.tagName === "TH") continue;
      const colour = colours.weight[placeOf(Number(cell.dataset.p), 1.15, false)];
      cell.style.background = cssOf(colour);
      cell.style.color = readable(colour);
    }
  }
  return true;
}

function buildLens() {
  const { words, probabilities, own } = given.lens, head = element("thead"), top = head.appendChild(element("tr"));
  for (let l = -1; l < words.length; l++)
    top.append(element("th", { scope: "col" }, l < 0 ? "token" : l === 0 ? "embeddings" : l === 1 ? "layer 1" : String(l)));
  const body = element("tbody");
  given.tokens.forEach((token, s) => {
    const row = body.appendChild(element("tr", { "data-i": s }));
    row.append(element("th", { scope: "row", class: given.special[s] ? "soft" : "" }, token));
    words.forEach((layer, l) => {
      const p = probabilities[l][s][0], cell = element("td", { "data-l": l, "data-s": s, "data-p": p, tabindex: l + s ? -1 : 0 }, layer[s][0]);
      if (layer[s][0] === token.replace(/^##/, "") || layer[s][0] === token) cell.classList.add("own");
      row.append(cell);
    });
  });
  const say = (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    const { l, s } = cell.dataset;
    const best = words[l][s].map((word, i) => `${word} ${probabilities[l][s][i].toFixed(3)}`).join("   ");
    byId("lens-readout").replaceChildren(
      `${l === "0" ? "embeddings" : `layer ${l}`} at “${given.tokens[s]}”:  ${best}`, soft(`itself ${own[l][s].toFixed(3)}`)
    );
  };
  const table = byId("lens");
  table.addEventListener("mouseover", say);
  table.addEventListener("focusin", say);
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td"), row = cell?.parentElement;
    const next = cell && { ArrowLeft: cell.previousElementSibling, ArrowRight: cell.nextElementSibling,
      ArrowUp: row.previousElementSibling?.cells[cell.cellIndex], ArrowDown: row.nextElementSibling?.cells[cell.cellIndex] }[event.key];
    if (!next || next.tagName !== "TD") return;
    event.preventDefault();
    event.stopPropagation();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  table.replaceChildren(head, body);
  byId("lens-readout").textContent = "Point at a word for the five likeliest";
}
