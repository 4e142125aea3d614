/* The page itself: what is on it, and what hands do to it. */
"use strict";

const element = (id) => document.getElementById(id);
const make = (tag, parent, attributes = {}, text = "") => {
  const svg = ["svg", "polyline", "line", "text"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(text);
  parent.append(made);
  return made;
};

/* Random numbers in [0, 1) from a seed (mulberry32), so that the page begins the same every time. */
function generator(seed) {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/* The numbers of a φ that build.py wrote as float16 in base64. */
function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return Float64Array.from(new Uint16Array(bytes.buffer), (half) => {
    const sign = half >> 15 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}

/* Call `draw` once before the next frame is shown, however often this is called until then. */
function once_a_frame(draw) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(); });
  };
}

/* A button that walks a slider from 0 to its last step; pressed again, it pauses. */
function playable(button, slider, milliseconds) {
  let timer = null, paused = false;
  const label = button.getAttribute("aria-label");
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", label);
  };
  const go = (k) => { slider.value = k; slider.dispatchEvent(new Event("input")); };
  button.addEventListener("click", () => {
    if (timer === null && !paused) go(0);
    paused = timer !== null;
    if (paused) return stop();
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      go(+slider.value + 1);
      if (slider.value === slider.max) stop();
    }, milliseconds);
  });
  slider.addEventListener("pointerdown", () => { stop(); paused = false; });
}

// ---------------------------------------------------------------------------------- sines

const SINE_NET = new MLP([1, 64, 64, 1]);
const METHODS = [  // in the order in which they are drawn, one over the other
  { key: "random", name: "random", phi: SINE_NET.init(generator(0)) },
  { key: "joint", name: "joint training", phi: decode(PHI.joint) },
  { key: "maml", name: "MAML", phi: decode(PHI.maml) },
  { key: "reptile", name: "Reptile", phi: decode(PHI.reptile) },
];
const GRID = Float64Array.from({ length: 99 }, (_, i) => -5 + (10 * i) / 98);  // each other one is one of the 50 points
const X_MAX = 5, Y_MAX = 5.8, DIVERGED = 1000;  // no sine has a mean square above 12.5
const WIDTH = 10.8, HEIGHT = 12.4;  // of the plot's viewBox

const sines = { random: generator(111), task: null, points: [], one_side: false };
const true_sine = (x) => sines.task.a * Math.sin(x + sines.task.b);

/* Ten of the fifty points of [−5, 5], or of those on one side of 0. */
function draw_points() {
  const from = sines.one_side ? (sines.random() < 0.5 ? 0 : 25) : 0, n = sines.one_side ? 25 : 50;
  const order = Array.from({ length: n }, (_, i) => [sines.random(), i + from]).sort((p, q) => p[0] - q[0]);
  sines.points = order.slice(0, 10).map(([, i]) => ({ x: GRID[2 * i], y: true_sine(GRID[2 * i]) }));
}

function draw_task() {
  sines.task = { b: 2 * Math.PI * sines.random(), a: 0.1 + 4.9 * sines.random() };
  draw_points();
}

/* A piece of a curve, as in the plot. */
function swatch(parent, key) {
  const svg = make("svg", parent, { viewBox: "0 0 40 8", class: "swatch", "aria-hidden": "true" });
  make("line", svg, { class: `curve-${key}`, x1: 0, x2: 40, y1: 4, y2: 4 });
}

/* Set up the plot, the handles of the points, and a row of the table for each method. */
function build_sines() {
  const grid = element("grid"), curves = element("curves"), plot = document.querySelector(".plot");
  for (const value of [-5, 0, 5]) {
    make("line", grid, { x1: value, x2: value, y1: -HEIGHT / 2, y2: HEIGHT / 2 });
    make("line", grid, { y1: value, y2: value, x1: -WIDTH / 2, x2: WIDTH / 2 });
    const left = 50 + (100 * value) / WIDTH, top = 50 - (100 * value) / HEIGHT;
    make("span", plot, { class: "tick", style: `left: ${left}%; bottom: 0; translate: ${value === 5 ? -100 : 0}%` },
      value === 5 ? "x = 5" : String(value).replace("-", "−"));
    make("span", plot, { class: "tick", style: `left: 0; top: ${top}%; translate: 0 ${value < 0 ? -100 : 0}%` },
      value === 5 ? "f(x) = 5" : String(value).replace("-", "−"));
  }
  swatch(element("truth"), "true");
  element("truth").append("true sine");
  sines.curve = make("polyline", curves, { class: "curve-true" });
  for (const method of METHODS) method.curve = make("polyline", curves, { class: `curve-${method.key}` });
  for (const method of [...METHODS].reverse()) {
    const row = make("tr", element("methods")), head = make("th", row, { scope: "row" });
    const label = make("label", head);
    method.shown = make("input", label, { type: "checkbox", autocomplete: "off" });
    method.shown.checked = true;
    method.shown.addEventListener("change", show_sines);
    swatch(label, method.key);
    label.append(method.name);
    method.loss = make("td", row);
    method.error = make("td", row, { class: "error", style: `--color: var(--${method.key})` });
  }
  for (let i = 0; i < 10; i++)
    make("div", element("points"), { class: "point", tabindex: 0, role: "slider", "aria-label": `point ${i + 1}`,
      "aria-valuemin": -Y_MAX, "aria-valuemax": Y_MAX });
}

