/* The plane of functions, drawn: both loops of Reptile in one picture. */
"use strict";

const EXTENT = 6.05;  // of the picture, from the middle; a task is at most 5 away
const RIM = 5.55;  // where the functions are drawn that stand at the rim

/* In the order in which they are painted. */
const PLANE_PATHS = ["rings", "glyphs", "trail", "ghost", "rays", "ends", "crosses",
  "your-ray", "your-end", "your-cross", "task-ring", "inner", "inner-dots", "pull",
  "outer", "hand-line", "hand-ring", "phi"];
const PLANE_TEXTS = ["ring-text", "your-text", "task-text", "W-text", "phi-text",
  "hand-text", "random-text"];

function build_plane() {
  const svg = element("plane");
  for (const id of PLANE_PATHS) make("path", svg, { id });
  for (const id of PLANE_TEXTS) make("text", svg, { id });
}

/* How many pixels 1 is. */
function plane_unit() {
  return Math.min(...size("plane")) / (2 * EXTENT);
}

/* A function from a place [p, q] to the point of the picture, in pixels. */
function plane_scale() {
  const [width, height] = size("plane"), unit = plane_unit();
  return ([p, q]) => [width / 2 + unit * p, height / 2 - unit * q];
}

/* What stays during a run: circles, eight functions at the rim, and the new tasks. */
function draw_plane_background(run) {
  fit("plane");
  const at = plane_scale(), unit = plane_unit();
  const circles = [1, 2, 3, 4, 5].map((r) => circle_at(at([0, 0]), r * unit));
  draw_path("rings", circles.join(""));

  const glyph = (i) => {
    const angle = (i * Math.PI) / 4;
    const [p, q] = [Math.cos(angle), Math.sin(angle)];
    const points = Array.from(spread(41), (x) => {
      const y = task_value(run.family, [p, q], x);
      return at([RIM * p + 0.08 * x, RIM * q + 0.25 * y]);
    });
    return line_through(points);
  };
  draw_path("glyphs", [0, 1, 2, 3, 4, 5, 6, 7].map(glyph).join(""));

  const crosses = run.new_tasks.map(({ task }) => cross_at(at(task), 0.1 * unit));
  draw_path("crosses", crosses.join(""));
  draw_text("ring-text", run.family.rim, at([2.6, 4.4]));
}

/* What moves: the star, its rays `ray_steps` long, φ, the present task, and
   yours: the ray of your points;
   behind: an open star of an earlier run, or null;
   hand: what pulls φ, and random_steps: how many steps that took a random φ, or 0. */
function draw_plane(run, { yours, behind, hand, ray_steps, random_steps }) {
  const at = plane_scale();

  const ghost = behind?.star.rays.map(({ path }) => line_through(path.map(at))) ?? [];
  draw_path("ghost", ghost.join(""));
  const rays = run.star.rays.map(({ path }) => path.slice(0, ray_steps + 1).map(at));
  draw_path("rays", rays.map(line_through).join(""));
  draw_path("ends", dots_at(rays.map((points) => points.at(-1))));

  const your_ray = yours.path.map(at), your_place = at(yours.task);
  draw_path("your-ray", line_through(your_ray));
  draw_path("your-end", dots_at(your_ray.slice(-1)));
  draw_path("your-cross", cross_at(your_place, 0.45 * rem));
  write_above("your-text", yours.name, your_place, 0.8 * rem);

  const phi = at(run.trail.at(-1));
  draw_path("trail", line_through(run.trail.map(at)));
  draw_path("phi", dots_at([phi]));

  draw_present_task(run, at, phi);
  draw_hand(run, hand, at, phi, random_steps);
}

/* In a close-up: the task's ring, the inner loop's path from φ to W, the outer step. */
function draw_present_task(run, at, phi) {
  const { close_up, task } = run;
  const path = close_up?.trajectory.map((weights) => at(run.place(weights))) ?? [];
  const shown = path.slice(0, (close_up?.steps ?? 0) + 1);
  draw_path("inner", line_through(shown));
  draw_path("inner-dots", dots_at(shown.slice(1)));

  const ring = close_up ? at(task) : [0, 0];
  draw_path("task-ring", close_up ? circle_at(ring, 0.55 * rem) : "");
  const [x, y] = shown.at(-1) ?? [0, 0];
  draw_text("W-text", shown.length > 1 ? "W" : "", [x - 1.2 * rem, y - 0.6 * rem]);
  const there = Math.hypot(x - ring[0], y - ring[1]) < 3 * rem;  // W's name is enough
  write_above("task-text", close_up && !there ? "task" : "", ring, 0.9 * rem);

  const outer_step = close_up?.line === 3;
  draw_path("pull", outer_step ? line_through([path[0], path.at(-1)]) : "");
  draw_path("outer", outer_step ? line_through([path[0], phi]) : "");
}

/* The line from φ to the hand that pulls it, φ's name on its other side; and in a corner
   the steps so far. */
function draw_hand({ held }, { task, steps }, at, phi, random_steps) {
  const end = task ? at(task) : phi;
  draw_path("hand-line", task ? line_through([phi, end]) : "");
  draw_path("hand-ring", task ? circle_at(end, 0.5 * rem) : "");

  const [dx, dy] = task ? [end[0] - phi[0], end[1] - phi[1]] : [0, -1];
  const away = (1.1 * rem) / Math.max(Math.hypot(dx, dy), 1);
  draw_text("phi-text", "φ", [phi[0] - away * dx, phi[1] - away * dy + 0.35 * rem]);

  const before = held && random_steps ? `random φ: ${random_steps}` : "";
  draw_text("hand-text", held ? counted(steps, "step") : "", [0.6 * rem, 1.4 * rem]);
  draw_text("random-text", before, [0.6 * rem, 2.7 * rem]);
}
