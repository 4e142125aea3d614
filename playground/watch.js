/* A run of Reptile that one can watch: its state, and its pace. Nothing is drawn. */
"use strict";

const NET = new MLP([1, 32, 32, 1]);
const ALPHA = 0.04;
const ITERATIONS = 3000;
const RAY_STEPS = 8;  // inner steps from φ towards each new task
const TRAIL = 40;  // places of φ that are remembered
const DIVERGED = 1000;  // a squared error; that of predicting 0 is at most 12.5

const META_GRADIENTS = { reptile, fomaml };
const NAMES = { reptile: "Reptile", fomaml: "FOMAML" };

/* The slow pace: iteration i takes FIRST / i² + LATER ms. In a first run, one iteration
   is a close-up: its lines are shown one by one, each for LINE ms. It comes when W
   leaves φ far enough to be seen. */
const FIRST = 1000, LATER = 2.5;
const CLOSE_UP = 300, LINE = 3300;

/* With reduced motion, still pictures of these iterations, this many ms each. */
const STILLS = [1, 2, 3, 10, 30, 100, CLOSE_UP - 1, 600, 1000, 2000, 3000], STILL = 1500;

class Run {
  /* settings: { meta, k, epsilon, tasks, seed }. Without `first` it has no close-up. */
  constructor(settings, first = false) {
    this.settings = settings;
    this.first = first;
    this.family = FAMILIES[settings.tasks];
    this.new_tasks = draw_new_tasks(this.family);

    const random = generator(settings.seed);
    this.phi = NET.init(random);
    this.before = this.phi;  // φ before the last outer step
    this.iteration = 0;
    this.diverged = false;
    this.trail = [];  // the last places of φ in the plane

    // The iteration whose lines are shown one by one, or null. Its last line that was
    // carried out, 1, 2 or 3, its inner steps so far, and the trajectory of all of them.
    this.close_up = null;
    // φ in the reader's hand, or null; training goes on without it. What the picture
    // showed before: { trail, star }.
    this.held = null;
    this.before_held = null;

    this.star = null;  // { phi, rays, error, kernel } of the last φ that was judged
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

  /* Is there an iteration whose line 3 is still to come? */
  get under_way() {
    return this.close_up !== null && this.close_up.line < 3;
  }

  get finished() {
    return this.diverged || (this.iteration === ITERATIONS && !this.under_way);
  }

  /* Is the next iteration the one that a first run shows line by line? */
  get close_up_is_due() {
    return this.first && this.iteration === CLOSE_UP - 1;
  }

  /* ε of the iteration that is under way or was the last. */
  get epsilon_now() {
    return schedule(this.settings.epsilon, Math.max(this.iteration - 1, 0), ITERATIONS);
  }

  /* φ as the picture shows it: it moves when line 3 is carried out. */
  get shown_phi() {
    return this.held ?? (this.under_way ? this.before : this.phi);
  }

  /* Compute one whole iteration. */
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
    this.close_up = null;
    this.trail = [];
  }

  /* Line 1: a new task. */
  draw_task() {
    this.compute();
    if (this.diverged) return;
    const inner = inner_loop(NET, this.before, this.x, this.y, ALPHA);
    const trajectory = Array.from(inner, (weights) => weights.slice());
    this.close_up = { line: 1, steps: 0, trajectory };
  }

  /* Line 2: one more inner step, on a new task if there is none under way. */
  inner_step() {
    this.put_back();
    if (this.finished) return;
    if (!this.under_way) this.draw_task();
    if (this.diverged || this.close_up.steps === this.settings.k) return;
    this.close_up.line = 2;
    this.close_up.steps += 1;
  }

  /* Line 3: what is left of this iteration, or else a whole one. */
  outer_step() {
    this.put_back();
    if (this.finished) return;
    if (this.under_way) {
      this.close_up.line = 3;
      this.close_up.steps = this.settings.k;
    } else {
      this.close_up = null;
      this.compute();
    }
  }

  /* The next line of the algorithm, or inner step. */
  next_line() {
    this.put_back();
    if (!this.under_way) this.draw_task();
    else if (this.close_up.steps < this.settings.k) this.inner_step();
    else this.outer_step();
  }

  /* One gradient step of φ in the reader's hand, on all 50 points of a task. */
  pull(task) {
    if (this.under_way) this.outer_step();
    this.close_up = null;
    const y = X.map((x) => task_value(this.family, task, x));
    if (!this.held) this.before_held = { trail: [...this.trail], star: this.star };
    this.held = last(adapt(NET, this.shown_phi, X, y, ALPHA, 1));
  }

  /* φ is again where it was before it was pulled, without a trace of that. */
  put_back() {
    if (!this.held) return;
    Object.assign(this, this.before_held, { held: null, judging: null });
  }

  /* Where the network with these weights is in the plane of functions. */
  place(weights) {
    return plane_of_functions(this.family, NET.predict(weights, X));
  }

  /* Remember where φ is now, if it has moved: where its star is drawn, so that the rays
     begin there, or where the hand or line 3 has moved it. */
  leave_trail() {
    const moved = this.held ?? (this.close_up ? this.shown_phi : this.star.phi);
    const [p, q] = this.place(moved);
    const [last_p, last_q] = this.trail.at(-1) ?? [];
    if (p === last_p && q === last_q) return;
    this.trail.push([p, q]);
    if (this.trail.length > TRAIL) this.trail.shift();
  }

  /* Does the star show another φ than the present one? */
  get star_is_old() {
    return this.star?.phi !== this.shown_phi;
  }

  /* Judge the present φ on the new tasks: a generator that stops after each ray. */
  * judge() {
    const phi = this.shown_phi, in_hand = this.held !== null, rays = [];
    const iteration = this.under_way ? this.iteration - 1 : this.iteration;
    for (const task of this.new_tasks) {
      rays.push(ray(NET, phi, this.family, task, ALPHA, RAY_STEPS));
      yield;
    }
    const error = rays.reduce((sum, r) => sum + r.error, 0) / rays.length;
    if (!(error < DIVERGED)) return in_hand ? this.put_back() : this.give_up();
    this.star = { phi, rays, error, kernel: tangent_kernel(NET, phi) };
    const is_new = iteration !== this.errors.at(-1)?.[0];
    if (is_new && !in_hand) this.errors.push([iteration, error]);
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
    if (run.under_way || run.close_up_is_due) {
      run.next_line();
      return run.close_up?.line === 2 ? LINE / run.settings.k : LINE;
    }
    run.outer_step();
    return FIRST / run.iteration ** 2 + LATER;
  },

  fast(run) {
    run.outer_step();
    return 0;
  },

  stills(run) {
    if (run.under_way || run.close_up_is_due) {
      run.next_line();
      if (run.close_up?.line === 2) run.close_up.steps = run.settings.k;
      return LINE;
    }
    const next = STILLS.find((i) => i > run.iteration);
    while (run.iteration < next && !run.finished) run.outer_step();
    return STILL;
  },
};
