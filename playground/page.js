/* The page: its settings and its address, its clock, and what its controls do. */
"use strict";

/* What can be set; each first item is what holds if the address does not say otherwise:
   #k=1&epsilon=0.4&meta=fomaml&tasks=lines&seed=3&pace=fast&points=ten&n=4&view=kernel */
const CHOICES = {
  k: [5, 1, 2, 3, 4, 6, 7, 8, 9, 10],
  epsilon: [0.4, 0.1, 0.2, 0.8, 1.6, 3.2],
  meta: ["reptile", "fomaml"],
  tasks: ["sines", "lines"],
  seed: Array.from({ length: 1000 }, (_, i) => i),
  pace: ["slow", "fast"],
  points: ["one", "ten", "side"],  // one point, ten, ten on one side
  n: [8, ...Array.from({ length: 33 }, (_, i) => i)],
  view: ["error", "kernel"],
};
const FRAME = 13.5;  // ms of computing a frame, of 16.7 at 60 frames a second

const settings = {};
const player = new Player();
const reduced_motion = matchMedia("(prefers-reduced-motion: reduce)");
let run;
let guess = null;  // what the reader said that the star of k = 1 would do
let last_frame = null, drawing_time = 3;  // ms
let yours_in_star = null;  // { star, name, task, path }: the ray to your points
let open_star = null;  // { k, tasks, star } of the last finished run with k > 1
let close_up_seen = false;  // later runs have none

// ---------------------------------------------------------------------------- settings

/* The settings that the address holds; what it does not know is left out. */
function read_address() {
  const written = new URLSearchParams(location.hash.slice(1));
  for (const [name, choices] of Object.entries(CHOICES)) {
    const found = choices.find((choice) => String(choice) === written.get(name));
    settings[name] = found ?? choices[0];
    show_setting(name);
  }
}

/* Write into the address what differs from the first choices. */
function write_address() {
  const differs = (name) => settings[name] !== CHOICES[name][0];
  const changed = Object.keys(CHOICES).filter(differs);
  const hash = changed.map((name) => `${name}=${settings[name]}`).join("&");
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
}

function set(name, value) {
  const found = CHOICES[name].find((choice) => String(choice) === String(value));
  settings[name] = found ?? settings[name];
  show_setting(name);
  write_address();
}

/* In its field, or in its row of buttons, of which one is pressed. */
function show_setting(name) {
  const control = element(name);
  if (!control.matches("[role=group]")) control.value = settings[name];
  for (const button of control.querySelectorAll("[role=group] > button[value]"))
    button.setAttribute("aria-pressed", button.value === settings[name]);
}

function build_settings() {
  const ascending = (name) => [...CHOICES[name]].sort((a, b) => a - b);
  for (const k of ascending("k"))
    make("option", element("k"), { value: k }, k === 1 ? "1 (joint)" : k);
  for (const epsilon of ascending("epsilon"))
    make("option", element("epsilon"), { value: epsilon }, epsilon);

  for (const name of ["k", "epsilon", "meta", "tasks", "seed"])
    element(name).addEventListener("change", (event) => {
      set(name, event.target.value);
      const { playing } = player;
      begin();
      if (name === "k" && settings.k === 1) show_view("kernel");
      if (playing) player.play();
    });
  element("pace").addEventListener("change", ({ target }) => set("pace", target.value));
  element("n").addEventListener("input", ({ target }) => {
    settings.n = +target.value;
    learn_from_points();
  });
  element("n").addEventListener("change", write_address);  // Safari allows 3 a second

  const on_press = (name, act) => element(name).addEventListener("click", (event) => {
    if (event.target.value) act(event.target.value);
  });
  on_press("points", (value) => change_points(() => {
    set("points", value);
    draw_points(run.family);
  }));
  on_press("view", show_view);
  addEventListener("hashchange", open_address);
}

function show_view(view) {
  set("view", view);
  draw_backgrounds();
  request_frame();
}

/* What the address asks for: a beat of the opening, or an experiment. */
function open_address() {
  const beat = beat_of_address();
  if (!beat || !opening.beat) {
    read_address();
    begin();
    draw_points(run.family);
    learn_from_points();
  }
  show_beat(beat);
}

// --------------------------------------------------------------------------- the clock

/* A new run with the present settings. */
function begin() {
  const family = run?.family;
  player.pause();
  if (run) {
    put_back();
    run.judge_for(Infinity);
    keep_errors(run);
    keep_open_star(run);
  }

  run = new Run({ ...settings }, !close_up_seen);
  run.judge_for(Infinity);
  if (family !== run.family) draw_your_task(run.family);
  learn_from_points();
  draw_backgrounds();
  show_settings();
  request_frame();
}

