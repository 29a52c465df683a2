// The weights as they are shown: of one head or over all, of one model or the difference, of the tokens that are left.

const kept = new Map(); // the last few whole maps

function remember(name, make) {
  if (!kept.has(name)) {
    const made = make();
    if (made === null) return null;
    if (kept.size > 8) kept.delete(kept.keys().next().value);
    kept.set(name, made);
  }
  return kept.get(name);
}

// A [S, S] of one model, head a number, "mean" or "max"; `steps` [S] are the steps of its rows. Null if not here yet.
function wholeMap(model, layer, head) {
  return remember(`${model}/${layer}/${head}`, () => {
    const heads = typeof head === "number" ? [head] : Array.from({ length: given.heads }, (_, h) => h + 1);
    const A = new Float32Array(S * S), steps = new Float32Array(S);
    for (const h of heads) {
      const found = weightsOf(model, layer, h);
      if (found === null) return null;
      for (let q = 0, i = 0; q < S; q++) {
        const scale = found.scales[q], share = head === "mean" ? scale / heads.length : scale;
        steps[q] = head === "mean" ? steps[q] + share : Math.max(steps[q], share);
        if (head === "max") for (let k = 0; k < S; k++, i++) A[i] = Math.max(A[i], found.bytes[i] * share);
        else for (let k = 0; k < S; k++, i++) A[i] += found.bytes[i] * share;
      }
    }
    return { A, steps };
  });
}

function chosen(layer, head) {
  if (state.show !== "difference") return wholeMap(state.show, layer, head);
  const a = wholeMap("a", layer, head), b = wholeMap("b", layer, head);
  if (a === null || b === null) return null;
  return remember(`difference/${layer}/${head}`, () => ({
    A: a.A.map((weight, i) => weight - b.A[i]),
    steps: a.steps.map((step, q) => step + b.steps[q]),
  }));
}

// The tokens of one side ("query" or "key") that are left, in groups: a word, if pieces are merged, else one token.
function groupsOf(side) {
  const wanted = state.sentences === "all" ? null : "ab".indexOf(state.sentences[side === "query" ? 0 : 1]);
  const groups = [];
  for (let i = 0; i < S; i++) {
    if ((wanted !== null && given.segments[i] !== wanted) || (state.hide && given.special[i])) continue;
    const last = groups[groups.length - 1];
    if (state.merge && last && last.word === given.words[i]) {
      last.tokens.push(i);
      last.label += given.tokens[i].replace(/^##/, "");
    } else {
      const { [i]: word } = given.words;
      groups.push({ word, tokens: [i], label: given.tokens[i], special: given.special[i], segment: given.segments[i] });
    }
  }
  return groups;
}

// { rows, columns, values [rows, columns], most }: the sum over the keys of a group, the mean over its queries.
function matrix(layer, head) {
  const map = chosen(layer, head);
  if (map === null) return null;
  const rows = groupsOf("query"), columns = groupsOf("key"), m = columns.length;
  let values = map.A;
  if (rows.length !== S || m !== S) {
    values = new Float32Array(rows.length * m);
    for (let r = 0, at = 0; r < rows.length; r++)
      for (let c = 0; c < m; c++, at++) {
        let sum = 0;
        for (const q of rows[r].tokens) for (const k of columns[c].tokens) sum += map.A[q * S + k];
        values[at] = sum / rows[r].tokens.length;
      }
  }
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const size = values[i] < 0 ? -values[i] : values[i];
    if (size > most) most = size;
  }
  return { rows, columns, values, most, steps: map.steps };
}

// By how much a shown weight may be off: half a step of its row, for each key it sums.
function doubt(M, r, c) {
  const queries = M.rows[r].tokens;
  return (queries.reduce((sum, q) => sum + M.steps[q], 0) / queries.length / 2) * M.columns[c].tokens.length;
}