const mean_square = (values, others) => values.reduce((sum, v, i) => sum + (v - others[i]) ** 2, 0) / values.length;
const number = (v) => (v < 9.995 ? v.toFixed(2) : v.toFixed(0));

/* Adapt each network to the points, and show what it makes of them. */
function show_sines() {
  const k = +element("sine-k").value, alpha = +element("sine-alpha").value;
  const x = Float64Array.from(sines.points, (p) => p.x), y = Float64Array.from(sines.points, (p) => p.y);
  const truth = GRID.map(true_sine);
  const zero = mean_square(truth, truth.map(() => 0));  // the error of a network that always says 0
  const line = (f) => Array.from(f, (v, i) => `${GRID[i].toFixed(6)},${v.toFixed(6)}`).join(" ");
  let diverged = false;
  for (const method of METHODS) {
    let weights;
    for (weights of adapt(SINE_NET, method.phi, x, y, alpha, k));  // to the last step
    const f = SINE_NET.predict(weights, GRID), even = (_, i) => i % 2 === 0;
    const loss = mean_square(SINE_NET.predict(weights, x), y);
    const error = mean_square(f.filter(even), truth.filter(even));
    const fits = loss < DIVERGED && error < DIVERGED;  // false for NaN
    diverged ||= !fits;
    method.curve.setAttribute("points", fits && method.shown.checked ? line(f) : "");
    method.loss.textContent = fits ? number(loss) : "diverged";
    method.error.textContent = fits ? number(error) : "diverged";
    method.error.style.setProperty("--share", fits ? Math.min(error / zero, 1) : 0);
  }
  sines.curve.setAttribute("points", line(truth));
  [...element("points").children].forEach((handle, i) => {
    const { x, y } = sines.points[i];
    handle.style.left = `${50 + (100 * x) / WIDTH}%`;
    handle.style.top = `${50 - (100 * y) / HEIGHT}%`;
    handle.setAttribute("aria-valuenow", y.toFixed(1));
    handle.setAttribute("aria-valuetext", `x = ${x.toFixed(1)}, y = ${y.toFixed(1)}`);
  });
  element("sine-k-value").textContent = k;
  element("sine-alpha-value").textContent = alpha;
  element("one-side").setAttribute("aria-pressed", sines.one_side);
  element("sine-status").textContent = diverged
    ? `α = ${alpha} is too large: gradient descent diverges. Choose a smaller α.` : "";
}

/* Points are dragged by mouse, pen or any number of fingers, or moved by the arrow keys. */
function move_points() {
  const plot = document.querySelector(".plot"), handles = [...element("points").children], drags = new Map();
  const draw = once_a_frame(show_sines);
  const place = (point, x, y) => {
    point.x = Math.min(Math.max(x, -X_MAX), X_MAX);
    point.y = Math.min(Math.max(y, -Y_MAX), Y_MAX);
    draw();
  };
  const position = (event) => {  // in the plot's coordinates
    const box = plot.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width - 0.5) * WIDTH, y: (0.5 - (event.clientY - box.top) / box.height) * HEIGHT };
  };
  element("points").addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    // Handles may lie over each other: take the one whose middle is nearest.
    const distance = (handle) => {
      const box = handle.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    };
    const handle = handles.reduce((best, other) => (distance(other) < distance(best) ? other : best));
    const point = sines.points[handles.indexOf(handle)], at = position(event);
    event.preventDefault();
    handle.focus({ preventScroll: true, focusVisible: false });
    handle.setPointerCapture(event.pointerId);
    drags.set(event.pointerId, { point, dx: point.x - at.x, dy: point.y - at.y });
  });
  element("points").addEventListener("pointermove", (event) => {
    const drag = drags.get(event.pointerId), at = position(event);
    if (drag) place(drag.point, at.x + drag.dx, at.y + drag.dy);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    element("points").addEventListener(end, (event) => drags.delete(event.pointerId));
  element("points").addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [];
    if (dx === undefined) return;
    event.preventDefault();
    const point = sines.points[handles.indexOf(event.target)], step = event.shiftKey ? 0.5 : 0.1;
    place(point, point.x + step * dx, point.y + step * dy);
  });
  for (const id of ["sine-k", "sine-alpha"]) element(id).addEventListener("input", draw);
  element("new-sine").addEventListener("click", () => { draw_task(); draw(); });
  element("one-side").addEventListener("click", () => { sines.one_side = !sines.one_side; draw_points(); draw(); });
  playable(element("sine-play"), element("sine-k"), 250);
}

