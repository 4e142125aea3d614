/* What the page says in words about a run. */
"use strict";

const READING = 300;  // ms for a word

const PLANE_SAYS = {
  sines: "Each place is a sine: distance from the middle is amplitude, angle is phase. "
    + "×: new tasks. Rays: 8 gradient steps from φ. Thin grey: where φ has been. "
    + "It shows functions, not weights.",
  lines: "Each place is a line: to the right its slope, upwards its value at 0. ×: new "
    + "tasks. Rays: 8 gradient steps from φ. Thin grey: where φ has been. It shows "
    + "functions, not weights.",
};

const STARTS_SAY = {
  sines: "This φ is trained here, the others before (MAML: through the inner steps). "
    + "Full bar: predicting 0.",
  lines: "This φ is trained here; Reptile, MAML and joint before, on sines. Full bar: "
    + "predicting 0.",
};

/* The sentence that stands, and until when: as long as it takes to read. */
const story = { says: "", until: 0 };

/* Say it now, or, if a sentence is still being read, return in how many ms. */
function say(text, now) {
  const sentence = text.replace(/[\d.,]+/g, "#");  // other numbers are no other sentence
  const other = sentence !== story.says;
  if (other && now < story.until) return story.until - now;

  if (other) story.until = now + READING * text.split(" ").length;
  story.says = sentence;
  typeset("story", text);
  return 0;
}

/* What a hand does is answered at once. */
function listen_to_hands() {
  for (const act of ["pointerdown", "pointerup", "keydown", "click", "change"])
    addEventListener(act, () => { story.until = 0; }, true);
}

/* The present state of a run. `guess`: what the reader said that the star of k = 1
   would do. */
function tell(run, guess) {
  if (run.held) return tell_held(run);
  if (run.diverged) return tell_divergence(run);
  if (run.close_up) return tell_line(run);
  if (run.finished) return tell_end(run, guess);
  return run.iteration === 0 ? tell_start(run) : tell_progress(run);
}

/* The mean squared error on the new tasks of the network that predicts 0. */
function error_of_zero(run) {
  const errors = run.new_tasks.map(({ truth }) => mse(truth, truth.map(() => 0)));
  return errors.reduce((sum, error) => sum + error) / errors.length;
}

/* Does the random φ already come close to the new tasks? */
function is_easy(run) {
  return run.errors[0][1] < error_of_zero(run) / 2;
}

function tell_start(run) {
  if (is_easy(run))
    return "Even from a random φ the 8 steps come close: these tasks are easy.";
  return "φ is random, and 8 gradient steps from it towards the new tasks are stubs. "
    + "Can training find a φ from which they arrive?";
}

/* The line of the algorithm that a close-up shows. */
function tell_line({ close_up, epsilon_now, family, method, settings }) {
  if (close_up.line === 1)
    return `1. Draw a task: the ${family.one} at the ring.`;
  if (close_up.line === 2)
    return `2. Gradient step ${close_up.steps} of ${settings.k}: W moves towards the `
      + "task.";
  if (method === "fomaml") return "3. φ moves by the last gradient only, times ε.";
  return `3. φ moves ${Math.round(100 * epsilon_now)} % of the way to W.`;
}

function tell_progress(run) {
  const start = run.errors[0][1], best = Math.min(...run.errors.map(([, e]) => e));
  if (run.method === "joint")
    return "Each task pulls φ its own way, with one step. Watch the rays.";
  if (is_easy(run))
    return "Task after task pulls φ part of its way. Watch the error.";
  if (best > start / 2)
    return "Task after task pulls φ part of its way. Watch the rays.";
  if (best > start / 10)
    return "The rays grow: from this φ, the same 8 steps lead further.";
  return "The star is open: from this φ, 8 steps come close to most crosses.";
}

function tell_end(run, guess) {
  const start = run.errors[0][1], share = run.star.error / start;
  const numbers = `error ${number(run.star.error)}, at the start ${number(start)}`;
  if (run.method === "joint" && share > 1 / 2) return tell_shut(run, guess, numbers);
  return `${tell_star(run, share, numbers)}${tell_fomaml(run)}`;
}

function tell_star(run, share, numbers) {
  if (is_easy(run))
    return "From the random φ the 8 steps came close already: these tasks are easy. "
      + `Now: ${numbers}.`;
  if (share > 1 / 2)
    return `From φ, the same 8 steps still lead hardly further (${numbers}).`;
  if (share > 1 / 10)
    return `From φ, the same 8 steps now lead closer to the crosses (${numbers}).`;
  return `The star is open: from φ, the same 8 steps reach most crosses (${numbers}). `
    + "φ itself solves no task. What it has learnt is how to move: pull it.";
}

function tell_fomaml({ method, settings: { k } }) {
  if (method !== "fomaml") return "";
  return ` FOMAML moves φ by one gradient, Reptile by ${k}: at the same ε its steps are `
    + "shorter.";
}

/* Why the star of k = 1 stays shut. */
function tell_shut(run, guess, numbers) {
  const sines = run.settings.tasks === "sines";  // of which the question was
  const answer = !guess || !sines ? ""
    : guess === "stay shut" ? "You were right. " : `You said it would ${guess}. `;
  const shut = is_easy(run) ? "closed" : "stayed shut";
  const kernel = sines ? " The kernel of this φ has no stripes." : "";
  const grey = open_star_behind(run) ? ` Grey: k = ${open_star.k}.` : "";
  return `${answer}The star ${shut} (${numbers}). A single step depends only on φ's `
    + "own error; a second one would depend on how the first moved the curve."
    + `${kernel}${grey}`;
}

function tell_held({ star, errors }) {
  const where = hand.task ? "φ is in your hand: each frame, one gradient step."
    : "You let φ go here.";
  return `${where} From here, 8 steps end with error ${number(star.error)}; where it `
    + `was, ${number(errors.at(-1)[1])}.`;
}

function tell_divergence(run) {
  return `Training diverged after ${whole(run.iteration)} iterations: the steps are `
    + `too long. Choose a smaller ε than ${run.settings.epsilon}, and start again.`;
}

/* What to do with your points, or what went wrong with them. */
function tell_points({ family }) {
  if (yours.points.length === 1)
    return `Pull it: one step, α = 1/(2K(x, x)) = ${number(STARTS.at(-1).alpha)}, lands `
      + `there to first order. Dashed: the smallest ${family.one} through it.`;
  const jumping = STARTS.filter(({ jumps, shown }) => jumps && shown.checked);
  if (jumping.length > 0)
    return `From ${listed(jumping.map(({ name }) => name))}: the step is too long here, `
      + "and the error jumps.";
  if (settings.points === "side")
    return "The points lie on one side. Tick Reptile and random: which of them knows "
      + "how the other side goes on?";
  return "Drag the points: the thick curve learns them. Dashed: your task.";
}
