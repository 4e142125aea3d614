/* The error of the new tasks against outer iterations: this run, and earlier ones. */
"use strict";

const RANGES = { sines: [0.05, 10], lines: [0.002, 2] };  // errors in the picture
const EARLIER = 3;  // runs that stay

const earlier = [];  // of { label, method, tasks, errors }, the oldest first

/* Keep a run's errors for comparison with later ones. */
function keep_errors(run) {
  if (run.errors.length < 3) return;
  const { k, epsilon, tasks } = run.settings;
  const label = `${run.name}, k = ${k}, ε = ${epsilon}`;
  earlier.push({ label, method: run.method, tasks, errors: run.errors });
  if (earlier.length > EARLIER) earlier.shift();
}

function build_error() {
  const svg = element("error");
  for (const id of ["error-grid", "error-line", "error-dot"]) make("path", svg, { id });
  make("g", svg, { id: "earlier" });
  make("g", svg, { id: "error-ticks" });
  make("text", svg, { id: "error-text" });
  make("text", svg, { id: "error-axis", class: "tick middle" });
}

/* A function from [iteration, error] to the point of the picture, in pixels. Errors are
   on a logarithmic axis; iterations on one of square roots, so that it grows early. */
function error_scale(tasks) {
  const [width, height] = size("error");
  const left = 2.5 * rem, right = width - 3 * rem;
  const top = 0.6 * rem, bottom = height - 2.4 * rem;
  const [lowest, highest] = RANGES[tasks].map(Math.log);

  return ([iteration, error]) => {
    const across = Math.sqrt(iteration / ITERATIONS);
    const up = (Math.log(error) - lowest) / (highest - lowest);
    const inside = Math.min(Math.max(up, 0), 1);
    return [left + across * (right - left), bottom - inside * (bottom - top)];
  };
}

function draw_error_background({ tasks }) {
  fit("error");
  const at = error_scale(tasks);
  const [lowest, highest] = RANGES[tasks];
  const errors = [0.01, 0.1, 1, 10].filter((e) => e >= lowest && e <= highest);
  const iterations = [0, 100, 500, 1000, 2000, ITERATIONS];
  const left = at([0, lowest])[0], right = at([ITERATIONS, lowest])[0];

  const lines = errors.map((e) =>
    line_through([[left, at([0, e])[1]], [right, at([0, e])[1]]]));
  draw_path("error-grid", lines.join(""));
  const [middle, bottom] = at([ITERATIONS / 4, lowest]);
  draw_text("error-axis", "outer iterations", [middle, bottom + 2.1 * rem]);

  const ticks = element("error-ticks");
  ticks.replaceChildren();
  for (const e of errors) {
    const [, y] = at([0, e]);
    const place = { x: left - 0.4 * rem, y: y + 0.25 * rem };
    make("text", ticks, { ...place, class: "tick end" }, e);
  }
  for (const i of iterations) {
    const [x, y] = at([i, lowest]);
    make("text", ticks, { x, y: y + 1.1 * rem, class: "tick middle" }, whole(i));
  }
}

function draw_error(run) {
  const { tasks } = run.settings, at = error_scale(tasks);
  const points = run.errors.map(at);
  draw_path("error-line", line_through(points));
  draw_path("error-dot", dots_at(points.slice(-1)));

  const [x, y] = points.at(-1);
  draw_text("error-text", number(run.errors.at(-1)[1]), [x + 0.5 * rem, y + 0.3 * rem]);
}

/* Earlier runs in grey, each with its label on the right, below its end. */
function draw_earlier({ tasks }) {
  const at = error_scale(tasks), group = element("earlier");
  group.replaceChildren();
  const runs = earlier.filter((run) => run.tasks === tasks);
  const ends = runs.map(({ errors }) => at(errors.at(-1)));
  const wanted = apart(ends.map(([, y]) => y + 0.9 * rem), 0.9 * rem);
  const lowest = at([0, RANGES[tasks][0]])[1] - 0.3 * rem;  // above the axis
  const excess = Math.max(0, ...wanted.map((height) => height - lowest));
  const heights = wanted.map((height) => height - excess);
  runs.forEach(({ label, method, errors }, i) => {
    make("path", group, { d: line_through(errors.map(at)), class: `line-${method}` });
    make("text", group, { x: ends[i][0], y: heights[i], class: "end" }, label);
  });
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
