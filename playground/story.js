/* What the page says in words about a run. */
"use strict";

const PLANE_SAYS = {
  sines: "Each place is a sine: distance from the middle is amplitude, angle is phase. "
    + "×: new tasks. Rays: 8 gradient steps from φ. It shows functions, not weights.",
  lines: "Each place is a line: to the right its slope, upwards its value at 0. ×: new "
    + "tasks. Rays: 8 gradient steps from φ. It shows functions, not weights.",
};

/* The present state of a run, in a sentence or two. `guess`: what the reader said that
   the star of k = 1 would do. */
function tell(run, guess) {
  const { k } = run.settings;
  if (run.diverged) return tell_divergence(run);
  if (run.finished) return tell_end(run, guess);
  if (run.line === 0) return tell_start(run);
  if (run.line === 1) return `1. Draw a task: the ${run.family.one} at the ring.`;
  if (run.line === 2)
    return `2. Gradient step ${run.steps} of ${k}, on ten points of the task: `
      + "the network W moves towards it.";
  if (run.trajectory.length > 0)
    return `3. ${tell_move(run)} Then W is forgotten, and the next task begins from φ.`;
  return tell_progress(run);
}

function tell_start(run) {
  const nothing = run.new_tasks.map(({ truth }) => mse(truth, truth.map(() => 0)));
  const zero = nothing.reduce((sum, error) => sum + error) / nothing.length;
  if (run.star.error > zero / 2)
    return "φ is random, and 8 gradient steps from it lead nowhere: the rays towards "
      + "the new tasks are stubs. Can φ be moved to a place from which they arrive?";
  return "φ is random, and 8 gradient steps from it end beside the new tasks. Can φ be "
    + "moved to a place from which they arrive?";
}

/* Line 3 of the algorithm, in words. */
function tell_move(run) {
  const percent = `${Math.round(100 * run.epsilon_now)} %`;
  if (run.method === "fomaml") return `φ moves as the last step went, times ε.`;
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
  if (run.method === "joint")
    return (guess ? `You said it would ${guess}. ` : "")
      + `The star did not open (${numbers}). One step a task is joint training: φ `
      + "descends the mean loss of all tasks. The mean of all "
      + `${run.settings.tasks} is zero, and so φ learns to predict zero. With k > 1, `
      + "later steps are taken further along each task’s own path, and they open the "
      + "star: see lesson 4 of the tutorial.";
  const share = run.star.error / run.errors[0][1];
  if (share > 1 / 2)
    return `From φ, the same 8 steps still lead hardly further (${numbers}).`;
  if (share > 1 / 10)
    return `From φ, the same 8 steps now lead closer to the crosses (${numbers}).`;
  return `From φ, the same 8 steps now lead to the crosses (${numbers}). φ itself is `
    + "no answer to any task: it is a place from which all answers are near.";
}

function tell_divergence(run) {
  return `Training diverged after ${whole(run.iteration)} iterations: the steps are `
    + `too long. Choose a smaller ε than ${run.settings.epsilon}, and start again.`;
}
