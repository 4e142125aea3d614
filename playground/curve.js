/* The curve: one point that one can pull, or ten, and what is learnt from them. */
"use strict";

const GRID = spread(99);  // each other one is in X
const LEFT = -6.3, RIGHT = 6.5, WIDTH = RIGHT - LEFT;  // of the picture, in units of x
const HEIGHT = 12.4;  // in units of f(x)
const X_MAX = 5, Y_MAX = 5.8;  // where points may go

/* Where the curves start, in the order in which they are drawn, the last one on top. */
const STARTS = [
  { key: "random", name: "random" },
  { key: "joint", name: "joint" },
  { key: "maml", name: "MAML" },
  { key: "reptile", name: "Reptile" },
  { key: "live", name: "this φ" },
];

/* The points, and your task, [p, q]: ten points are drawn from it, one point makes it. */
const yours = { random: generator(3), task: [0, 0], points: [] };

/* Where new points of your task lie. One lies where the task is farthest from 0. */
function new_places(family) {
  if (settings.points === "ten") return even_points();
  if (settings.points === "side") {
    const right = yours.random() < 0.5;
    return shuffle(X.filter((x) => (x > 0) === right), yours.random).slice(0, B);
  }
  const height = (x) => Math.abs(task_value(family, yours.task, x));
  const middle = X.filter((x) => Math.abs(x) < 3.5);
  return [middle.reduce((a, b) => (height(b) > height(a) ? b : a))];
}

function draw_points(family) {
  const y = (x) => task_value(family, yours.task, x);
  yours.points = Array.from(new_places(family), (x) => ({ x, y: y(x) }));
}

function draw_your_task(family) {
  yours.task = draw_task(family, yours.random);
  draw_points(family);
}

/* The points as data for the network, and the truth. */
function your_data(family) {
  if (yours.points.length === 1) yours.task = smallest_task(family, yours.points[0]);
  return {
    x: Float64Array.from(yours.points, ({ x }) => x),
    y: Float64Array.from(yours.points, ({ y }) => y),
    truth: X.map((x) => task_value(family, yours.task, x)),
  };
}

/* How the points are learnt from a φ: ten in as many steps as the slider says, one
   point in one step that lands on it. */
function your_steps() {
  return yours.points.length === 1 ? 1 : settings.n;
}

function your_alpha(phi, x) {
  return x.length === 1 ? landing_alpha(NET, phi, x) : ALPHA;
}

/* Adapt the start's φ to the points: the curve f on GRID, and its squared error on the
   truth; f is null if it diverged. */
function learn_curve(start, { x, y, truth }) {
  const losses = [];
  let weights;
  start.alpha = your_alpha(start.phi, x);
  for (weights of adapt(NET, start.phi, x, y, start.alpha, your_steps()))
    losses.push(mse(NET.predict(weights, x), y));
  start.jumps = rise(losses) > losses[0] / 10;
  const f = NET.predict(weights, GRID);
  start.error = mse(f.filter((_, i) => i % 2 === 0), truth);
  start.f = start.error < DIVERGED ? f : null;  // not so if it is NaN
}

/* How far the losses rise at most above the smallest one before. */
function rise(losses) {
  let smallest = Infinity, largest_rise = 0;
  for (const loss of losses) {
    smallest = Math.min(smallest, loss);
    largest_rise = Math.max(largest_rise, loss - smallest);
  }
  return largest_rise;
}

function build_curve() {
  const svg = element("curve");
  const path = (id) => make("path", svg, { id });
  const text = (id) => make("text", svg, { id });
  ["grid", "truth", "phi-curve", "task-curve"].forEach(path);
  for (const { key } of STARTS) path(`curve-${key}`).classList.add(`line-${key}`);
  ["task-points", "W-curve", "dots"].forEach(path);
  ["x-text", "y-text", "phi-label", "truth-label", "W-label"].forEach(text);
  for (const v of [-5, 0, 5]) ["x", "y"].forEach((axis) => text(`${axis}${v}`));
  for (const tick of svg.querySelectorAll("[id^=x], [id^=y]"))
    tick.classList.add("tick", "end");
}

/* A function from x and f(x) to the point of the picture, in pixels. */
function curve_scale() {
  const [width, height] = size("curve");
  return ([x, y]) => [(width * (x - LEFT)) / WIDTH, height * (0.5 - y / HEIGHT)];
}

function draw_curve_background() {
  fit("curve");
  const at = curve_scale(), bottom = at([0, -HEIGHT / 2])[1] - 0.3 * rem;
  const left = at([-5, 0])[0] - 0.4 * rem;
  const lines = [];
  for (const v of [-5, 0, 5]) {
    lines.push(line_through([at([v, -HEIGHT / 2]), at([v, HEIGHT / 2])]));
    lines.push(line_through([at([-5, v]), at([5, v])]));
    const text = String(v).replace("-", "−"), [x, y] = at([v, v]);
    draw_text(`x${v}`, text, [x - 0.25 * rem, bottom]);
    draw_text(`y${v}`, v === -5 ? "" : text, [left, y + 0.25 * rem]);
  }
  draw_path("grid", lines.join(""));
  draw_text("x-text", "x", [at([2.5, 0])[0], bottom]);
  draw_text("y-text", "f(x)", [left, at([0, 2.5])[1] + 0.25 * rem]);
}

/* The curves from all starts that are ticked; or, in a close-up, the present task and
   its inner loop. */
function draw_curve(run) {
  const at = curve_scale();
  const graph = (f) => line_through(Array.from(f, (v, i) => at([GRID[i], v])));
  const truth = GRID.map((x) => task_value(run.family, yours.task, x));
  draw_path("truth", graph(truth));
  const phi = NET.predict(run.shown_phi, GRID);
  draw_path("phi-curve", graph(phi));
  for (const { key, f, shown } of STARTS)
    draw_path(`curve-${key}`, f && shown.checked ? graph(f) : "");
  draw_path("dots", dots_at(yours.points.map(({ x, y }) => at([x, y]))));

  const ends = [phi, truth].map((f) => at([5, f.at(-1)])[1] + 0.25 * rem);
  const [phi_height, truth_height] = apart(ends, 1.1 * rem), side = at([5.15, 0])[0];
  draw_text("phi-label", "φ", [side, phi_height]);
  draw_text("truth-label", "task", [side, truth_height]);
  draw_inner_loop(run, at, graph);
}

/* The present task, the mini-batch of the last inner step, and the curve of W. */
function draw_inner_loop({ close_up, family, task, x, y }, at, graph) {
  const i = Math.max((close_up?.steps ?? 0) - 1, 0);
  const batch = close_up ? Array.from(x[i], (v, j) => at([v, y[i][j]])) : [];
  const W = close_up ? NET.predict(close_up.trajectory[close_up.steps], GRID) : [];
  const values = close_up ? GRID.map((v) => task_value(family, task, v)) : [];
  draw_path("task-curve", graph(values));
  draw_path("task-points", dots_at(batch));
  draw_path("W-curve", graph(W));
  draw_text("W-label", close_up ? "W" : "", at([-4.8, (W[0] ?? 0) + 0.8]));
}

/* The table: for each start its error, and a bar, full if that of predicting 0. */
function show_errors({ truth }) {
  const zero = mse(truth, truth.map(() => 0));
  for (const { error, f, cell } of STARTS) {
    const text = f ? number(error) : "diverged";
    if (cell.textContent !== text) cell.textContent = text;
    cell.style.setProperty("--share", f ? Math.min(error / zero, 1).toFixed(4) : 1);
  }
}
