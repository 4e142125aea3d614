/* The page: one state, and one function, render, that draws it. */
"use strict";

const TRACKS = [5, 1];  // pulls a sine
const LAST = PLACES.length - 1;
const SPEED = 30;  // places a second
const GRID = spread(101);  // where curves are drawn
const WIDTH = 10.6, HEIGHT = 12;  // of the curve's plot, in its own units
const STRIPES = 10.204;  // of the stripes: from −5 to 5, and half a row at both ends
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

const state = {
  k: 5,  // the track that is seen
  wanted: { 5: 0, 1: 0 },  // places on the tapes; a knob waits for the recording
  playing: false,
  point: { x: -1.6, y: still ? 3.4 : 0 },
  second: null,  // where a second point looks at the curve
  cross: null,  // the new sine that is being looked at
  intro: still ? null : 0,  // seconds of the opening, which pulls the point once
  flight: null,  // how far the curve has flown to its place in the disc, 0 to 1
  touched: false, played: false, met: false,  // met: has pulled a practised start
};

const tapes = { 5: [], 1: [] };
const ready = (k) => tapes[k].length - 1;
const shown = (k) => Math.min(Math.round(state.wanted[k]), ready(k));  // a real φ
const sines = (k) => PLACES[shown(k)];  // after how many of them
const waits = (k) => state.wanted[k] > ready(k);

/* New sines, to see where a start can go. Of some thousand seeds, this one spreads them
   most evenly. From each, ten points are learnt. */
const TEN = X.filter((_, i) => i % 5 === 2);
const random = generator(3209);
const CROSSES = Array.from({ length: 20 }, () => draw_sine(random));
const learn = (phi, task) => adapt(NET, phi, TEN, sine(task, TEN), 0.04, 8);

/* What follows from φ alone. It takes some milliseconds, so it is kept. */
let kept = {};
function look_at(phi) {
  if (kept.phi === phi) return kept;
  const ray = (task) => Array.from(learn(phi, task),
    (weights) => place(NET.predict(weights, TEN), TEN));
  kept = {
    phi, rays: CROSSES.map(ray), kernel: tangent_kernel(phi, X),
    start: place(NET.predict(phi, X), X), before: NET.predict(phi, GRID),
  };
  return kept;
}

/* All that is to be seen: of the start φ, of W after one pull, of the best guess. */
function look() {
  const { k, point } = state, { phi } = tapes[k][shown(k)], W = pull(phi, point);
  const guess = best_guess(point);
  return {
    ...look_at(phi), after: NET.predict(W, GRID), landed: place(NET.predict(W, X), X),
    guess, guessed: sine(guess, GRID), second: look_elsewhere(phi, W, guess),
  };
}

/* What a second point of the same sine finds: the curve there before and after the
   first pull, and whether that was the right way. */
function look_elsewhere(phi, W, guess) {
  const x = state.second ?? half_a_wave_from(state.point.x), [y] = sine(guess, [x]);
  const [before] = NET.predict(phi, [x]), [after] = NET.predict(W, [x]);
  const wish = y - before, move = after - before;
  const verdict = Math.abs(wish) < 0.3 ? "nothing to move here"
    : Math.abs(move) < 0.15 * Math.abs(wish) ? "hardly moved"
    : move * wish > 0 ? "moved the right way" : "moved the wrong way";
  return { x, y, before, after, verdict };
}

const half_a_wave_from = (x) => (x + Math.PI <= 5 ? x + Math.PI : x - Math.PI);

/* Whether the ray to new sine i ends there. */
function reached({ rays }, i) {
  const [p, q] = rays[i].at(-1), [goal_p, goal_q] = CROSSES[i];
  return Math.hypot(p - goal_p, q - goal_q) < 0.6;
}

/* The question "why five pulls?" arises when a practised start has been pulled, or when
   one pull a sine is seen. A ring then waits to be touched. */
const has_ring = () => state.cross === null
  && (state.second !== null || (state.touched && (state.met || state.k === 1)));

