/* The curve: ten points that one can drag, and what is learnt from them in n steps. */
"use strict";

const GRID = spread(99);  // each other one is in X
const WIDTH = 10.8, HEIGHT = 12.4;  // of the picture, in units of x and f(x)
const X_MAX = 5, Y_MAX = 5.8;  // where points may go

/* Where the curves start, in the order in which they are drawn, the last one on top. */
const STARTS = [
  { key: "random", name: "random" },
  { key: "joint", name: "joint" },
  { key: "maml", name: "MAML" },
  { key: "reptile", name: "Reptile" },
  { key: "live", name: "this φ" },
];

/* The ten points, and the task, [p, q], that they were taken from. */
const yours = { random: generator(3), task: [0, 0], points: [], one_side: false };

/* Ten of the points X: evenly spread, or some of those of one side. */
function draw_points(family) {
  const right = yours.random() < 0.5;
  const side = X.filter((x) => (x > 0) === right);
  const from = yours.one_side ? shuffle(side, yours.random).slice(0, B) : even_points();
  yours.points = Array.from(from, (x) => ({ x, y: task_value(family, yours.task, x) }));
}

function draw_your_task(family) {
  yours.task = draw_task(family, yours.random);
  draw_points(family);
}

/* The ten points as data for the network, and the truth. */
function your_data(family) {
  return {
    x: Float64Array.from(yours.points, ({ x }) => x),
    y: Float64Array.from(yours.points, ({ y }) => y),
    truth: X.map((x) => task_value(family, yours.task, x)),
  };
}

/* Adapt the start's φ to the ten points in n steps: the curve f on GRID, and its
   squared error on the truth; f is null if it diverged. */
function learn_curve(start, { x, y, truth }, n) {
  const losses = [];
  let weights;
  for (weights of adapt(NET, start.phi, x, y, ALPHA, n))
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
  ["x-text", "y-text", "phi-label", "W-label"].forEach(text);
  for (const v of [-5, 0, 5]) {
    text(`x${v}`).classList.add("tick");
    text(`y${v}`).classList.add("tick");
  }
}

/* A function from x and f(x) to the point of the picture, in pixels. */
function curve_scale() {
  const [width, height] = size("curve");
  return ([x, y]) => [width * (0.5 + x / WIDTH), height * (0.5 - y / HEIGHT)];
}

function draw_curve_background() {
  fit("curve");
  const at = curve_scale(), [left, bottom] = at([-WIDTH / 2, -HEIGHT / 2]);
  const lines = [];
  for (const v of [-5, 0, 5]) {
    lines.push(line_through([at([v, -HEIGHT / 2]), at([v, HEIGHT / 2])]));
    lines.push(line_through([at([-WIDTH / 2, v]), at([WIDTH / 2, v])]));
    const text = String(v).replace("-", "−"), [x, y] = at([v, v]);
    draw_text(`x${v}`, text, [x + 0.25 * rem, bottom - 0.3 * rem]);
    draw_text(`y${v}`, v === -5 ? "" : text, [left + 0.25 * rem, y - 0.25 * rem]);
  }
  draw_path("grid", lines.join(""));
  draw_text("x-text", "x", [at([2.5, 0])[0], bottom - 0.3 * rem]);
  draw_text("y-text", "f(x)", [left + 0.25 * rem, at([0, 2.5])[1]]);
}

/* The curves from all starts that are ticked; or, while the lines of the algorithm are
   shown one by one, the present task and its inner loop. */
function draw_curve(run) {
  const at = curve_scale();
  const graph = (x, f) => line_through(Array.from(f, (v, i) => at([x[i], v])));
  const truth = GRID.map((x) => task_value(run.family, yours.task, x));
  draw_path("truth", graph(GRID, truth));
  const phi = NET.predict(run.shown_phi, GRID);
  draw_path("phi-curve", graph(GRID, phi));
  draw_text("phi-label", "φ", at([5.05, phi.at(-1)]));
  for (const { key, f, shown } of STARTS)
    draw_path(`curve-${key}`, f && shown.checked ? graph(GRID, f) : "");

  draw_path("dots", dots_at(yours.points.map(({ x, y }) => at([x, y]))));
  draw_inner_loop(run, at, graph);
}

/* The present task, the mini-batch of the last inner step, and the curve of W. */
function draw_inner_loop(run, at, graph) {
  const under_way = run.trajectory.length > 0;
  const task = GRID.map((x) => task_value(run.family, run.task ?? [0, 0], x));
  const i = Math.max(run.steps - 1, 0);
  const batch = under_way ? Array.from(run.x[i], (x, j) => at([x, run.y[i][j]])) : [];
  const W = under_way ? NET.predict(run.trajectory[run.steps], GRID) : [];
  draw_path("task-curve", under_way ? graph(GRID, task) : "");
  draw_path("task-points", dots_at(batch));
  draw_path("W-curve", graph(GRID, W));
  draw_text("W-label", under_way ? "W" : "", at([-4.8, (W[0] ?? 0) + 0.8]));
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
