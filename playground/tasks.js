/* The tasks: sines or lines, their points, and the plane in which they are drawn. */
"use strict";

const B = 10;  // points in a mini-batch
const X = spread(50);  // where a task is given, and judged: [−5, 5]

/* A family of tasks is every p f(x) + q g(x) with (p, q) within a circle. A sine
   a sin(x + b) is p sin x + q cos x with p = a cos b and q = a sin b, so that its place
   in the plane (p, q) is at distance a from the middle, at angle b. */
const FAMILIES = {
  sines: {
    functions: [Math.sin, Math.cos], largest: 5, one: "sine", rim: "amplitude 5",
  },
  lines: { functions: [(x) => x / 5, () => 1], largest: 4, one: "line", rim: "" },
};

/* n numbers from −5 to 5. */
function spread(n) {
  return new Float64Array(n).map((_, i) => (10 * i) / (n - 1) - 5);
}

/* Random numbers in [0, 1) from a seed (mulberry32). */
function generator(seed) {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/* The items in random order (Fisher and Yates). */
function shuffle(items, random) {
  const order = Array.from(items);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random());
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/* A random task [p, q]: uniform in its distance from the middle, and in its angle. */
function draw_task(family, random) {
  const radius = 0.1 + (family.largest - 0.1) * random();
  const angle = 2 * Math.PI * random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/* The task's value at x. */
function task_value(family, [p, q], x) {
  const [f, g] = family.functions;
  return p * f(x) + q * g(x);
}

/* Ten points, evenly spread: each fifth one of X. */
function even_points() {
  return X.filter((_, i) => i % 5 === 2);
}

/* k mini-batches of the task, [x, y]. Its 50 points in random order are five of them;
   after that they come again in another order. */
function mini_batches(family, task, k, random) {
  const x = [];
  let order = [];
  for (let i = 0; i < k; i++) {
    if (order.length === 0) order = shuffle(X, random);
    x.push(Float64Array.from(order.splice(0, B)));
  }
  const y = x.map((batch) => batch.map((v) => task_value(family, task, v)));
  return [x, y];
}

/* The plane of functions: the [p, q] for which p f(x) + q g(x) fits the values y at the
   points x best, by least squares (two normal equations, solved by Cramer's rule). */
function plane_of_functions(family, y, x = X) {
  const [f, g] = family.functions;
  let ff = 0, fg = 0, gg = 0, fy = 0, gy = 0;
  for (let i = 0; i < x.length; i++) {
    const f_i = f(x[i]), g_i = g(x[i]);
    ff += f_i * f_i;
    fg += f_i * g_i;
    gg += g_i * g_i;
    fy += f_i * y[i];
    gy += g_i * y[i];
  }
  const determinant = ff * gg - fg * fg;
  return [(gg * fy - fg * gy) / determinant, (ff * gy - fg * fy) / determinant];
}

/* The smallest task through one point (x, y), the nearest to the middle of the plane.
   For sines it is y cos(x' − x), with a crest or trough at the point. */
function smallest_task(family, { x, y }) {
  const [f, g] = family.functions.map((of) => of(x));
  const scale = y / (f * f + g * g);
  return [scale * f, scale * g];
}

/* Each output's derivative by φ, ∂f(x)/∂φ: a matrix of a row for each x. The squared
   error's gradient is 2 (f − y) ∂f/∂φ, which is the derivative where y = f − 1/2. */
function jacobian(net, phi, x) {
  const J = matrix(new Float64Array(x.length * phi.length), x.length, phi.length);
  net.predict(phi, x).forEach((f, i) => {
    J.data.set(net.gradient(phi, [x[i]], [f - 0.5]), i * phi.length);
  });
  return J;
}

/* The tangent kernel K(x, x') = Σ ∂f(x)/∂φ ∂f(x')/∂φ, (n, n): how far a step that pulls
   the output at x' moves the output at x. */
function tangent_kernel(net, phi, x = X) {
  const J = jacobian(net, phi, x);
  const K = matrix(new Float64Array(x.length ** 2), x.length, x.length);
  matmul(J, transpose(J), K);
  return K.data;
}

/* The inner step size with which one step on the single point x lands on it, as far as
   the output is linear in the weights: it moves by −2 α (f(x) − y) K(x, x). */
function landing_alpha(net, phi, x) {
  const [K] = tangent_kernel(net, phi, x);
  return 1 / (2 * K);
}

/* Tasks to judge φ by, the same in every run: ten points to learn from, and the truth.
   Of some thousand seeds, this one spreads its crosses most evenly over the picture. */
function draw_new_tasks(family, n = 24) {
  const random = generator(3209);
  return Array.from({ length: n }, () => {
    const task = draw_task(family, random);
    const x = even_points();
    const y = x.map((v) => task_value(family, task, v));
    const truth = X.map((v) => task_value(family, task, v));
    return { task, x, y, truth };
  });
}

/* A ray: the places in the plane after 0, 1, ..., `steps` steps from φ on the ten
   points of a new task, and the squared error after the last one. */
function ray(net, phi, family, { x, y, truth }, alpha, steps) {
  const path = [];
  let outputs;
  for (const weights of adapt(net, phi, x, y, alpha, steps)) {
    outputs = net.predict(weights, X);
    path.push(plane_of_functions(family, outputs));
  }
  return { path, error: mse(outputs, truth) };
}