// -------------------------------------------------------------------------- drawing

const element = (id) => document.getElementById(id);
const clamp = (v, least, most) => Math.min(Math.max(v, least), most);
const mix = (a, b, t) => a + t * (b - a);
const ease = (t) => t * t * (3 - 2 * t);
const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

function set(id, attributes) {
  for (const [name, value] of Object.entries(attributes))
    element(id).setAttribute(name, value);
}

const line = (points) => `M${points.map((point) => point.join(" ")).join("L")}`;
const draw = (id, lines) => set(id, { d: lines.map(line).join("") });

function put(id, [cx, cy], seen = true, r = element(id).getAttribute("r")) {
  set(id, { cx, cy, r, opacity: seen ? 1 : 0 });
}

/* Where things are on the stage: functions from their own units to pixels. */
function layout() {
  const stage = element("stage").getBoundingClientRect();
  const [plane, curve, stripes] = ["plane", "curve", "stripes"].map((id) => {
    const { left, top, width, height } = element(id).getBoundingClientRect();
    return { x: left + width / 2 - stage.left, y: top + height / 2 - stage.top,
      width, height };
  });
  const unit = Math.min(plane.width, plane.height) / 12.6;
  return {
    unit, left: stage.left, top: stage.top,
    on_plane: ([p, q]) => [plane.x + unit * p, plane.y - unit * q],
    on_curve: ([x, y]) =>
      [curve.x + curve.width * x / WIDTH, curve.y - curve.height * y / HEIGHT],
    on_stripes: (x) => stripes.y - stripes.height * x / STRIPES,
  };
}

const graph = (at, f) => Array.from(f, (y, i) => at([GRID[i], y]));

/* A small picture of a function at a point of the disc. */
const small = (unit, [x, y], f) =>
  Array.from(f, (v, i) => [x + 0.085 * unit * GRID[i], y - 0.07 * unit * v]);

/* Everything that one sees follows from the state. */
function render() {
  const now = look(), views = layout();
  set("stage", { style: `--track: ${hue(state.k)}; --now: ${colour(state.k)}` });
  draw_disc(now, views);
  draw_curve(now, views);
  draw_second(now, views);
  draw_stripes(now, views);
  draw_flight(now, views);
  TRACKS.forEach(show_track);
  show_hands(now);
  show_words(now);
  write_address();
}

/* Grey before practice; later blue, or with one pull a sine orange. */
const hue = (k) => (k === 5 ? "var(--reptile)" : "var(--joint)");
const colour = (k) =>
  `color-mix(in srgb, ${hue(k)} ${Math.min(shown(k), 100)}%, var(--random))`;

function draw_disc(now, { on_plane, unit }) {
  draw("rings", [1, 2, 3, 4, 5].map((r) =>
    Array.from({ length: 73 }, (_, i) => on_plane(turn(r, i / 72)))));
  draw("rim", [0, 1, 2, 3, 4, 5, 6, 7].map((i) =>
    small(unit, on_plane(turn(5.7, i / 8)), sine(turn(3.2, i / 8), GRID))));

  // New sines mean something once practice has begun.
  const arm = Math.max(0.11 * unit, 3), seen = state.played;
  draw("rays", seen ? now.rays.map((ray) => ray.map(on_plane)) : []);
  draw("crosses", seen ? CROSSES.flatMap((task) => {
    const [x, y] = on_plane(task);
    return [arm, -arm].map((s) => [[x - arm, y - s], [x + arm, y + s]]);
  }) : []);

  const { cross } = state, chosen = cross !== null, r = clamp(0.3 * unit, 5, 14);
  const start = on_plane(now.start), landed = on_plane(now.landed);
  draw("move", [chosen ? now.rays[cross].map(on_plane) : [start, landed]]);
  put("chosen", on_plane(CROSSES[cross ?? 0]), chosen);
  put("target", on_plane(now.guess), !chosen, 1.4 * r);
  put("landed", landed, !chosen, r);
  put("start", start, true, 0.8 * r);

  // Its name, on the side that the move leaves free.
  const away = Math.atan2(start[1] - landed[1], start[0] - landed[0]);
  const far = clamp(0.95 * unit, 30, 46);
  set("start-name",
    { x: start[0] + far * Math.cos(away), y: start[1] + 0.7 * far * Math.sin(away) });
}

