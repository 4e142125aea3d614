/* A run of Reptile that one can watch: its state, and its pace. Nothing is drawn. */
"use strict";

const NET = new MLP([1, 32, 32, 1]);
const ALPHA = 0.04;
const ITERATIONS = 3000;
const RAY_STEPS = 8;  // inner steps from φ towards each new task
const TRAIL = 40;  // places of φ that are remembered
const DIVERGED = 1000;  // a squared error; that of predicting 0 is at most 12.5

const META_GRADIENTS = { reptile, fomaml };
const NAMES = { reptile: "Reptile", fomaml: "FOMAML", joint: "joint training" };

/* The slow pace, about twenty seconds in all: iteration i takes FIRST / i² + LATER ms;
   in the iterations of CLOSE_UPS, the lines of the algorithm are shown one by one. In
   the first, W hardly leaves φ; in the later one it does. */
const FIRST = 3000, LATER = 2.5;
const CLOSE_UPS = [1, 300], CLOSE_UP = 5000;  // iterations, and ms for each

/* With reduced motion, still pictures of these iterations, this many ms each. */
const STILLS = [1, 2, 3, 10, 30, 100, 300, 600, 1000, 2000, 3000], STILL = 1500;

class Run {
  /* settings: { meta, k, epsilon, tasks, seed }. */
  constructor(settings) {
    this.settings = settings;
    this.family = FAMILIES[settings.tasks];
    this.new_tasks = draw_new_tasks(this.family);

    const random = generator(settings.seed);
    this.phi = NET.init(random);
    this.before = this.phi;  // φ before the last outer step
    this.iteration = 0;
    this.line = 0;  // of the algorithm, the one that was carried out last: 1, 2 or 3
    this.steps = 0;  // inner steps of the present task that were carried out
    this.task = null;  // the present task, its mini-batches x, y and trajectory
    this.trajectory = [];
    this.trail = [];  // the last places of φ in the plane
    this.diverged = false;

    this.star = null;  // { iteration, phi, rays, error } of the last φ that was judged
    this.errors = [];  // [iteration, error] of all of them
    this.judging = null;

    const sample = () => {
      this.task = draw_task(this.family, random);
      [this.x, this.y] = mini_batches(this.family, this.task, settings.k, random);
      return [this.x, this.y];
    };
    const { epsilon } = settings;
    const options = { alpha: ALPHA, epsilon, iterations: ITERATIONS };
    this.training = train(NET, this.phi, sample, this.meta_gradient, options);
  }

  /* With one inner step every meta-gradient is that of joint training. */
  get meta_gradient() {
    const { meta, k } = this.settings;
    return k === 1 ? joint : META_GRADIENTS[meta];
  }

  /* A key for colours and line styles. */
  get method() {
    return this.settings.k === 1 ? "joint" : this.settings.meta;
  }

  get name() {
    return NAMES[this.method];
  }

  get finished() {
    return this.diverged || (this.iteration === ITERATIONS && this.line === 3);
  }

  /* ε of the iteration that is under way or was the last, as `train` computes it. */
  get epsilon_now() {
    const i = Math.max(this.iteration - 1, 0);
    return this.settings.epsilon * (1 - i / ITERATIONS);
  }

  /* φ as the picture shows it: it moves when line 3 is carried out. */
  get shown_phi() {
    return this.line === 3 ? this.phi : this.before;
  }

  /* How many outer steps led to it. */
  get shown_iteration() {
    return this.line === 3 ? this.iteration : Math.max(this.iteration - 1, 0);
  }

  /* Compute one whole iteration. What of it is shown is up to `line` and `steps`. */
  compute() {
    try {
      const { value } = this.training.next();
      this.before = this.phi;
      this.phi = value;
      this.iteration += 1;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.give_up();
    }
  }

  /* It diverged: go back to the last φ whose error was a number. */
  give_up() {
    this.diverged = true;
    this.phi = this.star.phi;
    this.line = 3;
    this.trajectory = [];
    this.trail = [];
  }

  /* Line 1: a new task. */
  draw_task() {
    this.compute();
    if (this.diverged) return;
    this.line = 1;
    this.steps = 0;
    this.trajectory = [...inner_loop(NET, this.before, this.x, this.y, ALPHA)];
  }

