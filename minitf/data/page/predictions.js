// The attribution of a prediction by four methods, and what each layer would predict: tables, built when first shown.

const built = new Set();
const once = (name, build) => {
  if (built.has(name)) return;
  built.add(name);
  build();
};

function drawAttribution() {
  once("sentence", buildSentence);
  if (builtTarget !== state.target) buildAttribution();
  builtTarget = state.target;
  showTarget();
  const { scores, label } = attribution();
  for (const cell of byId("correlations").querySelectorAll("td[data-value]")) {
    const value = Number(cell.dataset.value), colour = colours.difference[colourIndex(value, 1, true)];
    cell.style.background = cssOf(colour);
    cell.style.color = textColour(colour);
  }
  for (const row of byId("attribution").tBodies[0].rows) {
    row.hidden = state.hide && data.special[row.dataset.i];
    row.querySelectorAll("i").forEach((bar, j) => {
      const { share, value, cut } = barOf(scores[j], row.dataset.i);
      bar.style.width = `${50 * share}%`;
      bar.style.left = value < 0 ? `${50 - 50 * share}%` : "50%";
      bar.classList.toggle("cut", cut);
    });
  }
  for (const mark of byId("sentence").querySelectorAll("mark")) {
    const tokens = mark.dataset.tokens.split(" ").map(Number), { background, colour, value } = shadeOf(tokens);
    Object.assign(mark.style, { background, color: colour });
    mark.title = `${state.method}: ${value.toPrecision(3).replace("-", "−")}`;
  }
  byId("sentence-note").textContent = `Shaded by ${state.method}${signedMethod(state.method) ? ` for ${quoted(label)}: orange for it, blue against it` : " in grey, because it has no sign"}. Point at a word to see all its scores.`;
  return true;
}

const unsigned = kinds ? "cross-attention" : "rollout"; // it is neither for nor against a prediction
const signedMethod = (name) => name !== unsigned;
const quoted = (label) => (kinds ? `“${label}”` : label);
let builtTarget = null; // the target token that the tables are built for

// Shows the chosen target token of an encoder-decoder, and the target around it.
function showTarget() {
  if (!kinds) return;
  byId("target").value = state.target;
  byId("target-less").disabled = state.target === 0;
  byId("target-more").disabled = state.target === attributions.length - 1;
  const word = (label, t) => element(t === state.target ? "b" : "span", {}, label.replace(/^▁/, t ? " " : ""));
  byId("target-text").replaceChildren(...attributions.map(({ label }, t) => word(label, t)));
}

// Each method has its own scale, from the words alone: [CLS] can be much larger than all words, and its bar is cut.
const largestScore = (score) => (score.largest ??= Math.max(1e-12, ...score.values.filter((_, i) => !data.special[i]).map(Math.abs)));

function barOf(score, i) {
  const value = score.values[i], share = Math.abs(value) / largestScore(score);
  return { value, share: Math.min(1, share), cut: share > 1.0001 };
}

// The colours of some tokens in the sentence, by the chosen method.
function shadeOf(tokens) {
  const score = attribution().scores.find(({ name }) => name === state.method), signed = signedMethod(state.method);
  const value = tokens.reduce((sum, i) => sum + score.values[i], 0);
  const colour = (signed ? colours.difference : colours.neutral)[colourIndex(value, largestScore(score), signed)];
  return { value, background: cssOf(colour), colour: textColour(colour) };
}

// The text in pieces: { text, tokens, segment, first }; a part that belongs to no token, such as a space, has no tokens.
function sentencePieces() {
  const pieces = [];
  for (const [segment, text] of [data.text, data.pair].entries()) {
    if (text === null || (kinds && segment)) continue; // only the source has scores
    const characters = Array.from(text), count = pieces.length;
    let at = 0;
    data.tokens.forEach((token, i) => {
      if (data.spans[i] === null || data.segments[i] !== segment) return;
      const [start, end] = data.spans[i], last = pieces[pieces.length - 1];
      if (start < at && last?.tokens.length) {
        // Several tokens can be parts of one character.
        last.tokens.push(i);
        last.text += characters.slice(at, end).join("");
      } else {
        if (start > at) pieces.push({ text: characters.slice(at, start).join(""), tokens: [], segment });
        pieces.push({ text: characters.slice(start, end).join(""), tokens: [i], segment });
      }
      at = Math.max(at, end);
    });
    if (at < characters.length) pieces.push({ text: characters.slice(at).join(""), tokens: [], segment });
    if (pieces[count]) pieces[count].first = true;
  }
  return pieces;
}

