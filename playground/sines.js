/* Sines as tasks, the plane in which they are drawn, one pull, practice on a tape. */
"use strict";

/* What the page and its workers have in common. */
function constants() {
  return {
    NET: new MLP([1, 32, 32, 1]),
    X: spread(50),  // where a sine is given, and judged
    PLACES: places(),
  };
}

/* n numbers from −5 to 5. */
function spread(n) {
  return new Float64Array(n).map((_, i) => (10 * i) / (n - 1) - 5);
}

/* After how many sines the tape holds φ: round numbers, and most where most happens. */
function places() {
  const found = [0];
  for (const [step, end] of [[2, 60], [5, 300], [10, 1000], [20, 3000]])
    while (found.at(-1) < end) found.push(found.at(-1) + step);
  return found;
}

/* A sine a sin(x + b) is p sin x + q cos x with p = a cos b and q = a sin b, so that
   its place (p, q) in the plane is at distance a from the middle, at angle b. */
function sine([p, q], x) {
  return x.map((v) => p * Math.sin(v) + q * Math.cos(v));
}

/* A random sine's place: its amplitude is uniform in [0.1, 5], its angle, in a turn. */
function draw_sine(random) {
  const a = 0.1 + 4.9 * random(), b = 2 * Math.PI * random();
  return [a * Math.cos(b), a * Math.sin(b)];
}

/* The place [p, q] of any function: that of the sine which fits its values y at the
   points x best, by least squares (two normal equations, solved by Cramer's rule). */
function place(y, x) {
  let ss = 0, sc = 0, cc = 0, sy = 0, cy = 0;
  for (let i = 0; i < x.length; i++) {
    const s = Math.sin(x[i]), c = Math.cos(x[i]);
    ss += s * s;
    sc += s * c;
    cc += c * c;
    sy += s * y[i];
    cy += c * y[i];
  }
  const determinant = ss * cc - sc * sc;
  return [(cc * sy - sc * cy) / determinant, (ss * cy - sc * sy) / determinant];
}

/* The best guess from one point: the mean of all sines through it, y cos(x' − x). Their
   crests may lie on either side of the point, and that cancels. */
function best_guess({ x, y }) {
  return [y * Math.sin(x), y * Math.cos(x)];
}

/* One pull: a gradient step on the single point (x, y), as long as it takes to land on
   it if the output were linear in the weights: α = 1 / 2K(x, x). */
function pull(phi, { x, y }) {
  const network = NET.at(phi, 1);
  const [f] = network.forward([x]).data;
  const g = network.backward(matrix([1], 1, 1));  // ∂f(x)/∂φ
  const K = g.reduce((sum, v) => sum + v * v, 0);
  return plus(phi, (y - f) / K, g);
}

/* The tangent kernel K(x, x') = ∂f(x)/∂φ · ∂f(x')/∂φ, (n, n): how far a pull at x'
   moves the output at x. A layer's gradient is [h 1]ᵀ dz, so that its share of the
   product is ([h 1] · [h' 1]) (dz · dz'). */
function tangent_kernel(phi, x) {
  const n = x.length, network = NET.at(phi, n), K = new Float64Array(n * n);
  const products = (m) => {
    const out = matrix(new Float64Array(n * n), n, n);
    matmul(m, transpose(m), out);
    return out.data;
  };
  network.forward(x);
  network.backward(matrix(new Float64Array(n).fill(1), n, 1));
  network.inputs.forEach((h, l) => {
    const inputs = products(h), slopes = products(network.dz[l]);
    for (let i = 0; i < n * n; i++) K[i] += inputs[i] * slopes[i];
  });
  return K;
}

/* How wrong one pull leaves the curve: its squared error as a share of that of a flat
   line, over 48 points of sines of all phases. */
function wrong(phi) {
  let error = 0, flat = 0;
  for (let n = 0; n < 48; n++) {
    const angle = (2 * Math.PI * n) / 12;
    const x = X[12 * (n % 4) + 3 + 3 * Math.floor(n / 12)];
    const task = [3 * Math.cos(angle), 3 * Math.sin(angle)];
    const [y] = sine(task, [x]), truth = sine(task, X);
    NET.predict(pull(phi, { x, y }), X).forEach((f, i) => {
      error += (f - truth[i]) ** 2;
      flat += truth[i] ** 2;
    });
  }
  return error / flat;
}

/* k mini-batches of a random sine, [x, y]: ten of its 50 points each, none twice. */
function draw_task(k, random) {
  const task = draw_sine(random), order = Array.from(X);
  const x = Array.from({ length: k }, () => Float64Array.from({ length: 10 }, () =>
    order.splice(Math.floor(order.length * random()), 1)[0]));
  return [x, x.map((batch) => sine(task, batch))];
}

/* Practice with k pulls a sine: yields what the tape holds at each of PLACES. */
function* record(k) {
  const random = generator(0), start = NET.init(random);
  const options = { alpha: 0.04, epsilon: 0.4, iterations: PLACES.at(-1) };
  yield { phi: start, wrong: wrong(start) };

  let n = 0;
  for (const phi of train(NET, start, () => draw_task(k, random), options)) {
    n += 1;
    if (PLACES.includes(n)) yield { phi, wrong: wrong(phi) };
  }
}

/* Record in a worker, so that the page never waits; keep(shot) gets each shot. A page
   that is opened from disk may not load files into a worker, so it gets their text. */
function record_aside(k, keep) {
  const parts = [
    inner_loop, train, MLP, Network, mse_derivative, without_ones, activate, tanh, last,
    generator, add_to, plus, matrix, transpose, matmul, constants, spread, places, sine,
    draw_sine, pull, wrong, draw_task, record,
  ];
  const source = `${parts.join("\n")}
    const { NET, X, PLACES } = constants();
    for (const shot of record(${k})) postMessage(shot);`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = ({ data }) => keep(data);
}

const { NET, X, PLACES } = constants();
