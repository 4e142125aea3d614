/* The page: its settings and its address, its clock, and what its controls do. */
"use strict";

/* What can be set; each first item is what holds if the address does not say otherwise:
   #k=1&epsilon=0.4&meta=fomaml&tasks=lines&seed=3&pace=fast&n=4 */
const CHOICES = {
  k: [5, 1, 2, 3, 4, 6, 7, 8, 9, 10],
  epsilon: [0.4, 0.1, 0.2, 0.8, 1.6, 3.2],
  meta: ["reptile", "fomaml"],
  tasks: ["sines", "lines"],
  seed: Array.from({ length: 1000 }, (_, i) => i),
  pace: ["slow", "fast"],
  n: [8, ...Array.from({ length: 33 }, (_, i) => i)],
};
const FRAME = 13.5;  // ms of computing a frame, of 16.7 at 60 frames a second
const LEAST = 8;  // ms of training and judging, where drawing takes long

const settings = {};
const player = new Player();
const reduced_motion = matchMedia("(prefers-reduced-motion: reduce)");
let run;
let guess = null;  // what the reader said that the star of k = 1 would do
let last_frame = null, drawing_time = 3;  // ms
let yours_in_star = null;  // { star, task, path }: the ray to the ten points
let open_star = null;  // { k, tasks, star } of the last finished run with k > 1
let restarted = false;  // did new settings end a run that was under way?

// ---------------------------------------------------------------------------- settings

/* The settings that the address holds; what it does not know is left out. */
function read_address() {
  const written = new URLSearchParams(location.hash.slice(1));
  for (const [name, choices] of Object.entries(CHOICES)) {
    const found = choices.find((choice) => String(choice) === written.get(name));
    settings[name] = found ?? choices[0];
  }
  for (const name in CHOICES) element(name).value = settings[name];
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
  element(name).value = settings[name];
  write_address();
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
      const under_way = run.iteration > 0 && !run.finished;
      begin();
      restarted = under_way;
    });
  element("pace").addEventListener("change", ({ target }) => set("pace", target.value));
  addEventListener("hashchange", () => {
    read_address();
    begin();
  });
}

// --------------------------------------------------------------------------- the clock

