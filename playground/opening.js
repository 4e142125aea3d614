/* The opening: a few beats, each with one thing on the screen. Then the workbench. */
"use strict";

const GROWTH = 250;  // ms for a step of the rays of the second beat

/* What each beat shows, whether φ is trained before it, what it says, and what it says
   then, when φ has been trained in it. */
const BEATS = [
  { shows: "curve", trained: false,
    says: "Pull the point. One gradient step bends the random network φ (dotted) "
      + "towards it." },
  { shows: "plane", trained: false,
    says: "Each place is a sine. From φ, eight steps towards each cross hardly get "
      + "anywhere." },
  { shows: "plane", trained: false,
    says: "Pull φ: gradient steps take it towards your hand. A random φ is heavy." },
  { shows: "plane", trained: false,
    says: "Train: draw a sine, take five steps, move φ part of the way.",
    then: "Now the same eight steps reach nearly every cross: a star." },
  { shows: "curve", trained: true,
    says: "Pull the point again: one point, one step, and a whole sine." },
  { shows: "plane", trained: true,
    says: "Hold φ again: now it is light, and its rays still reach the crosses." },
];

/* The beat, from 1, and 0 for the workbench; how long its rays are drawn; how many
   steps the random φ took in the hand. */
const opening = { beat: 0, ray_steps: RAY_STEPS, timer: null, random_steps: 0 };

/* What the browser remembers from one visit to the next, where it is allowed to. */
const memory = {
  get over() {
    try { return localStorage.getItem("reptile-opening") === "over"; }
    catch { return false; }
  },
  end() {
    try { localStorage.setItem("reptile-opening", "over"); }
    catch { /* then it opens again next time */ }
  },
};

/* The beat that the address asks for. An address without a wish opens with the first,
   until the opening is over. */
function beat_of_address() {
  if (location.hash === "") return memory.over ? 0 : 1;
  const beat = Number(new URLSearchParams(location.hash.slice(1)).get("beat"));
  return BEATS[beat - 1] ? beat : 0;
}

/* Show a beat, from 1, or with 0 the workbench. */
function show_beat(beat) {
  const was_open = opening.beat > 0, last_one = beat === BEATS.length;
  opening.beat = beat;
  const shows = beat ? BEATS[beat - 1].shows : "all";
  Object.assign(document.body.dataset, { beat, shows });
  element("beat-count").textContent = `${beat} of ${BEATS.length}`;
  element("beat-next").textContent = last_one ? "To the workbench" : "Next";
  element("skip").hidden = last_one;

  put_back();
  if (beat) prepare_beat(BEATS[beat - 1]);
  else if (was_open) draw_your_task(run.family);
  learn_from_points();
  grow_rays(beat === 2);
  draw_backgrounds();
}

/* A φ as the beat wants it, random or trained, and a point that changes nothing yet. */
function prepare_beat({ trained }) {
  if (!trained && run.iteration > 0) begin();
  while (trained && !run.finished) run.outer_step();
  run.close_up = null;

  const x = -1.5, [y] = NET.predict(run.phi, [x]);
  yours.points = [{ x, y }];
}

/* The beat's sentence, or in a close-up the line of the algorithm that it shows. */
function tell_beat() {
  if (!opening.beat) return "";
  if (run.close_up) return tell_line(run);
  const { says, then } = BEATS[opening.beat - 1];
  return then && run.finished ? then : says;
}

/* In the second beat the rays grow step by step, unless motion is unwelcome. */
function grow_rays(wanted) {
  clearInterval(opening.timer);
  opening.ray_steps = wanted && !reduced_motion.matches ? 0 : RAY_STEPS;
  if (opening.ray_steps === RAY_STEPS) return;
  opening.timer = setInterval(() => {
    opening.ray_steps += 1;
    if (opening.ray_steps === RAY_STEPS) clearInterval(opening.timer);
    request_frame();
  }, GROWTH);
}

/* To the workbench, and from now on always. */
function end_opening() {
  memory.end();
  write_address();
  show_beat(0);
  scrollTo(0, 0);
  element("play").focus({ preventScroll: true });
}

function listen_to_opening() {
  element("beat-next").addEventListener("click", () => {
    if (opening.beat === BEATS.length) end_opening();
    else location.hash = `beat=${opening.beat + 1}`;
  });
  element("skip").addEventListener("click", end_opening);
  element("opening-again").addEventListener("click", () => { location.hash = "beat=1"; });
}
