/* The page: what is on it, and what hands do to it. */
"use strict";

const element = (id) => document.getElementById(id);

/* A new element, or SVG shape, in `parent`. */
function make(tag, parent, attributes = {}, text = "") {
  const svg = ["svg", "polyline", "line", "text"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  made.append(text);
  parent.append(made);
  return made;
}

/* Random numbers in [0, 1) from a seed (mulberry32), so that visits begin alike. */
function generator(seed) {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
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

/* A function that calls `draw` once before the next frame, however often called. */
function once_a_frame(draw) {
  let due = false;
  return () => {
    if (!due) requestAnimationFrame(() => { due = false; draw(); });
    due = true;
  };
}

/* A button that walks a slider from 0 to its last step, and pauses if pressed again. */
function playable(button, slider, milliseconds) {
  const label = button.getAttribute("aria-label");
  let timer = null, paused = false;
  const go = (k) => { slider.value = k; slider.dispatchEvent(new Event("input")); };
  const stop = (pause) => {
    clearInterval(timer);
    [timer, paused] = [null, pause];
    button.textContent = "▶";
    button.setAttribute("aria-label", label);
  };
  button.addEventListener("click", () => {
    if (timer) return stop(true);
    if (!paused) go(0);
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      go(+slider.value + 1);
      if (slider.value === slider.max) stop(false);
    }, milliseconds);
  });
  slider.addEventListener("pointerdown", () => stop(false));
}

// ------------------------------------------------------------------------------- sines

const SINE_NET = new MLP([1, 64, 64, 1]);
const METHODS = [  // in the order in which they are drawn, the last one on top
  { key: "random", name: "random", phi: SINE_NET.init(generator(0)) },
  { key: "joint", name: "joint training", phi: decode(PHI.joint) },
  { key: "maml", name: "MAML", phi: decode(PHI.maml) },
  { key: "reptile", name: "Reptile", phi: decode(PHI.reptile) },
];
const spread = (n) => new Float64Array(n).map((_, i) => (10 * i) / (n - 1) - 5);
const X = spread(50), GRID = spread(99);  // sine_demo's points, and those of the plot
const WIDTH = 10.8, HEIGHT = 12.4;  // of the plot, in units of x and f(x)
const X_MAX = 5, Y_MAX = 5.8;  // where points may go
const DIVERGED = 1000;  // a squared error; the mean square of a sine is at most 12.5

// The seed makes the first sine a large one.
const sines = { random: generator(111), a: 0, b: 0, points: [], one_side: false };
const true_sine = (x) => sines.a * Math.sin(x + sines.b);
const plot = document.querySelector(".plot");

/* Ten of the points X, all different, or of those on one side of 0. */
function draw_points() {
  const right = sines.one_side && sines.random() < 0.5;
  const from = X.filter((x) => !sines.one_side || (x > 0) === right);
  const order = Array.from(from, (x) => [sines.random(), x]).sort(([p], [q]) => p - q);
  sines.points = order.slice(0, 10).map(([, x]) => ({ x, y: true_sine(x) }));
}

function draw_sine() {
  sines.b = 2 * Math.PI * sines.random();
  sines.a = 0.1 + 4.9 * sines.random();
  draw_points();
}

/* A piece of a curve, for the table. */
function swatch(parent, key) {
  const box = { viewBox: "0 0 40 8", class: "swatch", "aria-hidden": "true" };
  const line = { class: `curve-${key}`, x1: 0, x2: 40, y1: 4, y2: 4 };
  make("line", make("svg", parent, box), line);
}

/* Set up the plot with its ten points, and a row of the table for each method. */
function build_sines() {
  const grid = element("grid"), curves = element("curves");
  for (const v of [-5, 0, 5]) {
    make("line", grid, { x1: v, x2: v, y1: -HEIGHT / 2, y2: HEIGHT / 2 });
    make("line", grid, { y1: v, y2: v, x1: -WIDTH / 2, x2: WIDTH / 2 });
    const left = 50 + (100 * v) / WIDTH, top = 50 - (100 * v) / HEIGHT;
    const text = String(v).replace("-", "−");
    const x = make("span", plot, { class: "tick" }, v === 5 ? "x = 5" : text);
    const y = make("span", plot, { class: "tick" }, v === 5 ? "f(x) = 5" : text);
    x.style = `left: ${left}%; bottom: 0; translate: ${v === 5 ? -100 : 0}% 0`;
    y.style = `top: ${top}%; left: 0; translate: 0 ${v === -5 ? -100 : 0}%`;
  }
  sines.curve = make("polyline", curves, { class: "curve-true" });
  swatch(element("truth"), "true");
  element("truth").append("true sine");
  for (const method of METHODS)
    method.curve = make("polyline", curves, { class: `curve-${method.key}` });
  for (const method of [...METHODS].reverse()) {
    const row = make("tr", element("methods"));
    const label = make("label", make("th", row, { scope: "row" }));
    method.shown = make("input", label, { type: "checkbox", autocomplete: "off" });
    method.shown.checked = true;
    method.shown.addEventListener("change", show_sines);
    swatch(label, method.key);
    label.append(method.name);
    method.loss = make("td", row);
    method.error = make("td", row, { class: "error" });
    method.error.style.setProperty("--color", `var(--${method.key})`);
  }
  for (let i = 1; i <= 10; i++)
    make("div", element("points"), { class: "point", tabindex: 0, role: "slider",
      "aria-label": `point ${i}`, "aria-valuemin": -Y_MAX, "aria-valuemax": Y_MAX });
}

