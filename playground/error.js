/* The error of the new tasks against outer iterations: this run, and earlier ones. */
"use strict";

const RANGES = { sines: [0.05, 10], lines: [0.002, 2] };  // errors in the picture
const EARLIER = 3;  // runs that stay

let drawn_errors = null;  // how many of this run's errors the picture shows
const earlier = [];  // of { settings, method, errors }, the oldest first

/* Keep a run's errors for comparison with later ones. */
function keep_errors({ settings, method, errors }) {
  if (errors.length < 3) return;
  earlier.push({ settings, method, errors });
  if (earlier.length > EARLIER) earlier.shift();
}

/* How an earlier run's settings differ from the present ones, the first two of them. */
function difference(then, now) {
  const says = {
    k: `k = ${then.k}`, meta: NAMES[then.meta], epsilon: `ε = ${then.epsilon}`,
    seed: `seed ${then.seed}`,
  };
  const differing = Object.keys(says).filter((name) => then[name] !== now[name]);
  return differing.slice(0, 2).map((name) => says[name]).join(", ") || "earlier";
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
  const left = 2.5 * rem, right = width - 6 * rem;
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
  drawn_errors = null;
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

/* This run; and earlier ones in grey, each with what differs beside its end. */
function draw_error({ settings, errors }) {
  if (drawn_errors === errors.length) return;
  drawn_errors = errors.length;
  const at = error_scale(settings.tasks), points = errors.map(at);
  draw_path("error-line", line_through(points));
  draw_path("error-dot", dots_at(points.slice(-1)));

  const runs = earlier.filter((run) => run.settings.tasks === settings.tasks);
  const lines = runs.map((run) => run.errors.map(at));
  const ends = [points, ...lines].map((line) => line.at(-1));
  const heights = apart(ends.map(([, y]) => y + 0.3 * rem), rem);
  const beside = ends.map(([x], i) => [x + 0.5 * rem, heights[i]]);
  draw_text("error-text", number(errors.at(-1)[1]), beside[0]);

  const group = element("earlier");
  group.replaceChildren();
  runs.forEach((run, i) => {
    const [x, y] = beside[i + 1];
    make("path", group, { d: line_through(lines[i]), class: `line-${run.method}` });
    make("text", group, { x, y }, difference(run.settings, settings));
  });
}
