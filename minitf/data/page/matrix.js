// The weights to show: of one head or over all heads, of one model or the difference, without hidden tokens.

const cache = new Map(); // the most recent full maps

function cached(name, make) {
  if (!cache.has(name)) {
    const value = make();
    if (value === null) return null;
    if (cache.size > 8) cache.delete(cache.keys().next().value);
    cache.set(name, value);
  }
  return cache.get(name);
}

// A [S, S] of one model, with head a number, "mean" or "max"; `steps` [S] are the quantisation steps of its rows. Null
// if the browser has not read it yet.
function wholeMap(model, layer, head) {
  return cached(`${model}/${layer}/${head}/${kindOf().heads}`, () => {
    const heads = typeof head === "number" ? [head] : Array.from({ length: kindOf().heads }, (_, h) => h + 1);
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

function shownMap(layer, head) {
  if (state.show !== "difference") return wholeMap(state.show, layer, head);
  const a = wholeMap("a", layer, head), b = wholeMap("b", layer, head);
  if (a === null || b === null) return null;
  return cached(`difference/${layer}/${head}/${kindOf().heads}`, () => ({
    A: a.A.map((weight, i) => weight - b.A[i]),
    steps: a.steps.map((step, q) => step + b.steps[q]),
  }));
}

// The visible tokens of one side ("query" or "key") in groups: a group is a word, if pieces are merged, else a token.
function groupsOf(side) {
  const segment = state.sentences === "all" ? null : "ab".indexOf(state.sentences[side === "query" ? 0 : 1]);
  const groups = [], { tokens, words, special } = side === "query" && data.queries ? data.queries : data;
  for (let i = 0; i < S; i++) {
    if ((segment !== null && data.segments[i] !== segment) || (state.hide && special[i])) continue;
    const last = groups[groups.length - 1];
    if (state.merge && last && last.word === words[i]) {
      last.tokens.push(i);
      last.label += tokens[i].replace(/^##/, "");
    } else {
      groups.push({ word: words[i], tokens: [i], label: tokens[i], special: special[i], segment: data.segments[i] });
    }
  }
  return groups;
}

// { rows, columns, values [rows, columns], largest, steps }: the sum over the keys of a group, the mean over its queries.
function matrix(layer, head) {
  const map = shownMap(layer, head);
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
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = values[i] < 0 ? -values[i] : values[i];
    if (size > largest) largest = size;
  }
  return { rows, columns, values, largest, steps: map.steps };
}

// The maximum error of a shown weight: half a quantisation step of its row, for each key in the sum.
function maxError(M, r, c) {
  const queries = M.rows[r].tokens;
  return (queries.reduce((sum, q) => sum + M.steps[q], 0) / queries.length / 2) * M.columns[c].tokens.length;
}