/* A new run with the present settings. */
function begin() {
  player.pause();
  if (run) {
    keep_errors(run);
    keep_open_star(run);
  }
  restarted = false;
  const family = run?.family;

  run = new Run({ ...settings });
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

/* One frame: train, judge φ, draw; all of it within FRAME. */
function frame(now) {
  frame_requested = false;
  const start = performance.now();
  const elapsed = Math.min(now - (last_frame ?? now), 100);
  const budget = Math.max(FRAME - drawing_time, LEAST);
  last_frame = now;

  if (player.playing) player.advance(run, pace(), elapsed, 0.7 * budget);
  run.judge_for(start + budget - performance.now());

  const computed = performance.now();
  draw();
  drawing_time += 0.2 * (performance.now() - computed - drawing_time);

  if (player.playing || run.judging || run.star_is_old) request_frame();
  else last_frame = null;
}

function pace() {
  return reduced_motion.matches ? "stills" : settings.pace;
}

// ----------------------------------------------------------------------------- drawing

function draw_backgrounds() {
  draw_plane_background(run);
  draw_curve_background();
  draw_error_background(run.settings);
  draw_earlier(run.settings);
}

/* Adapt all starts to the ten points. */
function learn_from_points() {
  const data = your_data(run.family);
  for (const start of STARTS)
    if (start.phi) learn_curve(start, data, settings.n);
  yours_in_star = null;
  place_handles();
  element("one-side").setAttribute("aria-pressed", yours.one_side);
  request_frame();
}

function draw() {
  const data = your_data(run.family), live = STARTS.at(-1);
  live.phi = run.shown_phi;
  learn_curve(live, data, settings.n);
  run.leave_trail();

  if (yours_in_star?.star !== run.star) yours_in_star = add_yours(run.star, data);
  draw_plane(run, yours_in_star, open_star_behind(run));
  draw_curve(run);
  draw_error(run);
  show_errors(data);
  show_words();
}

/* The ray to the ten points, from the φ of the star, of the slider's steps. */
function add_yours(star, data) {
  const task = plane_of_functions(run.family, data.y, data.x);
  const { path } = ray(NET, star.phi, run.family, data, ALPHA, settings.n);
  return { star, task, path: path.filter((place) => place.every(Number.isFinite)) };
}

/* What the page says of this run's settings. */
function show_settings() {
  const { k, tasks } = run.settings, fomaml = run.method === "fomaml";
  element("watch").dataset.method = run.method;
  typeset("k-steps", k === 1 ? "k = 1 gradient step" : `k = ${k} gradient steps`);
  typeset("move", fomaml ? "Move φ by the last gradient only."
    : "Move φ a little towards W.");
  typeset("outer-formula", fomaml ? "φ ← φ − ε α gₖ" : "φ ← φ + ε (W − φ)");
  typeset("plane-says", PLANE_SAYS[tasks]);
  typeset("starts-say", STARTS_SAY[tasks]);
  for (const word of document.querySelectorAll(".one-task"))
    word.textContent = run.family.one;
}

/* The lines of the algorithm, the story, and what the controls say. */
function show_words() {
  const { k, tasks } = run.settings, singly = run.trajectory.length > 0;
  element("watch").dataset.line = singly ? run.line : 0;
  const again = restarted && run.line === 0;
  const news = again ? "New settings: training starts again. " : "";
  typeset("story", news + tell(run, guess));
  element("watch").toggleAttribute("data-first", singly && run.iteration === 1);
  typeset("progress", `Iteration ${whole(run.iteration)} of ${whole(ITERATIONS)}, `
    + `ε = ${number(run.epsilon_now)}`);
  typeset("curve-says", singly
    ? "The inner loop: W, and the ten points of its last step."
    : tell_points());
  const steps = settings.n === 1 ? "1 step" : `${settings.n} steps`;
  typeset("n-value", steps);
  typeset("table-steps", steps);
  typeset("play", play_label());

  const focused = document.activeElement;
  element("inner-step").disabled = run.finished || (run.line === 2 && run.steps === k);
  element("outer-step").disabled = run.finished;
  element("again").disabled = run.iteration === 0;
  if (focused.disabled) element(run.line === 2 ? "outer-step" : "play").focus();
  const solved = run.finished && !run.diverged && k > 1 && tasks === "sines";
  show_question(solved && guess === null);
  element("back").hidden = !open_star_behind(run);
}

/* On a phone it may be below the window, while the star is within. */
function show_question(asked) {
  const question = element("question"), appears = asked && question.hidden;
  question.hidden = !asked;
  const watching = element("plane").getBoundingClientRect().bottom > 0;
  if (appears && watching) question.scrollIntoView({ block: "nearest" });
}

function play_label() {
  if (player.playing) return "❚❚ Pause";
  if (run.finished) return "▶ Train again";
  return run.iteration === 0 ? "▶ Train φ" : "▶ Go on";
}

// ---------------------------------------------------------------------------- controls

function build_transport() {
  element("play").addEventListener("click", () => {
    if (player.playing) {
      player.pause();
    } else {
      if (run.finished) begin();
      player.play();
    }
    request_frame();
  });
  const step = (id, carry_out) => element(id).addEventListener("click", () => {
    player.pause();
    carry_out();
    request_frame();
  });
  step("inner-step", () => run.inner_step());
  step("outer-step", () => run.outer_step());
  step("again", begin);

  for (const button of document.querySelectorAll("[data-guess]"))
    button.addEventListener("click", () => {
      guess = button.dataset.guess;
      set("k", 1);
      begin();
      player.play();
      element("play").focus();
    });

  element("back").addEventListener("click", () => {
    set("k", CHOICES.k[0]);
    begin();
    if (!yours.one_side) element("one-side").click();
    player.play();
    element("play").focus();
  });
}

/* A button that walks a slider from 0 to its last step, and pauses if pressed again. */
function playable(button, slider, milliseconds) {
  const label = button.getAttribute("aria-label");
  let timer = null, paused = false;

  const go = (k) => {
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
  };
  const stop = (pause) => {
    clearInterval(timer);
    [timer, paused] = [null, pause];
    button.textContent = "▶";
    button.setAttribute("aria-label", label);
  };
  const next = () => {
    go(+slider.value + 1);
    if (slider.value === slider.max) stop(false);
  };
  button.addEventListener("click", () => {
    if (timer) return stop(true);
    if (!paused) go(0);
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(next, milliseconds);
  });
  for (const hand of ["pointerdown", "keydown"])
    slider.addEventListener(hand, () => stop(false));
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
read_address();
build_transport();
listen_to_points();
element("n").addEventListener("input", (event) => {
  settings.n = +event.target.value;
  learn_from_points();
});
element("n").addEventListener("change", write_address);  // Safari allows 3 a second
playable(element("n-play"), element("n"), 250);
begin();

new ResizeObserver(() => {
  draw_backgrounds();
  request_frame();
}).observe(document.querySelector("#plane"));

build_cells();
listen_to_drawings();
playable(element("drawing-play"), element("drawing-k"), 120);
learn_drawings();