const turn = (r, share) =>
  [r * Math.cos(2 * Math.PI * share), r * Math.sin(2 * Math.PI * share)];

function draw_curve(now, { on_curve }) {
  const { point, cross } = state, before = graph(on_curve, now.before);
  draw("axes", [[on_curve([-5, 0]), on_curve([5, 0])],
    ...[-5, 0, 5].map((x) => [on_curve([x, -5.6]), on_curve([x, 5.6])])]);
  draw("before", [before]);
  put("dot", on_curve([point.x, point.y]), cross === null);
  if (cross !== null) return draw_cross(now, on_curve);

  // Where the curve has gone along with the pull, and where the other way.
  const after = graph(on_curve, now.after);
  const up = point.y > NET.predict(now.phi, [point.x])[0];
  const moves = before.map((start, i) => [start, after[i]]);
  const goes_along = (_, i) => (now.after[i] > now.before[i]) === up;
  draw("along", moves.filter(goes_along));
  draw("against", moves.filter((_, i) => !goes_along(_, i)));
  draw("guess", [graph(on_curve, now.guessed)]);
  draw("after", [after]);
  draw("steps", []);
  draw("ten", []);
}

/* Of a new sine: its ten points, and the curve after each of eight pulls at them. */
function draw_cross({ phi }, on_curve) {
  const task = CROSSES[state.cross], y = sine(task, TEN);
  const curves = Array.from(learn(phi, task),
    (weights) => graph(on_curve, NET.predict(weights, GRID)));
  draw("along", []);
  draw("against", []);
  draw("guess", [graph(on_curve, sine(task, GRID))]);
  draw("steps", curves.slice(1, -1));
  draw("after", curves.slice(-1));
  draw("ten", Array.from(TEN, (x, i) => [on_curve([x, y[i]]), on_curve([x, y[i]])]));
}

/* The arrow is how the first pull has moved the curve; dots, what is left to pull. */
function draw_second({ second }, { on_curve }) {
  const { x, y, before, after, verdict } = second, active = state.second !== null;
  const [from, to, at] = [before, after, y].map((v) => on_curve([x, v]));
  const tip = clamp(to[1] - from[1], -9, 9);
  const head = [[to[0] - 7, to[1] - tip], to, [to[0] + 7, to[1] - tip]];
  const seen = has_ring();
  draw("arrow", seen && active ? [[from, to], head] : []);
  draw("left", seen && active ? [[to, at]] : []);
  put("ring", at, seen);

  const label = element("verdict"), [[left], [right]] = [[-5, 0], [5, 0]].map(on_curve);
  label.textContent = !seen ? "" : active ? verdict : "a second pull?";
  const room = clamp(on_curve([0, -6])[1] - at[1], 16, 28);  // under the ring
  set("verdict",
    { x: clamp(at[0], left + 75, right - 75), y: at[1] + (y < before ? room : -28) });
}

/* The kernel, a row for each place of the pull, from −5 at the bottom to 5. What goes
   along with the pull has the track's colour, and the rest is grey. */
