// Draws the state, again whenever the state, the window size or the colour scheme changes.

const drawView = { head: drawHead, grid: drawGrid, product: drawProduct, attribution: drawAttribution, lens: drawLens };
let retry = null;

function draw() {
  showControls();
  clearTimeout(retry);
  document.body.setAttribute("aria-busy", true);
  // A layer that the browser is still reading is drawn as soon as it is complete.
  if (drawView[state.view]() === false) retry = setTimeout(draw, 30);
  else document.body.setAttribute("aria-busy", false);
  if (framed) parent.postMessage({ minitfHeight: document.body.offsetHeight }, "*");
}

document.documentElement.classList.toggle("framed", framed);
readColours();
readAddress();
setUpControls();
draw();
requestAnimationFrame(() => performance.mark("first view"));

addEventListener("hashchange", () => (readAddress(), draw()));
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (readColours(), draw()));
