/* What the page says in words about a run. */
"use strict";

const PLANE_SAYS = {
  sines: "Each place is a sine: distance from the middle is amplitude, angle is phase. "
    + "×: new tasks. Rays: 8 gradient steps from φ. It shows functions, not weights.",
  lines: "Each place is a line: to the right its slope, upwards its value at 0. ×: new "
    + "tasks. Rays: 8 gradient steps from φ. It shows functions, not weights.",
};

const STARTS_SAY = {
  sines: "Full bar: predicting 0. This φ is trained here; the others before: by "
    + "Reptile, MAML (through the inner steps), jointly (one step a task), or not at "
    + "all.",
  lines: "Full bar: predicting 0. Reptile, MAML and joint were trained on sines, not "
    + "on lines.",
};

/* The present state of a run, in a sentence or two. `guess`: what the reader said that
   the star of k = 1 would do. */
function tell(run, guess) {
  const { k } = run.settings;
  if (run.diverged) return tell_divergence(run);
  if (run.finished) return tell_end(run, guess);
  if (run.line === 0) return tell_start(run);
  if (run.line === 1) return tell_task(run);
  if (run.line === 2)
    return `2. Gradient step ${run.steps} of ${k}, on ten points of the task: `
      + "the network W moves towards it.";
  if (run.trajectory.length > 0)
    return `3. ${tell_move(run)} Then W is forgotten, and the next task begins from φ.`;
  return tell_progress(run);
}

/* Line 1 of the algorithm, in words. */
function tell_task(run) {
  const task = `1. Draw a task: the ${run.family.one} at the ring.`;
  if (run.iteration !== CLOSE_UPS[1]) return task;
  return `Once more, slowly: one task at iteration ${run.iteration}. ${task} `
    + "Watch how far W gets now.";
}

/* The mean squared error on the new tasks of the network that predicts 0. */
function error_of_zero(run) {
  const errors = run.new_tasks.map(({ truth }) => mse(truth, truth.map(() => 0)));
  return errors.reduce((sum, error) => sum + error) / errors.length;
}

function tell_start(run) {
  if (run.star.error > error_of_zero(run) / 2)
    return "φ is random, and 8 gradient steps from it lead nowhere: the rays towards "
      + "the new tasks are stubs. Can φ be moved to a place from which they arrive?";
  return "φ is random, and 8 gradient steps from it end beside the new tasks. Can φ be "
    + "moved to a place from which they arrive?";
}

/* Line 3 of the algorithm, in words. */
function tell_move(run) {
  const percent = `${Math.round(100 * run.epsilon_now)} %`;
  if (run.method === "fomaml") return `φ moves by the last gradient only, times ε.`;
  return `φ moves ${percent} of the way to W.`;
}

function tell_progress(run) {
  const { error } = run.star, start = run.errors[0][1];
  if (run.method === "joint")
    return "Each task pulls φ its own way, with one step. Watch the rays.";
  if (error > start / 2)
    return "Task after task pulls φ a little its way. Watch the rays.";
  if (error > start / 10)
    return "The rays grow: from this φ, the same 8 steps lead further.";
  return "The star is open: from this φ, 8 steps come close to most crosses.";
}

function tell_end(run, guess) {
  const start = number(run.errors[0][1]), end = number(run.star.error);
  const numbers = `error ${end}, at the start ${start}`;
  if (run.method === "joint" && run.star.error > run.errors[0][1] / 2)
    return tell_shut(run, guess, numbers);
  const share = run.star.error / run.errors[0][1];
  if (run.errors[0][1] < error_of_zero(run) / 2)
    return `From the random φ the 8 steps came close already: these tasks are easy. `
      + `From this φ they lead to ${numbers}.`;
  if (share > 1 / 2)
    return `From φ, the same 8 steps still lead hardly further (${numbers}).`;
  if (share > 1 / 10)
    return `From φ, the same 8 steps now lead closer to the crosses (${numbers}).`;
  return `From φ, the same 8 steps now lead to the crosses (${numbers}). φ itself is `
    + "no answer to any task: it is a place from which all answers are near.";
}

/* Why the star of k = 1 stays shut. `open_star`, the star of an earlier run, may be
   drawn behind it. */
function tell_shut(run, guess, numbers) {
  const answer = guess === "stay shut" ? "You were right. "
    : guess ? `You said it would ${guess}. ` : "";
  const behind = open_star_behind(run);
  const other = behind ? `k = ${behind.k} (grey)` : "k > 1";
  const shut = run.errors[0][1] > error_of_zero(run) / 2 ? "stayed shut" : "closed";
  return `${answer}The star ${shut} (${numbers}). One step a task is plain training on `
    + `all ${run.settings.tasks}, whose best single answer is zero; nothing asks φ to `
    + `be quick. With ${other}, later gradients are taken where the first have led.`
    + (behind ? " Both φ predict about zero: nearly the same function, but only one "
      + "is quick." : "");
}

/* What to do with the ten points, or what went wrong with them. */
function tell_points() {
  const jumping = STARTS.filter(({ jumps }) => jumps).map(({ name }) => name);
  if (jumping.length > 0)
    return `From ${listed(jumping)}: the step is too long here, and the error jumps.`;
  if (yours.one_side)
    return "The points lie on one side. Tick Reptile and random: which of them knows "
      + "how the other side goes on?";
  return "Drag the points: the thick curve learns them.";
}

function tell_divergence(run) {
  return `Training diverged after ${whole(run.iteration)} iterations: the steps are `
    + `too long. Choose a smaller ε than ${run.settings.epsilon}, and start again.`;
}