function draw_stripes({ kernel }, { on_stripes, on_curve }) {
  const y = on_stripes(state.point.x), [[left], [x], [right]] =
    [-5.15, state.point.x, 5.15].map((v) => on_curve([v, 0]));
  draw("row", [[[left, y - 5], [right, y - 5], [right, y + 5], [left, y + 5],
    [left, y - 5]]]);
  put("row-dot", [x, y]);

  const style = getComputedStyle(document.documentElement);
  const [along, against] = [state.k === 5 ? "--reptile" : "--joint", "--random"]
    .map((name) => style.getPropertyValue(name).trim())
    .map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const context = element("stripes").getContext("2d");
  const pixels = context.createImageData(50, 50);
  const most = kernel.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
  kernel.forEach((v, i) => {
    const row = 49 - Math.floor(i / 50), opacity = 255 * Math.abs(v) / most;
    pixels.data.set([...(v > 0 ? along : against), opacity], 4 * (row * 50 + i % 50));
  });
  context.putImageData(pixels, 0, 0);
}

/* The curve on its way from its own plot to its place in the disc. */
function draw_flight(now, { on_curve, on_plane, unit }) {
  const t = ease(state.flight ?? 1), from = graph(on_curve, now.after);
  const to = small(unit, on_plane(now.landed), now.after);
  const between = from.map(([x, y], i) => [mix(x, to[i][0], t), mix(y, to[i][1], t)]);
  draw("flying", state.flight === null ? [] : [between]);
  set("flying", { "stroke-width": mix(5, 2, t) });
}

function show_track(k) {
  const track = element(`track${k}`), { wrong } = tapes[k][shown(k)];
  const playing = state.playing && state.k === k;
  const name = k === 5 ? "Five pulls" : "One pull";
  const [button, range] = track.querySelectorAll("button, input");
  const [at, end] = [shown(k), ready(k)].map((n) => `${(100 * n) / LAST}%`);
  write(`when${k}`,
    `<b>${name} a sine</b> × ${sines(k).toLocaleString("en")} <span>sines</span>`);
  write(`wrong${k}`, `<b>${percent(wrong)}</b> <span>wrong</span>`);
  set(track.id, { style: `--wrong: ${wrong}; --now: ${colour(k)};
    --rail: linear-gradient(90deg, var(--now) ${at}, var(--recorded) ${at} ${end},
      var(--line) ${end})` });

  const asked = state.met || state.wanted[1] > 0 || sines(5) >= 1000;
  track.classList.toggle("later", k === 1 && !asked);
  track.classList.toggle("hint", k === 1 && state.met && state.wanted[1] === 0);
  track.classList.toggle("seen", state.k === k);
  track.classList.toggle("playing", playing);
  button.ariaLabel = `${playing ? "Pause" : "Play"}: ${name.toLowerCase()} a sine`;
  range.value = shown(k);
  range.ariaValueText = `${sines(k)} sines, ${percent(wrong)} wrong`;
}

/* The handles, which are seen in the drawing, and felt above it. */
function show_hands({ second }) {
  const { point, cross } = state, unmoved = !state.touched && !state.playing;
  const hold = (id, x, y, value, text) => {
    element(id).style.left = `${100 * (x / WIDTH + 0.5)}%`;
    element(id).style.top = `${100 * (0.5 - y / HEIGHT)}%`;
    set(id, { "aria-valuenow": value.toFixed(1), "aria-valuetext": text });
  };
  hold("handle", point.x, point.y, point.y,
    `x ${point.x.toFixed(1)}, height ${point.y.toFixed(1)}`);
  hold("second-handle", second.x, second.y, second.x,
    `x ${second.x.toFixed(1)}: ${second.verdict}`);
  element("handle").hidden = cross !== null;
  element("handle").classList.toggle("new", unmoved && state.intro === null);
  element("second-handle").hidden = !has_ring();
}

// ---------------------------------------------------------------------------- words

const written = {};
function write(id, html) {
  if (written[id] !== html) element(id).innerHTML = html;
  written[id] = html;
}

