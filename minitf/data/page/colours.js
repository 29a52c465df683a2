// Colours from the style sheet, as tables of 256; canvases that are sharp on every screen.

let colours;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const list = (name) => style.getPropertyValue(name).trim().split(/\s+/);
  const ramp = list("--ramp"), less = list("--less"), more = list("--more"), panel = ramp[0];
  colours = {
    weight: table(ramp),
    difference: table([...less, panel, ...more]), // −most … 0 … +most
    ...Object.fromEntries(["ink", "soft", "edge", "accent", "warm", "focus", "panel"].map((n) => [n, list(`--${n}`)[0]])),
    less: less[0],
    more: more[1],
    family: getComputedStyle(document.body).fontFamily,
  };
}

// The stops of a ramp, "#rrggbb" each, as 256 colours in a canvas's own order of bytes.
function table(stops) {
  const parts = stops.map((stop) => [1, 3, 5].map((i) => parseInt(stop.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    const [r, g, b] = parts[low].map((x, j) => Math.round(x + (parts[low + 1][j] - x) * (at - low)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

const cssOf = (colour) => `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;

// The place in a table of a value up to `most`, or from −most to most.
const placeOf = (value, most, signed) => {
  const share = most > 0 ? value / most : 0;
  return Math.max(0, Math.min(255, Math.round(signed ? 127.5 + 127.5 * share : 255 * share)));
};

// A canvas of this size on the page; drawing is in the page's own pixels.
function size(canvas, width, height) {
  const dots = devicePixelRatio || 1, pen = canvas.getContext("2d");
  const wide = Math.max(1, Math.round(width * dots)), tall = Math.max(1, Math.round(height * dots));
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide;
    canvas.height = tall;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.globalAlpha = 1; // what the last drawing left behind
  pen.lineWidth = 1;
  pen.imageSmoothingEnabled = false;
  return pen;
}

// Values [n, m] as a canvas of m × n dots; what is below `least` is left as paper.
function image(values, n, m, most, signed, least = 0) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, m);
  canvas.height = Math.max(1, n);
  const pen = canvas.getContext("2d"), pixels = pen.createImageData(canvas.width, canvas.height);
  const dots = new Uint32Array(pixels.data.buffer), ramp = signed ? colours.difference : colours.weight;
  const nothing = ramp[signed ? 127 : 0];
  const middle = signed ? 128 : 0.5, wide = (signed ? 127.5 : 255) / (most || 1); // as `placeOf`, for each of many
  for (let i = 0; i < n * m; i++) {
    const value = values[i];
    dots[i] = value < least && value > -least ? nothing : ramp[(middle + wide * value) | 0];
  }
  pen.putImageData(pixels, 0, 0);
  return canvas;
}