const mse = (f, y) => f.reduce((sum, v, i) => sum + (v - y[i]) ** 2, 0) / f.length;
const number = (v) => (v < 9.995 ? v.toFixed(2) : v.toFixed(0));

/* Adapt each network to the points, and show what it predicts. */
function show_sines() {
  const k = +element("sine-k").value, alpha = +element("sine-alpha").value;
  const x_train = Float64Array.from(sines.points, ({ x }) => x);
  const y_train = Float64Array.from(sines.points, ({ y }) => y);
  const truth = X.map(true_sine), zero = mse(truth, truth.map(() => 0));
  const pair = (v, i) => `${GRID[i].toFixed(6)},${v.toFixed(6)}`;
  const curve = (f) => Array.from(f, pair).join(" ");
  let diverged = false;
  for (const { phi, shown, ...method } of METHODS) {
    let weights;
    for (weights of adapt(SINE_NET, phi, x_train, y_train, alpha, k));  // to the last
    const f = SINE_NET.predict(weights, GRID);
    const loss = mse(SINE_NET.predict(weights, x_train), y_train);
    const error = mse(f.filter((_, i) => i % 2 === 0), truth);  // each other one is X
    const fits = loss < DIVERGED && error < DIVERGED;  // not so if they are NaN
    diverged ||= !fits;
    method.curve.setAttribute("points", fits && shown.checked ? curve(f) : "");
    method.loss.textContent = fits ? number(loss) : "diverged";
    method.error.textContent = fits ? number(error) : "diverged";
    // The bar's length is 1 for a network that predicts 0 everywhere.
    method.error.style.setProperty("--share", fits ? Math.min(error / zero, 1) : 0);
  }
  sines.curve.setAttribute("points", curve(GRID.map(true_sine)));
  sines.points.forEach(({ x, y }, i) => {
    const handle = element("points").children[i];
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

/* Mouse, pen, fingers (each its own point) and the arrow keys move points. */
function move_points() {
  const handles = [...element("points").children], draw = once_a_frame(show_sines);
  const drags = new Map();  // for each pointer its point, and how far from its middle
  const place = (point, x, y) => {
    point.x = Math.min(Math.max(x, -X_MAX), X_MAX);
    point.y = Math.min(Math.max(y, -Y_MAX), Y_MAX);
    draw();
  };
  const position = ({ clientX, clientY }) => {
    const { left, top, width, height } = plot.getBoundingClientRect();
    return [((clientX - left) / width - 0.5) * WIDTH,
            (0.5 - (clientY - top) / height) * HEIGHT];
  };
  element("points").addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    // Where points lie over each other, take the one whose middle is nearest.
    const distances = handles.map((handle) => {
      const { left, right, top, bottom } = handle.getBoundingClientRect();
      const middle = [(left + right) / 2, (top + bottom) / 2];
      return Math.hypot(event.clientX - middle[0], event.clientY - middle[1]);
    });
    const i = distances.indexOf(Math.min(...distances)), [x, y] = position(event);
    const point = sines.points[i];
    handles[i].focus({ preventScroll: true });
    handles[i].setPointerCapture(event.pointerId);
    drags.set(event.pointerId, { point, dx: point.x - x, dy: point.y - y });
  });
  element("points").addEventListener("pointermove", (event) => {
    const drag = drags.get(event.pointerId), [x, y] = position(event);
    if (drag) place(drag.point, x + drag.dx, y + drag.dy);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    element("points").addEventListener(end, (event) => drags.delete(event.pointerId));
  const ways =
    { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  element("points").addEventListener("keydown", (event) => {
    if (!ways[event.key]) return;
    event.preventDefault();
    const point = sines.points[handles.indexOf(event.target)];
    const [dx, dy] = ways[event.key], step = event.shiftKey ? 0.5 : 0.1;
    place(point, point.x + step * dx, point.y + step * dy);
  });
  element("sine-k").addEventListener("input", draw);
  element("sine-alpha").addEventListener("input", draw);
  element("new-sine").addEventListener("click", () => { draw_sine(); draw(); });
  element("one-side").addEventListener("click", () => {
    sines.one_side = !sines.one_side;
    draw_points();
    draw();
  });
  playable(element("sine-play"), element("sine-k"), 250);
}

// ----------------------------------------------------------------------------- drawing

const WAYS = 3, STEPS = 50;
const DRAWING_NET = new MLP(OMNIGLOT.layer_sizes, "cross-entropy");
const STARTS = [
  { key: "reptile", name: "Reptile", phi: decode(PHI.drawing), from: "Reptile’s φ" },
  { key: "random", name: "random", phi: DRAWING_NET.init(generator(0)),
    from: "the random initialisation" },
];
const TITLES = ["class 1", "class 2", "class 3", "input"];
// The cells' strokes: ma, nu and su of Katakana, and another ma.
const EXAMPLE = `
  18,30 29,29 39,29 50,28 62,27 74,27 86,26 82,32 78,38 74,44 68,50 62,56 56,62 /
  38,54 43,59 48,63 52,68 56,73 59,77 62,82 ;
  26,26 35,26 43,25 52,25 61,24 70,24 79,23 76,32 73,41 69,50 64,58 57,66 50,73
  42,79 34,85 25,91 / 36,46 42,51 48,55 54,60 61,66 67,72 74,78 ;
  25,28 34,28 43,27 52,27 60,26 69,26 77,25 73,33 70,42 65,50 59,58 52,65 45,72
  37,78 29,84 21,89 / 58,60 62,64 66,69 70,73 74,78 79,83 83,88 ;
  26,26 35,26 43,27 52,27 61,28 69,29 78,30 76,34 73,39 70,44 65,51 58,58 52,66 /
  44,56 46,59 48,63 50,66 53,69 57,73 60,76 62,79 64,84`
  .split(";").map((cell) => cell.split("/").map((stroke) =>
    stroke.trim().split(/\s+/).map((point) => point.split(",").map(Number))));

// A drawing is a list of strokes, a stroke one of points [x, y]. `history` holds the
// drawings before each change; `stroke` is the one that is being drawn.
const board = { drawings: EXAMPLE, history: [], stroke: null, cells: [], images: [] };

/* Set up the cells: a title, a button, paper, and bars, or what the network sees. */
function build_cells() {
  board.cells = TITLES.map((title, i) => {
    const cell = make("div", element("cells"), { class: "cell", role: "group" });
    cell.setAttribute("aria-label", title);
    const header = make("header", cell);
    make("span", header, {}, title);
    const clear = make("button", header, { type: "button" }, "clear");
    clear.setAttribute("aria-label", `clear ${title}`);
    clear.addEventListener("click", () => change(i, []));
    const paper = make("svg", cell, { viewBox: `0 0 ${PAPER} ${PAPER}`, role: "img" });
    const bars = i === WAYS ? [] : STARTS.map(({ key, name }) => {
      const bar = make("div", cell, { class: "bar" }), text = make("div", bar);
      make("span", text, {}, name);
      const value = make("span", text), length = make("i", bar);
      length.style.setProperty("--color", `var(--${key})`);
      return { value, length };
    });
    return { cell, clear, paper, bars };
  });
  const seen = make("div", board.cells[WAYS].cell, { class: "seen" },
    "what the network sees, centred and scaled:");
  const row = make("div", seen, { "aria-hidden": "true" });
  board.images = TITLES.map(() => make("canvas", row, { width: SIDE, height: SIDE }));
}

/* Replace one drawing, or all, and keep what was there for `undo`. */
function change(i, strokes) {
  change_all(board.drawings.map((old, j) => (j === i ? strokes : old)));
}

function change_all(drawings) {
  board.history.push(board.drawings);
  board.drawings = drawings;
  learn();
}

function undo() {
  if (board.stroke || !board.history.length) return;
  board.drawings = board.history.pop();
  learn();
}

/* Compute the probabilities after 0 ... 50 inner steps from each start, if no cell is
   empty, and show everything. */
function learn() {
  const images = board.drawings.map((strokes) =>
    (strokes.length ? prepare(rasterise(strokes)) : null));
  const x = new Float64Array(WAYS * SIDE * SIDE);
  for (const start of STARTS) {
    start.probabilities = [];
    if (images.includes(null)) continue;
    for (let i = 0; i < WAYS; i++) x.set(images[i], i * SIDE * SIDE);
    const steps = adapt(DRAWING_NET, start.phi, x, [0, 1, 2], OMNIGLOT.alpha, STEPS);
    for (const weights of steps)
      start.probabilities.push(DRAWING_NET.predict(weights, images[WAYS]));
  }
  board.images.forEach((canvas, i) => show_image(canvas, images[i]));
  show_drawings();
  show_probabilities();
}

/* An image in shades of grey, its smallest number white, its largest black. */
function show_image(canvas, image) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  const low = Math.min(...(image ?? [])), high = Math.max(...(image ?? []));
  for (let i = 0; i < SIDE * SIDE; i++) {
    const shade = image ? (255 * (high - image[i])) / (high - low) : 255;
    pixels.data.set([shade, shade, shade, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

function show_drawings() {
  board.drawings.forEach((strokes, i) => {
    const { paper, clear } = board.cells[i], n = strokes.length;
    paper.replaceChildren();
    for (const points of strokes) show_stroke(make("polyline", paper), points);
    if (n === 0) make("text", paper, { x: PAPER / 2, y: PAPER / 2 }, "draw here");
    paper.setAttribute("aria-label", `drawing of ${TITLES[i]}, strokes: ${n}`);
    clear.disabled = n === 0;
  });
  element("undo").disabled = board.history.length === 0;
  element("clear-all").disabled = board.drawings.every(({ length }) => length === 0);
}

/* The first point counts twice, so that a lone one is a dot. */
function show_stroke(line, points) {
  line.setAttribute("points", [points[0], ...points].join(" "));
}

/* The bars after the steps that the slider says; a frame around Reptile's answer. */
function show_probabilities() {
  const k = +element("drawing-k").value, answers = [];
  const percent = (p) => `${(100 * p).toFixed(0)} %`;
  STARTS.forEach(({ probabilities, from, key }, s) => {
    const p = probabilities[k], best = p && p.indexOf(Math.max(...p));
    if (p) answers.push(`class ${best + 1} (${percent(p[best])}) from ${from}`);
    board.cells.slice(0, WAYS).forEach(({ cell, bars }, i) => {
      bars[s].length.style.setProperty("--p", p ? p[i] : 0);
      bars[s].value.textContent = p ? percent(p[i]) : "–";
      if (key === "reptile") cell.classList.toggle("found", i === best && k > 0);
    });
  });
  const empty = TITLES.filter((_, i) => board.drawings[i].length === 0);
  const after = `After ${k} step${k === 1 ? "" : "s"} the input is most probably`;
  element("drawing-k-value").textContent = k;
  element("drawing-status").textContent = empty.length
    ? `Draw something in ${empty.join(", ")}.` : `${after} ${answers.join(", ")}.`;
}

/* A stroke belongs to the cell where it begins and to the pointer that draws it, and
   goes on, unseen, outside the cell. Other fingers are ignored meanwhile. */
function draw_strokes() {
  const position = (event, paper) => {
    const { left, top, width } = paper.getBoundingClientRect();
    const v = [event.clientX - left, event.clientY - top];
    return v.map((distance) => +((PAPER * distance) / width).toFixed(4));
  };
  board.cells.forEach(({ paper }, i) => {
    const mine = (event) => board.stroke?.pointer === event.pointerId;
    paper.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || board.stroke) return;
      event.preventDefault();
      paper.setPointerCapture(event.pointerId);
      paper.querySelector("text")?.remove();
      const points = [position(event, paper)], line = make("polyline", paper);
      board.stroke = { pointer: event.pointerId, points, line };
      show_stroke(line, points);
    });
    paper.addEventListener("pointermove", (event) => {
      if (!mine(event)) return;
      const { points, line } = board.stroke;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const moved of events.length ? events : [event])
        points.push(position(moved, paper));
      show_stroke(line, points);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      paper.addEventListener(end, (event) => {
        if (!mine(event)) return;
        const { points } = board.stroke;
        board.stroke = null;
        change(i, [...board.drawings[i], points]);
      });
  });
  element("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "z") return;
    event.preventDefault();
    undo();
  });
  element("clear-all").addEventListener("click", () => change_all([[], [], [], []]));
  element("example").addEventListener("click", () => change_all(EXAMPLE));
  element("drawing-k").addEventListener("input", show_probabilities);
  playable(element("drawing-play"), element("drawing-k"), 120);
}

build_sines();
draw_sine();
move_points();
show_sines();
build_cells();
draw_strokes();
learn();