function show_words(now) {
  const { k, cross, point } = state, found = CROSSES.filter((_, i) => reached(now, i));
  write("says", sentence(now));
  write("pulls", k === 5 ? "five times" : "once");
  write("key-after", cross === null ? "after one pull" : "after each of eight pulls");
  write("key-guess", cross === null ? "best guess" : "the new sine");
  document.body.classList.toggle("played", state.played);
  set("plane", { "aria-valuemax": CROSSES.length, "aria-valuenow": (cross ?? -1) + 1,
    "aria-valuetext": cross === null ? "none"
      : `number ${cross + 1}, ${reached(now, cross) ? "" : "not "}reached` });

  const x = half_a_wave_from(point.x);
  const height = (f, at) => f[Math.round(10 * (at + 5))].toFixed(1);
  set("picture", { "aria-label": `The disc: rays from the start reach ${found.length} of
    ${CROSSES.length} new sines. The curve: pulled at x ${point.x.toFixed(1)} to height
    ${point.y.toFixed(1)}, it is at ${height(now.after, point.x)} there, and half a wave
    away at ${height(now.after, x)}, where the best guess is
    ${height(now.guessed, x)}.` });
}

/* What to see or to do next. */
function sentence(now) {
  const { k, cross, second, touched, met, playing } = state, n = sines(k);
  if (state.intro !== null) return "One pull at one point moves the whole curve.";
  if (state.flight !== null)
    return "And every curve has a place in the disc: that of the sine most like it.";
  if (cross !== null)
    return `A new sine. Eight pulls at ten of its points, and the curve is
      ${reached(now, cross) ? "there" : "not there yet"}.`;
  if (touched && Math.abs(state.point.y) < 0.3)
    return `At height zero, as many sines rise through the point as fall: their average
      is flat. Lift the point.`;
  if (second !== null) return sentence_elsewhere(now.second.verdict);
  if (waits(k) && !playing) return "It is still practising: the knob comes along.";

  if (k === 1 && n < 300)
    return `The same start, but only one pull a sine. Watch the stripes: do they turn
      into waves?`;
  if (k === 1)
    return `Each <b>first</b> pull says: start higher here; another sine says: lower.
      That cancels. Only a <b>second</b> one says whether the first helped elsewhere on
      the sine. That adds up.`;
  if (n < 40 && met) return "It forgets: without practice, the curve only tilts.";
  if (n < 40 && touched)
    return `Unpractised, it only tilts, like a board. Press play: it practises on
      sines.`;
  if (n < 40) return "Drag the point: one pull bends the curve towards it.";
  if (n < 1000)
    return `Five pulls on a sine, then the next sine: the tilt turns into a wave${
      playing ? "." : ". Drag time on."}`;
  if (!met) return "Now drag the point anywhere: one pull, and nearly a whole sine.";
  if (state.wanted[1] === 0)
    return "But why five pulls a sine? Play the second track: one pull each.";
  return `Both starts are flat. But here each first pull was tested by a second one,
    elsewhere on the same sine: so the answers became waves.`;
}

function sentence_elsewhere(verdict) {
  if (verdict === "nothing to move here")
    return "Here the sine passes through the start. Slide the ring along.";
  const finds = "A second point, elsewhere on the same sine, finds that the first pull";
  if (verdict === "moved the right way")
    return `${finds} helped. Five pulls a sine reward this each time: it adds up.`;
  if (state.k === 1)
    return `${finds} did not help. With one pull a sine it is never asked.`;
  return `${finds} did not help. Practice with five pulls notices. Press play.`;
}

// -------------------------------------------------------------------------- address

/* A link restores what it shows: #five=600&one=3000&x=-1.6&y=3.4 */
function read_address() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const number = (name, least, most) => {
    const value = parseFloat(asked.get(name));
    return Number.isNaN(value) ? null : clamp(value, least, most);
  };
  const [five, one] = ["five", "one"].map((name) => number(name, 0, PLACES[LAST]));
  if (five === null && one === null) return;

  const far = (n) => (place) => Math.abs(place - (n ?? 0));
  const nearest = (n) => PLACES.map(far(n)).indexOf(Math.min(...PLACES.map(far(n))));
  change({
    k: asked.get("see") === "one" || five === null ? 1 : 5,
    wanted: { 5: nearest(five), 1: nearest(one) }, playing: false,
    point: { x: number("x", -5, 5) ?? -1.6, y: number("y", -5, 5) ?? 3.4 },
    second: number("second", -5, 5), cross: null, intro: null, flight: null,
    touched: true, played: true, met: five >= 1000 || one > 0,
  });
}