// -------------------------------------------------------------------------------- drawing

const WAYS = 3, STEPS = 50, ALPHA = 0.1;
const DRAWING_NET = new MLP([SIDE * SIDE, 128, 128, WAYS], "cross-entropy");
const ENTRANTS = [
  { key: "reptile", name: "Reptile", from: "Reptile’s φ", phi: decode(PHI.drawing) },
  { key: "random", name: "random", from: "the random initialisation", phi: DRAWING_NET.init(generator(0)) },
];
const TITLES = ["class 1", "class 2", "class 3", "input"];
const EXAMPLE = [
  [[[36, 16], [35, 40], [35, 66], [33, 92]], [[35, 24], [50, 17], [64, 21], [71, 33], [66, 46], [52, 54], [36, 54]]],
  [[[66, 30], [56, 20], [42, 22], [33, 34], [34, 48], [44, 56], [56, 52], [65, 40], [67, 26], [68, 50], [66, 72], [58, 87], [44, 92], [32, 86]]],
  [[[30, 20], [34, 36], [44, 48], [58, 46], [68, 34]], [[72, 18], [70, 40], [64, 64], [54, 82], [38, 90], [26, 84]]],
  [[[78, 30], [70, 20], [56, 20], [44, 30], [42, 44], [50, 52], [62, 48], [74, 36], [78, 26], [70, 52], [58, 74], [42, 86], [28, 84]]],
];  // chosen so that the random initialisation is unsure

// drawings: for each cell a list of strokes. What it was before each change is kept, to be undone.
const board = { drawings: EXAMPLE, history: [], stroke: null, cells: [] };

function build_cells() {
  board.cells = TITLES.map((title, i) => {
    const cell = make("div", element("cells"), { class: "cell", role: "group", "aria-label": title });
    const header = make("header", cell);
    make("span", header, {}, title);
    const clear = make("button", header, { type: "button", "aria-label": `clear ${title}` }, "clear");
    clear.addEventListener("click", () => change(board.drawings.map((strokes, j) => (i === j ? [] : strokes))));
    const paper = make("svg", cell, { viewBox: `0 0 ${PAPER} ${PAPER}`, role: "img" });
    if (i === WAYS) {
      const seen = make("div", cell, { class: "seen" }, "what the network sees, centred and scaled:");
      return { cell, paper, clear, thumbnails: make("div", seen, { "aria-hidden": "true" }) };
    }
    const bars = ENTRANTS.map(({ key, name }) => {
      const bar = make("div", cell, { class: "bar" }), text = make("div", bar);
      make("span", text, {}, name);
      return { value: make("span", text), bar: make("i", bar, { style: `--color: var(--${key}); --p: 0` }) };
    });
    return { cell, paper, clear, bars };
  });
  board.thumbnails = TITLES.map(() => make("canvas", board.cells[WAYS].thumbnails, { width: SIDE, height: SIDE }));
}

/* Other drawings: keep those that were, and learn the new ones. */
function change(drawings) {
  board.history.push(board.drawings);
  board.drawings = drawings;
  learn();
}

/* The probabilities after 0 ... 50 inner steps from each initialisation; none while a cell is empty. */
function learn() {
  const images = board.drawings.map((strokes) => (strokes.length ? prepare(rasterise(strokes)) : null));
  board.thumbnails.forEach((canvas, i) => show_image(canvas, images[i]));
  const complete = images.every((image) => image !== null);
  for (const entrant of ENTRANTS) {
    entrant.probabilities = [];
    if (!complete) continue;
    const x = new Float64Array(WAYS * SIDE * SIDE);
    images.slice(0, WAYS).forEach((image, i) => x.set(image, i * SIDE * SIDE));
    for (const weights of adapt(DRAWING_NET, entrant.phi, x, [0, 1, 2], ALPHA, STEPS))
      entrant.probabilities.push(DRAWING_NET.predict(weights, images[WAYS]));
  }
  show_drawings();
  show_probabilities();
}

