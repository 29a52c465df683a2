// The attribution of a prediction by four methods, and what each layer would predict: tables, built when first shown.

const built = new Set();
const once = (name, build) => {
  if (built.has(name)) return;
  built.add(name);
  build();
};

function drawAttribution() {
  once("attribution", buildAttribution);
  const attribution = data.attribution;
  for (const cell of byId("correlations").querySelectorAll("td[data-value]")) {
    const value = Number(cell.dataset.value), colour = colours.difference[colourIndex(value, 1, true)];
    cell.style.background = cssOf(colour);
    cell.style.color = textColour(colour);
  }
  // Each method has its own scale, from the visible tokens: [CLS] can be much larger than all words.
  const visible = (i) => !(state.hide && data.special[i]);
  const largest = attribution.scores.map(({ values }) => Math.max(1e-12, ...values.filter((_, i) => visible(i)).map(Math.abs)));
  for (const row of byId("attribution").tBodies[0].rows) {
    row.hidden = !visible(row.dataset.i);
    row.querySelectorAll("i").forEach((bar, j) => {
      const value = attribution.scores[j].values[row.dataset.i], share = Math.min(50, (Math.abs(value) / largest[j]) * 50);
      bar.style.width = `${share}%`;
      bar.style.left = value < 0 ? `${50 - share}%` : "50%";
    });
  }
  return true;
}

function buildAttribution() {
  const attribution = data.attribution, names = attribution.scores.map((score) => score.name);
  byId("attribution-lead").replaceChildren(
    "Attribution of the prediction ",
    element("b", {}, attribution.label),
    ` (${attribution.probability.toFixed(4)}): orange for it, blue against it; each method has its own scale.`
  );
  const head = element("thead"), top = head.appendChild(element("tr"));
  for (const name of ["token", ...names]) top.append(element("th", { scope: "col" }, name));
  const body = element("tbody");
  data.tokens.forEach((token, i) => {
    const row = body.appendChild(element("tr", { "data-i": i }));
    row.append(element("th", { scope: "row", class: data.special[i] ? "soft" : "" }, token));
    attribution.scores.forEach((score) => {
      const value = score.values[i], box = element("span", { class: "score" });
      box.append(element("i", value < 0 ? { class: "against" } : {}));
      const cell = element("td", { title: `${score.name}: ${value.toPrecision(4)}`, "aria-label": value.toPrecision(4) });
      cell.append(box);
      row.append(cell);
    });
  });
  byId("attribution").replaceChildren(head, body);
  buildCorrelations(names, attribution.correlations);
  byId("conclusion").textContent = `${attribution.conclusion[0].toUpperCase()}${attribution.conclusion.slice(1)}.`.replace(/-(?=\d)/g, "−");
  byId("attribution-note").textContent =
    "Rollout: attention multiplied through the layers (Abnar & Zuidema 2020); it is the same for every class and has no " +
    "sign, so it is compared with the absolute values of the others. Gradient × attention: each attention weight times " +
    "the gradient of the logit for it. Integrated gradients: the gradient integrated from a text of padding to this one " +
    `(Sundararajan et al. 2017); completeness residual ${attribution.residual.toExponential(1)}. Erasure: how much the logit ` +
    "falls if the token is masked out; the only one of the four that changes the input.";
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
      const label = i === j ? "" : value === null ? "–" : value.toFixed(2).replace("-", "−");
      row.append(element("td", i === j ? { class: "same" } : value === null ? {} : { "data-value": value }, label));
    });
  });
  byId("correlations").replaceChildren(head, body);
}

// Black or white, whichever has more contrast to a colour.
const textColour = (colour) =>
  0.299 * (colour & 255) + 0.587 * ((colour >> 8) & 255) + 0.114 * ((colour >> 16) & 255) > 140 ? "#14171a" : "#ffffff";

function drawLens() {
  once("lens", buildLens);
  for (const row of byId("lens").tBodies[0].rows) {
    row.hidden = state.hide && data.special[row.dataset.i];
    for (const cell of row.cells) {
      if (cell.tagName === "TH") continue;
      const colour = colours.weight[colourIndex(Number(cell.dataset.p), 1.15, false)];
      cell.style.background = cssOf(colour);
      cell.style.color = textColour(colour);
    }
  }
  return true;
}

function buildLens() {
  const { words, probabilities, own } = data.lens, head = element("thead"), top = head.appendChild(element("tr"));
  for (let l = -1; l < words.length; l++)
    top.append(element("th", { scope: "col" }, l < 0 ? "token" : l === 0 ? "embeddings" : l === 1 ? "layer 1" : String(l)));
  const body = element("tbody");
  data.tokens.forEach((token, s) => {
    const row = body.appendChild(element("tr", { "data-i": s }));
    row.append(element("th", { scope: "row", class: data.special[s] ? "soft" : "" }, token));
    words.forEach((layer, l) => {
      const p = probabilities[l][s][0], cell = element("td", { "data-l": l, "data-s": s, "data-p": p, tabindex: l + s ? -1 : 0 }, layer[s][0]);
      if (layer[s][0] === token.replace(/^##/, "") || layer[s][0] === token) cell.classList.add("own");
      row.append(cell);
    });
  });
  const showWords = (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    const { l, s } = cell.dataset;
    const best = words[l][s].map((word, i) => `${word} ${probabilities[l][s][i].toFixed(3)}`).join("   ");
    byId("lens-readout").replaceChildren(
      `${l === "0" ? "embeddings" : `layer ${l}`} at “${data.tokens[s]}”:  ${best}`, soft(`own token ${own[l][s].toFixed(3)}`)
    );
  };
  const table = byId("lens");
  table.addEventListener("mouseover", showWords);
  table.addEventListener("focusin", showWords);
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
  byId("lens-readout").textContent = "Point at a word to see the five likeliest";
}