let writing;
function write_address() {
  clearTimeout(writing);
  if (state.touched || state.played)
    writing = setTimeout(() => {  // when hands rest, as browsers allow few changes
      const { k, point, second, wanted } = state;
      const [five, one] = TRACKS.map((track) => PLACES[Math.round(wanted[track])]);
      history.replaceState(null, "", `#five=${five}&one=${one}&x=${+point.x.toFixed(2)}`
        + `&y=${+point.y.toFixed(2)}${k === 1 ? "&see=one" : ""}`
        + (second === null ? "" : `&second=${+second.toFixed(2)}`));
    }, 400);
}

// ---------------------------------------------------------------------------- clock

function change(part) {
  Object.assign(state, part);
  wake();
}

/* Nothing moves, nothing is computed: a frame is asked for when the state changes. */
let awake = false, last_time = null;
function wake() {
  if (awake || TRACKS.some((k) => ready(k) < 0)) return;
  awake = true;
  requestAnimationFrame(frame);
}

function frame(time) {
  awake = false;
  advance(Math.min(0.1, (time - (last_time ?? time)) / 1000));
  render();
  const moving = state.playing || state.intro !== null || state.flight !== null;
  last_time = moving ? time : null;
  if (moving) wake();
}

function advance(seconds) {
  const { k, wanted } = state;
  if (state.playing) wanted[k] = Math.min(wanted[k] + SPEED * seconds, ready(k));
  if (wanted[k] === LAST) state.playing = false;
  if (state.flight !== null)
    state.flight = state.flight < 1 ? Math.min(1, state.flight + seconds / 1.3) : null;
  if (state.intro !== null) open(seconds);
}

/* The opening shows the gesture: the point goes up, the curve follows, and then it
   flies to its place. */
function open(seconds) {
  state.intro += seconds;
  const t = clamp((state.intro - 0.6) / 1.4, 0, 1), { x } = state.point;
  const [f] = NET.predict(tapes[5][0].phi, [x]);
  state.point = { x, y: mix(f, 3.4, ease(t)) };
  if (t === 1) Object.assign(state, { intro: null, flight: 0 });
}

// ---------------------------------------------------------------------------- hands

function move_point(x, y) {
  change({
    point: { x: clamp(x, -5, 5), y: clamp(y, -5, 5) }, touched: true,
    intro: null, flight: null, cross: null, second: null,
    met: state.met || (state.k === 5 && sines(5) >= 1000),
  });
}

const move_second = (x) => change({ second: clamp(x, -5, 5), cross: null });

/* A hand presses, moves and lets go in an area. What was pressed, and where the hand
   is, from −½ to ½, goes to move(x, y, id). A handle does not jump to the hand:
   held(id) is where it was. */
function listen_to_hand(area, move, held = () => null) {
  let grip = null;
  const at = ({ clientX, clientY }) => {
    const { left, top, width, height } = area.getBoundingClientRect();
    return [(clientX - left) / width - 0.5, 0.5 - (clientY - top) / height];
  };
  const follow = (event) => {
    const [x, y] = at(event);
    if (grip) move(x + grip.dx, y + grip.dy, grip.id);
  };
  area.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event), { id } = event.target, from = held(id) ?? [x, y];
    grip = { id, dx: from[0] - x, dy: from[1] - y };
    area.setPointerCapture(event.pointerId);
    follow(event);
  });
  area.addEventListener("pointermove", follow);
  area.addEventListener("lostpointercapture", () => { grip = null; });
}

