// A pen that writes SVG. It has the part of a canvas's context that this page's drawing functions use.

class SvgPen {
  constructor() {
    Object.assign(this, { parts: [], stack: [], measure: document.createElement("canvas").getContext("2d") });
    this.state = { transform: "", font: "10px sans-serif", fillStyle: "#000", strokeStyle: "#000", textAlign: "left", globalAlpha: 1, lineWidth: 1 };
    for (const name of Object.keys(this.state))
      Object.defineProperty(this, name, { get: () => this.state[name], set: (value) => (this.state[name] = value) });
  }
  save() { this.stack.push({ ...this.state }); }
  restore() { this.state = this.stack.pop(); }
  translate(x, y) { this.transform += `translate(${x} ${y})`; }
  rotate(angle) { this.transform += `rotate(${(angle * 180) / Math.PI})`; }
  measureText(text) { this.measure.font = this.font; return this.measure.measureText(text); }
  add(tag, attributes, text = "") {
    const all = { ...attributes, ...(this.transform && { transform: this.transform }), ...(this.globalAlpha < 1 && { opacity: this.globalAlpha.toFixed(3) }) };
    this.parts.push(`<${tag}${Object.entries(all).map(([name, value]) => ` ${name}="${inXml(value)}"`).join("")}>${inXml(text)}</${tag}>`);
  }
  fillRect(x, y, width, height) { this.add("rect", { x, y, width, height, fill: this.fillStyle }); }
  strokeRect(x, y, width, height) { this.add("rect", { x, y, width, height, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth }); }
  fillText(text, x, y) {
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    this.add("text", { x, y, dy: "0.35em", fill: this.fillStyle, "text-anchor": anchor, style: `font: ${this.font}; white-space: pre` }, text);
  }
  drawImage(canvas, ...box) {
    const [x, y, width, height] = box.slice(-4), href = canvas.toDataURL();
    this.add("image", { x, y, width, height, href, preserveAspectRatio: "none", style: "image-rendering: pixelated" });
  }
  beginPath() { this.path = ""; }
  moveTo(...at) { this.path += `M${at.map(round2)}`; }
  lineTo(...at) { this.path += `L${at.map(round2)}`; }
  bezierCurveTo(...at) { this.path += `C${at.map(round2)}`; }
  stroke() { this.add("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth.toFixed(2) }); }
  svg(width, height, background) {
    const box = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` };
    const attributes = Object.entries(box).map(([name, value]) => `${name}="${value}"`).join(" ");
    return `<svg ${attributes}><rect width="100%" height="100%" fill="${background}"/>${this.parts.join("")}</svg>`;
  }
}

const round2 = (x) => Math.round(x * 100) / 100;
const MARKS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// XML has no control characters and no half of a surrogate pair.
const inXml = (text) => String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "\ufffd").replace(/[&<>"]/g, (mark) => MARKS[mark]);