function buildAttribution() {
  const { label, probability, scores, correlations, conclusion } = attribution(), names = scores.map((score) => score.name);
  byId("attribution-lead").replaceChildren(
    kinds ? "Attribution of the target token " : "Attribution of the prediction ",
    element("b", {}, quoted(label)),
    ` (${probability.toFixed(4)}): orange for it, blue against it; ${unsigned} has no sign. Each method has its own scale, that of the words.`
  );
  const head = element("thead"), top = head.appendChild(element("tr"));
  for (const name of ["token", ...names]) top.append(element("th", { scope: "col" }, name));
  const body = element("tbody");
  data.tokens.slice(0, scores[0].values.length).forEach((token, i) => {
    const row = body.appendChild(element("tr", { "data-i": i }));
    row.append(element("th", { scope: "row", class: data.special[i] ? "soft" : "" }, token));
    scores.forEach((score) => {
      const value = score.values[i], box = element("span", { class: "score" });
      box.append(element("i", { class: !signedMethod(score.name) ? "neutral" : value < 0 ? "against" : "" }));
      const cell = element("td", { title: `${score.name}: ${value.toPrecision(4)}`, "aria-label": value.toPrecision(4) });
      cell.append(box);
      row.append(cell);
    });
  });
  byId("attribution").replaceChildren(head, body);
  buildCorrelations(names, correlations);
  byId("conclusion").textContent = `${conclusion[0].toUpperCase()}${conclusion.slice(1)}.`.replace(/-(?=\d)/g, "−");
  byId("attribution-note").textContent = kinds ? noteOnTarget() : noteOnClass();
}

const noteOnTarget = () =>
  "Of log P of the token, given the tokens before it. Cross-attention: the mean over all layers and heads; it has no " +
  "sign, so it is compared with the absolute values of the others. Gradient × input: the gradient for each word " +
  "embedding, times the embedding. Integrated gradients: the gradient integrated from a source of padding to this one " +
  `(Sundararajan et al. 2017); completeness residual ${attribution().residual.toExponential(1)}. Erasure: how much log P ` +
  "falls if the source token is masked out; the only one of the four that changes the input.";

const noteOnClass = () =>
  "Rollout: attention multiplied through the layers (Abnar & Zuidema 2020); it is the same for every class and has no " +
  "sign, so it is compared with the absolute values of the others. Gradient × attention: each attention weight times " +
  "the gradient of the logit for it. Integrated gradients: the gradient integrated from a text of padding to this one " +
  `(Sundararajan et al. 2017); completeness residual ${attribution().residual.toExponential(1)}. Erasure: how much the logit ` +
  "falls if the token is masked out; the only one of the four that changes the input.";

function buildSentence() {
  const lines = [];
  for (const { text, tokens, first } of sentencePieces()) {
    if (first) lines.push(element("p"));
    const part = tokens.length ? element("mark", { "data-tokens": tokens.join(" ") }, text) : element("span", {}, text);
    lines[lines.length - 1].append(part);
  }
  byId("sentence").replaceChildren(...lines);
  const showScores = (event) => {
    const mark = event.target.closest("mark");
    if (!mark) return;
    const tokens = mark.dataset.tokens.split(" ");
    const values = attribution().scores.map(({ name, values }) => `${name} ${tokens.reduce((sum, i) => sum + values[i], 0).toPrecision(3)}`);
    byId("sentence-note").textContent = `“${tokens.map((i) => data.tokens[i]).join(" ")}”: ${values.join(" · ").replace(/-(?=\d)/g, "−")}`;
  };
  byId("sentence").addEventListener("mouseover", showScores);
  byId("sentence").addEventListener("click", showScores);
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

// Black or white, whichever has more contrast to a colour (WCAG 2.2, relative luminance): at least 4.5.
function textColour(colour) {
  const linear = (byte) => (byte <= 10 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const light = 0.2126 * linear(colour & 255) + 0.7152 * linear((colour >> 8) & 255) + 0.0722 * linear((colour >> 16) & 255);
  return light > 0.179 ? "#000000" : "#ffffff";
}

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
  byId("lens-readout").textContent = "Point at a word to see the five most likely words";
}