/* keys() says what each key does now. */
function listen_to_keys(id, keys) {
  element(id).addEventListener("keydown", (event) => {
    const act = keys()[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function listen_to_curve() {
  const held = (id) => ({
    "handle": [state.point.x / WIDTH, state.point.y / HEIGHT],
    "second-handle": [look().second.x / WIDTH, 0],
  })[id];
  listen_to_hand(element("curve"), (x, y, id) => {
    if (id === "second-handle") move_second(WIDTH * x);
    else move_point(WIDTH * x, HEIGHT * y);
  }, held);
  listen_to_hand(element("stripes"), (x, y) => move_point(STRIPES * y, state.point.y));

  listen_to_keys("handle", () => {
    const { x, y } = state.point, to = (...place) => () => move_point(...place);
    return { ArrowLeft: to(x - 0.2, y), ArrowRight: to(x + 0.2, y), Home: to(-5, y),
      ArrowUp: to(x, y + 0.2), ArrowDown: to(x, y - 0.2), End: to(5, y) };
  });
  listen_to_keys("second-handle", () => {
    const { x } = look().second, to = (place) => () => move_second(place);
    return { ArrowLeft: to(x - 0.2), ArrowDown: to(x - 0.2), ArrowRight: to(x + 0.2),
      ArrowUp: to(x + 0.2), Home: to(-5), End: to(5),
      Escape: () => change({ second: null }) };
  });
}

/* A hand at a cross sees its ten points and its curves. */
function listen_to_disc() {
  const disc = element("plane"), leave = () => change({ cross: null });
  const choose = ({ clientX, clientY }) => {
    const { on_plane, unit, left, top } = layout();
    const distances = CROSSES.map(on_plane)
      .map(([x, y]) => Math.hypot(clientX - left - x, clientY - top - y));
    const least = Math.min(...distances), near = least < Math.max(0.7 * unit, 18);
    const cross = state.played && near ? distances.indexOf(least) : null;
    if (cross !== state.cross) change({ cross, intro: null, flight: null });
  };
  disc.addEventListener("pointermove", choose);
  disc.addEventListener("pointerdown", choose);
  disc.addEventListener("blur", leave);
  disc.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "mouse") leave();
  });
  listen_to_keys("plane", () => {
    const i = state.cross ?? -1, most = CROSSES.length - 1;
    const to = (j) => () =>
      change({ cross: clamp(j, 0, most), played: true, intro: null, flight: null });
    return { ArrowLeft: to(i - 1), ArrowDown: to(i - 1), ArrowRight: to(i + 1),
      ArrowUp: to(i + 1), Home: to(0), End: to(most), Escape: leave };
  });
}

/* Whoever touches a track sees it; whoever plays it at its end, from its start. */
function listen_to_track(k) {
  const track = element(`track${k}`);
  const [button, range] = track.querySelectorAll("button, input");
  const see = (playing) =>
    change({ k, playing, intro: null, flight: null, cross: null, played: true });
  range.max = LAST;
  track.addEventListener("pointerdown", ({ target }) => {
    if (!target.closest("button")) see(false);
  });
  range.addEventListener("input", () => {
    state.wanted[k] = +range.value;
    see(false);
  });
  button.addEventListener("click", () => {
    const playing = !(state.playing && state.k === k);
    if (playing && state.wanted[k] === LAST) state.wanted[k] = 0;
    see(playing);
  });
}

/* The three lines open where the sentence was. */
function listen_to_algorithm() {
  const button = element("algorithm");
  button.addEventListener("click", () => {
    const open = !element("lines").toggleAttribute("hidden");
    element("lead").hidden = open;
    button.ariaExpanded = open;
    button.textContent = open ? "close" : "how it practises";
  });
}

listen_to_curve();
listen_to_disc();
TRACKS.forEach(listen_to_track);
listen_to_algorithm();
read_address();
addEventListener("hashchange", read_address);
new ResizeObserver(wake).observe(element("stage"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", wake);
for (const k of TRACKS)
  record_aside(k, (shot) => {
    tapes[k].push(shot);
    wake();
  });
