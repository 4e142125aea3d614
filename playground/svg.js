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

/* Enable or disable a button, which says why as its title. One that has the focus hands
   it on to another. */
function enable(id, enabled, heir, why) {
  const button = element(id), focused = document.activeElement === button;
  button.disabled = !enabled;
  button.title = enabled ? "" : why;
  if (focused && !enabled) element(heir).focus();
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

/* A point as text, in tenths; what is far outside the picture stays outside. */
function pair([x, y]) {
  const tenths = (v) => Math.round(10 * Math.min(Math.max(v, -9999), 9999)) / 10;
  return `${tenths(x)} ${tenths(y)}`;
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

const drawn = {};  // the path, text or kernel that each element shows

/* Is this another one than the element shows? Painting is dear. */
function is_new(id, content) {
  const differs = drawn[id] !== content;
  drawn[id] = content;
  return differs;
}

/* Set the path of an element of the page. */
function draw_path(id, d) {
  if (is_new(id, d)) element(id).setAttribute("d", d);
}

/* Put a text at a point of a picture, or none. */
function draw_text(id, text, [x, y] = [0, 0]) {
  const made = element(id);
  made.setAttribute("x", x.toFixed(1));
  made.setAttribute("y", y.toFixed(1));
  if (is_new(id, text)) made.textContent = text;
}

/* Write above a point, within the picture. */
function write_above(id, text, [x, y], distance) {
  const margin = 3 * rem, width = size(element(id).ownerSVGElement.id)[0];
  const inside = Math.min(Math.max(x, margin), width - margin);
  draw_text(id, text, [inside, y - distance]);
}

/* Write a text into an element, its symbols in italics. */
function typeset(id, text) {
  if (is_new(id, text)) element(id).innerHTML = text.replace(/\b[Wkx]\b|[Kφεα]/g, "<i>$&</i>");
}

/* A number to at least two digits: 12, 3.74, 0.12, 0.0034. */
function number(v) {
  if (v >= 9.995) return v.toFixed(0);
  const leading_zeros = v > 0 ? Math.ceil(-Math.log10(v)) - 1 : 0;
  return v.toFixed(Math.max(leading_zeros + 2, 2));
}

/* The heights of labels, moved down until each two are at least `distance` apart. */
function apart(heights, distance) {
  const order = heights.map((_, i) => i).sort((i, j) => heights[i] - heights[j]);
  const moved = [...heights];
  for (let n = 1; n < order.length; n++) {
    const above = moved[order[n - 1]];
    moved[order[n]] = Math.max(moved[order[n]], above + distance);
  }
  return moved;
}

/* "1 step", "2 steps". */
function counted(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
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
