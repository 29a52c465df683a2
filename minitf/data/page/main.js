// Draw what the state says, again whenever it, the size or the colours change.

const draws = { head: drawHead, grid: drawGrid, product: drawProduct, attribution: drawAttribution, lens: drawLens };
let again = null;

function draw() {
  showControls();
  clearTimeout(again);
  document.body.setAttribute("aria-busy", true);
  // A layer that the browser is still reading is drawn as soon as it is there.
  if (draws[state.view]() === false) again = setTimeout(draw, 30);
  else document.body.setAttribute("aria-busy", false);
}

readColours();
readAddress();
setUpControls();
draw();
requestAnimationFrame(() => performance.mark("first view"));

addEventListener("hashchange", () => (readAddress(), draw()));
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (readColours(), draw()));
