// Colour tables of 256 entries from the style sheet, and canvases that are sharp on high-resolution screens.

let colours;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const list = (name) => style.getPropertyValue(name).trim().split(/\s+/);
  const ramp = list("--ramp"), less = list("--less"), more = list("--more"), panel = ramp[0];
  colours = {
    weight: table(ramp),
    neutral: table(list("--neutral")), // for scores without a sign
    difference: table([...less, panel, ...more]), // −largest … 0 … +largest
    ...Object.fromEntries(["ink", "soft", "edge", "accent", "warm", "focus", "panel"].map((n) => [n, list(`--${n}`)[0]])),
    less: less[0],
    more: more[1],
    family: getComputedStyle(document.body).fontFamily,
  };
}

// Interpolates the stops of a ramp, "#rrggbb" each, to 256 colours in the byte order of a canvas.
function table(stops) {
  const parts = stops.map((stop) => [1, 3, 5].map((i) => parseInt(stop.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    const [r, g, b] = parts[low].map((x, j) => Math.round(x + (parts[low + 1][j] - x) * (at - low)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

const cssOf = (colour) => `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;

// The index in a colour table of a value from 0 to `largest`, or, if signed, from −largest to largest.
const colourIndex = (value, largest, signed) => {
  const share = largest > 0 ? value / largest : 0;
  return Math.max(0, Math.min(255, Math.round(signed ? 127.5 + 127.5 * share : 255 * share)));
};

// Resizes and clears a canvas. Returns its context, which draws in the page's pixels.
function resize(canvas, width, height) {
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
  pen.globalAlpha = 1; // reset what the previous drawing set
  pen.lineWidth = 1;
  pen.imageSmoothingEnabled = false;
  return pen;
}

// Draws values [n, m] on a new canvas of m × n pixels; values below `threshold` have the background colour.
function image(values, n, m, largest, signed, threshold = 0) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, m);
  canvas.height = Math.max(1, n);
  const pen = canvas.getContext("2d"), pixels = pen.createImageData(canvas.width, canvas.height);
  const dots = new Uint32Array(pixels.data.buffer), ramp = signed ? colours.difference : colours.weight;
  const background = ramp[signed ? 127 : 0];
  const middle = signed ? 128 : 0.5, wide = (signed ? 127.5 : 255) / (largest || 1); // as `colourIndex`, inlined for speed
  for (let i = 0; i < n * m; i++) {
    const value = values[i];
    dots[i] = value < threshold && value > -threshold ? background : ramp[(middle + wide * value) | 0];
  }
  pen.putImageData(pixels, 0, 0);
  return canvas;
}