  /* Line 2: one more inner step, on a new task if there is none under way. */
  inner_step() {
    if (this.finished) return;
    if (this.line === 0 || this.line === 3) this.draw_task();
    if (this.diverged || this.steps === this.settings.k) return;
    this.line = 2;
    this.steps += 1;
  }

  /* Line 3: what is left of this iteration, or else a whole one. */
  outer_step() {
    if (this.finished) return;
    if (this.line === 0 || this.line === 3) {
      this.compute();
      this.trajectory = [];
    }
    this.line = 3;
    this.steps = this.settings.k;
  }

  /* The next line of the algorithm, or inner step. */
  next_line() {
    if (this.finished) return;
    if (this.line === 0 || this.line === 3) this.draw_task();
    else if (this.steps < this.settings.k) this.inner_step();
    else this.outer_step();
  }

  /* Where the network with these weights is in the plane of functions. */
  place(weights) {
    return plane_of_functions(this.family, NET.predict(weights, X));
  }

  /* Remember where φ is now, if it has moved: as its star shows it, so that the rays
     begin there, or as line 3 has moved it. */
  leave_trail() {
    const singly = this.trajectory.length > 0;
    const [p, q] = this.place(singly ? this.shown_phi : this.star.phi);
    const [last_p, last_q] = this.trail.at(-1) ?? [];
    if (p === last_p && q === last_q) return;
    this.trail.push([p, q]);
    if (this.trail.length > TRAIL) this.trail.shift();
  }

  /* Does the star show an earlier φ than the present one? */
  get star_is_old() {
    if (this.star === null) return true;
    return !this.diverged && this.star.iteration < this.shown_iteration;
  }

  /* Judge the present φ on the new tasks: a generator that stops after each ray. */
  * judge() {
    const phi = this.shown_phi, iteration = this.shown_iteration, rays = [];
    for (const task of this.new_tasks) {
      rays.push(ray(NET, phi, this.family, task, ALPHA, RAY_STEPS));
      yield;
    }
    const error = rays.reduce((sum, r) => sum + r.error, 0) / rays.length;
    if (error < DIVERGED) {
      this.star = { iteration, phi, rays, error };
      this.errors.push([iteration, error]);
    } else {
      this.give_up();
    }
  }

  /* Go on judging for so many ms. At least one ray, so that it ends on any machine. */
  judge_for(milliseconds) {
    const end = performance.now() + milliseconds;
    while (this.judging || this.star_is_old) {
      this.judging ??= this.judge();
      if (this.judging.next().done) {
        this.judging = null;
        return;
      }
      if (performance.now() > end) return;
    }
  }
}

/* The clock of a run, at one of three paces. */
class Player {
  constructor() {
    this.playing = false;
    this.wait = 0;  // ms until something is due
  }

  play() {
    this.playing = true;
    this.wait = 0;
  }

  pause() {
    this.playing = false;
  }

  /* Carry out what is due `elapsed` ms later, for at most `budget` ms. */
  advance(run, pace, elapsed, budget) {
    const end = performance.now() + budget;
    this.wait -= elapsed;
    while (this.wait <= 0 && !run.finished && performance.now() < end)
      this.wait += PACES[pace](run);

    this.wait = Math.max(this.wait, 0);  // what the budget did not allow is let go
    if (run.finished) this.pause();
  }
}

/* For each pace: carry out what comes next, and return how many ms to show it. */
const PACES = {
  slow(run) {
    const under_way = run.line === 1 || run.line === 2;
    if (under_way || CLOSE_UPS.includes(run.iteration + 1)) {
      run.next_line();
      const share = CLOSE_UP / (run.settings.k + 3);
      return run.line === 3 ? 2 * share : share;
    }
    run.outer_step();
    return FIRST / run.iteration ** 2 + LATER;
  },

  fast(run) {
    run.outer_step();
    return 0;
  },

  stills(run) {
    const next = STILLS.find((i) => i > run.iteration);
    while (run.iteration < next && !run.finished) run.outer_step();
    return STILL;
  },
};