function keep_open_star({ finished, diverged, settings: { k, tasks }, star }) {
  if (finished && !diverged && k > 1) open_star = { k, tasks, star };
}

/* The star to draw behind that of k = 1 when its run has ended, or null. */
function open_star_behind({ finished, method, settings: { tasks } }) {
  const wanted = finished && method === "joint" && open_star?.tasks === tasks;
  return wanted ? open_star : null;
}

let frame_requested = false;

function request_frame() {
  if (!frame_requested) requestAnimationFrame(frame);
  frame_requested = true;
}

/* One frame: train or pull, judge φ, draw; all of it within FRAME. Where drawing takes
   long, computing takes as long. */
function frame(now) {
  frame_requested = false;
  const start = performance.now();
  const elapsed = Math.min(now - (last_frame ?? now), 100);
  const budget = Math.max(FRAME - drawing_time, drawing_time);
  last_frame = now;

  if (player.playing) player.advance(run, pace(), elapsed, 0.7 * budget);
  if (is_pulling()) pull_phi();
  run.judge_for(start + budget - performance.now());
  close_up_seen ||= run.close_up !== null;

  const computed = performance.now();
  draw();
  const wait = show_words(now);
  drawing_time += 0.2 * (performance.now() - computed - drawing_time);

  if (player.playing || is_pulling() || run.judging || run.star_is_old) {
    request_frame();
  } else {
    last_frame = null;
    if (wait) setTimeout(request_frame, wait);
  }
}

function pace() {
  return reduced_motion.matches ? "stills" : settings.pace;
}

// ----------------------------------------------------------------------------- drawing

function draw_backgrounds() {
  draw_plane_background(run);
  draw_curve_background();
  draw_error_background(run.settings);
}

/* Adapt all starts to your points. */
function learn_from_points() {
  const data = your_data(run.family);
  for (const start of STARTS)
    if (start.phi) learn_curve(start, data);
  yours_in_star = null;
  place_handles();
  request_frame();
}

function draw() {
  const data = your_data(run.family), live = STARTS.at(-1);
  live.phi = run.shown_phi;
  learn_curve(live, data);
  run.leave_trail();

  if (yours_in_star?.star !== run.star) yours_in_star = add_yours(run.star, data);
  const behind = open_star_behind(run), { ray_steps } = opening;
  const random_steps = opening.beat === BEATS.length ? opening.random_steps : 0;
  draw_plane(run, { yours: yours_in_star, behind, hand, ray_steps, random_steps });
  show_hold();
  draw_curve(run);
  show_errors(data);
  if (settings.view === "error") draw_error(run);
  else draw_kernels(run, behind);
}

/* The ray to your points, from the φ of the star, of as many steps as the curve takes. */
function add_yours(star, data) {
  const one = data.x.length === 1, { family } = run;
  const task = one ? yours.task : plane_of_functions(family, data.y, data.x);
  const alpha = your_alpha(star.phi, data.x);
  const { path } = ray(NET, star.phi, family, data, alpha, your_steps());
  const finite = path.filter((place) => place.every(Number.isFinite));
  return { star, name: one ? "your point" : "your points", task, path: finite };
}

// ------------------------------------------------------------------------------- words

/* What the page says of this run's settings. */
function show_settings() {
  const { k, tasks } = run.settings, fomaml = run.method === "fomaml";
  element("watch").dataset.method = run.method;
  typeset("k-steps", `k = ${counted(k, "gradient step")}`);
  typeset("move", fomaml ? "Move φ by the last gradient only."
    : "Move φ partway to W.");
  typeset("outer-formula", fomaml ? "φ ← φ − ε α gₖ" : "φ ← φ + ε (W − φ)");
  typeset("plane-says", PLANE_SAYS[tasks]);
  typeset("starts-say", STARTS_SAY[tasks]);
  for (const word of document.querySelectorAll(".one-task"))
    word.textContent = run.family.one;
}

/* All that changes during a run. Returns in how many ms the story goes on, or 0. */
function show_words(now) {
  show_captions();
  show_transport();
  const wait = say(tell(run, guess), now);
  show_question(wait);
  return wait;
}

function show_captions() {
  element("watch").dataset.line = run.close_up?.line ?? 0;
  typeset("progress", `Iteration ${whole(run.iteration)} of ${whole(ITERATIONS)}, `
    + `ε = ${run.epsilon_now.toFixed(2)}`);
  typeset("curve-says", run.close_up
    ? "The inner loop: W, and the ten points of its last step." : tell_points(run));
  typeset("n-value", counted(settings.n, "step"));
  typeset("beat-says", tell_beat());
  typeset("table-steps", counted(your_steps(), "step"));
  element("steps").hidden = yours.points.length === 1;
  enable("undo-points", can_undo("points"), "new-task", "nothing to undo");
  element("errors").hidden = settings.view !== "error";
  element("kernels").hidden = settings.view !== "kernel";
}

