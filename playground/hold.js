/* A hand holds φ in the plane: mouse, pen, finger, or arrow keys. Each frame one
   gradient step pulls φ towards the task at the hand's place. */
"use strict";

const NEAR = 0.15;  // where φ has arrived
const REACH = 5.5;  // how far from the middle the hand gets

/* The place [p, q] that φ is pulled to, or null; the steps since the hand took hold. */
const hand = { task: null, steps: 0 };

/* The hand takes hold of φ where it is. */
function take_hold() {
  player.pause();
  hand.steps = 0;
  move_hand(run.place(run.shown_phi));
}

function move_hand([p, q]) {
  const shorter = Math.min(1, REACH / Math.hypot(p, q));
  hand.task = [p * shorter, q * shorter];
  request_frame();
}

function let_go() {
  hand.task = null;
  request_frame();
}

/* φ is again where training left it. */
function put_back() {
  let_go();
  run.put_back();
}

/* Is the hand away from φ, so that the next frame has to pull? */
function is_pulling() {
  if (!hand.task) return false;
  const [p, q] = run.place(run.shown_phi);
  return Math.hypot(hand.task[0] - p, hand.task[1] - q) > NEAR;
}

/* What a frame does. */
function pull_phi() {
  run.pull(hand.task);
  hand.steps += 1;
  if (opening.beat === 3) opening.random_steps = hand.steps;
}

function show_hold() {
  const handle = element("phi-handle"), [x, y] = plane_scale()(run.trail.at(-1));
  handle.style.left = `${x}px`;
  handle.style.top = `${y}px`;
  const [p, q] = run.trail.at(-1).map((v) => v.toFixed(1));
  handle.setAttribute("aria-valuenow", p);
  handle.setAttribute("aria-valuetext", `p = ${p}, q = ${q}`);
  const button = element("put-back"), focused = document.activeElement === button;
  button.hidden = run.held === null;
  if (button.hidden && focused) handle.focus();
}

/* Where in the plane an event is: p, q. */
function position_in_plane({ clientX, clientY }) {
  const { left, top, width, height } = element("plane").getBoundingClientRect();
  const x = clientX - left - width / 2, y = top + height / 2 - clientY;
  return [x, y].map((v) => v / plane_unit());
}

function listen_to_hold() {
  const handle = element("phi-handle");

  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
    take_hold();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) move_hand(position_in_plane(event));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"])
    handle.addEventListener(end, let_go);

  handle.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return put_back();
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const [dp, dq] = ARROWS[event.key], step = event.shiftKey ? 2 : 0.5;
    if (!hand.task) take_hold();
    move_hand([hand.task[0] + step * dp, hand.task[1] + step * dq]);
  });
  element("put-back").addEventListener("click", put_back);
}