/* A prepared image in shades of grey, from its palest pixel to its darkest. */
function show_image(canvas, image) {
  const context = canvas.getContext("2d"), shades = context.createImageData(SIDE, SIDE);
  const low = image ? Math.min(...image) : 0, high = image ? Math.max(...image) : 1;
  for (let i = 0; i < SIDE * SIDE; i++) {
    const shade = image ? 255 * (1 - (image[i] - low) / (high - low || 1)) : 255;
    shades.data.set([shade, shade, shade, 255], 4 * i);
  }
  context.putImageData(shades, 0, 0);
}

function show_drawings() {
  board.drawings.forEach((strokes, i) => {
    const { paper, clear } = board.cells[i];
    paper.replaceChildren();
    for (const points of strokes) show_stroke(paper, points);
    if (!strokes.length) make("text", paper, { x: PAPER / 2, y: PAPER / 2 }, "draw here");
    paper.setAttribute("aria-label", `drawing of ${TITLES[i]}: ${strokes.length ? `${strokes.length} strokes` : "empty"}`);
    clear.disabled = strokes.length === 0;
  });
  element("undo").disabled = board.history.length === 0;
  element("clear-all").disabled = board.drawings.every((strokes) => strokes.length === 0);
}

function show_stroke(paper, points, line = make("polyline", paper)) {
  line.setAttribute("points", [points[0], ...points].join(" "));  // the first point twice, so that a lone one is a dot
  return line;
}

function show_probabilities() {
  const k = +element("drawing-k").value, known = ENTRANTS[0].probabilities.length > 0, answers = [];
  element("drawing-k-value").textContent = k;
  ENTRANTS.forEach((entrant, e) => {
    const p = known ? entrant.probabilities[k] : [0, 0, 0], best = p.indexOf(Math.max(...p));
    board.cells.slice(0, WAYS).forEach(({ cell, bars }, i) => {
      bars[e].bar.style.setProperty("--p", p[i]);
      bars[e].value.textContent = known ? `${(100 * p[i]).toFixed(0)} %` : "–";
      if (e === 0) cell.classList.toggle("found", known && k > 0 && i === best);
    });
    answers.push(`class ${best + 1} (${(100 * p[best]).toFixed(0)} %) from ${entrant.from}`);
  });
  const empty = TITLES.filter((_, i) => board.drawings[i].length === 0);
  element("drawing-status").textContent = known
    ? `After ${k} steps the input is most probably ${answers.join(", ")}.` : `Draw something in ${empty.join(", ")}.`;
}

/* A stroke belongs to the cell in which it begins, and to the pointer that began it: other fingers are ignored. */
function draw_strokes() {
  const position = (event, paper) => {
    const box = paper.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((v) => Math.round((1e4 * PAPER * v) / box.width) / 1e4);
  };
  board.cells.forEach(({ paper }, i) => {
    paper.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || board.stroke) return;
      event.preventDefault();
      paper.setPointerCapture(event.pointerId);
      if (!board.drawings[i].length) paper.replaceChildren();  // nothing but "draw here"
      const points = [position(event, paper)];
      board.stroke = { pointer: event.pointerId, cell: i, points, line: show_stroke(paper, points) };
    });
    paper.addEventListener("pointermove", (event) => {
      const stroke = board.stroke;
      if (!stroke || stroke.pointer !== event.pointerId) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const moved of events.length ? events : [event]) stroke.points.push(position(moved, paper));
      show_stroke(paper, stroke.points, stroke.line);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      paper.addEventListener(end, (event) => {
        const stroke = board.stroke;
        if (!stroke || stroke.pointer !== event.pointerId) return;
        board.stroke = null;
        change(board.drawings.map((strokes, j) => (j === stroke.cell ? [...strokes, stroke.points] : strokes)));
      });
  });
  element("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z") undo(event);
  });
  element("clear-all").addEventListener("click", () => change([[], [], [], []]));
  element("example").addEventListener("click", () => change(EXAMPLE));
  element("drawing-k").addEventListener("input", show_probabilities);
  playable(element("drawing-play"), element("drawing-k"), 120);
}

function undo(event) {
  event.preventDefault();
  if (!board.history.length || board.stroke) return;
  board.drawings = board.history.pop();
  learn();
}

build_sines();
draw_task();
move_points();
show_sines();
build_cells();
draw_strokes();
learn();