function show_transport() {
  const { finished, under_way, close_up, iteration, settings: { k } } = run;
  const all_steps = under_way && close_up.steps === k;
  typeset("play", play_label());
  const over = "training is over: start again";
  enable("inner-step", !finished && !all_steps, finished ? "play" : "outer-step",
    finished ? over : "the inner loop is complete: outer step");
  enable("outer-step", !finished, "play", over);
  enable("again", iteration > 0, "play", "this is the start");
}

function play_label() {
  if (player.playing) return "❚❚ Pause";
  if (run.finished) return "▶ Train again";
  return run.iteration === 0 ? "▶ Train φ" : "▶ Go on";
}

/* The question about k = 1 comes when the star is open; a phone scrolls to it. */
function show_question(wait) {
  const { finished, diverged, settings: { k, tasks } } = run;
  const solved = finished && !diverged && k > 1 && tasks === "sines";
  const asked = solved && guess === null && wait === 0;
  const question = element("question"), appears = asked && question.hidden;
  question.hidden = !asked;
  element("back").hidden = !open_star_behind(run);
  if (!appears) return;
  const watching = element("plane").getBoundingClientRect().bottom > 0;
  if (watching) question.scrollIntoView({ block: "nearest" });
}

// ---------------------------------------------------------------------------- controls

function build_transport() {
  element("play").addEventListener("click", () => {
    if (player.playing) {
      player.pause();
    } else {
      put_back();
      if (run.finished) begin();
      player.play();
    }
    request_frame();
  });
  const step = (id, carry_out) => element(id).addEventListener("click", () => {
    player.pause();
    put_back();
    carry_out();
    request_frame();
  });
  step("inner-step", () => run.inner_step());
  step("outer-step", () => run.outer_step());
  step("again", begin);

  for (const button of document.querySelectorAll("[data-guess]"))
    button.addEventListener("click", () => {
      guess = button.dataset.guess;
      show_view("kernel");
      play_with(1);
    });
  element("back").addEventListener("click", () => {
    play_with(CHOICES.k[0]);
    element("points").querySelector("[value=side]").click();
    element("curve").scrollIntoView({ block: "nearest" });
  });
}

/* Train anew with another k. */
function play_with(k) {
  set("k", k);
  begin();
  player.play();
  element("play").focus({ preventScroll: true });
}

/* A button that walks a slider from 0 to its last step, and stops if pressed again. */
function playable(button, slider, milliseconds) {
  const label = button.getAttribute("aria-label");
  let timer = null;

  const go = (n) => {
    slider.value = n;
    slider.dispatchEvent(new Event("input"));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", label);
  };
  const next = () => {
    go(+slider.value + 1);
    if (slider.value === slider.max) stop();
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    go(0);
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Stop");
    timer = setInterval(next, milliseconds);
  });
  for (const act of ["pointerdown", "keydown"])
    slider.addEventListener(act, stop);
}

/* The table of starts, with a box to tick for each curve. */
function build_starts() {
  for (const start of [...STARTS].reverse()) {
    const label = make("label", make("th", element("starts"), { scope: "col" }));
    start.shown = make("input", label, { type: "checkbox", autocomplete: "off" });
    start.shown.checked = start.key === "live";
    start.shown.addEventListener("change", request_frame);

    const box = make("svg", label, { class: "swatch", "aria-hidden": "true" });
    const across = { x1: 0, x2: "100%", y1: "50%", y2: "50%" };
    make("line", box, { class: `line-${start.key}`, ...across });
    make("span", label, {}, start.name);
    start.cell = make("td", element("start-errors"), { class: `share-${start.key}` });
  }
}

/* The φ of the starts that build.py trained. */
function load_starts() {
  for (const start of STARTS) {
    if (start.key in PHI) start.phi = decode(PHI[start.key]);
    if (start.key === "random") start.phi = NET.init(generator(0));
  }
}

build_settings();
build_plane();
build_curve();
build_points();
build_error();
build_starts();
load_starts();
build_transport();
listen_to_points();
listen_to_hold();
listen_to_hands();
listen_to_opening();
playable(element("n-play"), element("n"), 250);
element("settings").open = matchMedia("(min-width: 700px)").matches;
open_address();

const resized = new ResizeObserver(() => {
  draw_backgrounds();
  request_frame();
});
for (const id of ["plane", "curve", "error"]) resized.observe(element(id));

build_cells();
listen_to_drawings();
playable(element("drawing-play"), element("drawing-n"), 120);
learn_drawings();
