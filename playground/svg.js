/* Small tools of the page: elements, paths of SVG, numbers as text. */
"use strict";

function element(id) {
  return document.getElementById(id);
}

/* A new element, or SVG shape, in `parent`. */
function make(tag, parent, attributes = {}, text = "") {
  const svg = ["svg", "g", "path", "polyline", "line", "text"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  made.append(text);
  parent.append(made);
  return made;
}

let rem = 16;  // the size of the page's letters in pixels

/* Make a picture's units the pixels of its place on the screen. */
function fit(id) {
  const { width, height } = element(id).getBoundingClientRect();
  element(id).setAttribute("viewBox", `0 0 ${width} ${height}`);
  rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/* A picture's [width, height]. */
function size(id) {
  const { width, height } = element(id).viewBox.baseVal;
  return [width, height];
}

/* A point as text; what is far outside the picture stays outside. */
function pair(point) {
  const [x, y] = point.map((v) => Math.min(Math.max(v, -9999), 9999));
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

/* A path through the points [x, y]. */
function line_through(points) {
  return points.length ? `M${Array.from(points, pair).join("L")}` : "";
}

/* A path of dots: lines of no length, whose round ends are as wide as the stroke. */
function dots_at(points) {
  return points.map((point) => `M${pair(point)}h0`).join("");
}

/* A path around a point. */
function circle_at([x, y], radius) {
  const half = `a${radius} ${radius} 0 1 0`;
  return `M${x - radius} ${y}${half} ${2 * radius} 0${half} ${-2 * radius} 0`;
}

/* A path: a cross at a point. */
function cross_at([x, y], size) {
  return `M${x - size} ${y - size}l${2 * size} ${2 * size}`
    + `m0 ${-2 * size}l${-2 * size} ${2 * size}`;
}

/* Set the path of an element of the page, if it is another one: painting is dear. */
function draw_path(id, d) {
  if (element(id).getAttribute("d") !== d) element(id).setAttribute("d", d);
}

/* Put a text at a point of a picture, or none. */
function draw_text(id, text, [x, y] = [0, 0]) {
  const made = element(id);
  made.setAttribute("x", x.toFixed(1));
  made.setAttribute("y", y.toFixed(1));
  if (made.textContent !== String(text)) made.textContent = text;
}

/* Write a text into an element, its symbols in italics, if it is another one. */
function typeset(id, text) {
  const written = element(id);
  if (written.textContent === text) return;
  written.innerHTML = text.replace(/\b[Wk]\b|[φεα]/g, "<i>$&</i>");
}

/* 0.1234 as 0.12, 12.34 as 12, with a minus sign. */
function number(v) {
  return v.toFixed(Math.abs(v) < 9.995 ? 2 : 0).replace("-", "−");
}

/* 3000 as 3,000. */
function whole(n) {
  return n.toLocaleString("en");
}

/* The φ, (P,), that build.py wrote as float16 in base64. */
function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return Float64Array.from(new Uint16Array(bytes.buffer), (half) => {
    const exponent = (half >> 10) & 31, fraction = (half & 1023) / 1024;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
    return half >> 15 ? -size : size;
  });
}
