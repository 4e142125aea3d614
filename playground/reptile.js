/* Reptile in the browser, to be read beside reptile.py: the same names in the same
   order, snake_case included. It repeats three lines:

     1. draw a task
     2. take k > 1 steps of gradient descent on it, from φ to W (k = 1: joint training)
     3. move φ a little towards W:  φ ← φ + ε (W − φ)

   But: one task at a time, so there is no axis T; plain steps, no Adam; no relatives.
   What NumPy does there, the end of this file does.

     φ      phi             (P,)  the initialisation: what is meta-learnt
     W      weights         (P,)  weights in the inner loop, and after it
     α, ε   alpha, epsilon        inner and outer step size
            x, y            [k]   for each inner step a mini-batch */
"use strict";

/* Meta-train φ: a generator of φ after each outer step.
   sample() draws a task: its k mini-batches [x, y]. ε falls linearly to zero. */
function* train(net, phi, sample, { alpha, epsilon, iterations }) {
  for (let i = 0; i < iterations; i++) {
    const [x, y] = sample();  // 1. draw a task
    const W = last(inner_loop(net, phi, x, y, alpha));  // 2. k steps, from φ to W

    const epsilon_i = epsilon * (1 - i / iterations);
    phi = plus(phi, epsilon_i, plus(W, -1, phi));  // 3. φ ← φ + ε (W − φ)
    yield phi;
  }
}

/* k steps of gradient descent on one task, from φ to W, each on its own mini-batch.
   Yields φ, then the weights after each step: one array that the next step changes. */
function* inner_loop(net, phi, x, y, alpha) {
  yield phi;
  const network = new Network(net, phi, x[0].length / net.layer_sizes[0]);
  for (let i = 0; i < x.length; i++) {
    const out = network.forward(x[i]);
    const grad = network.backward(net.loss_derivative(out, y[i]));
    add_to(network.weights, -alpha, grad);  // W ← W − α g, in place
    yield network.weights;
  }
}

/* Learn a new task: `steps` inner steps on *all* of its data, x and y. */
function adapt(net, phi, x, y, alpha, steps) {
  return inner_loop(net, phi, Array(steps).fill(x), Array(steps).fill(y), alpha);
}

/* A multi-layer perceptron, z = [h 1] M, h = tanh(z), whose parameters are one vector.
   Each layer's input ends in a constant 1, so that the last row of its matrix M,
   (n_in + 1, n_out), is the bias. The last layer is linear. */
class MLP {
  constructor(layer_sizes, loss_derivative = mse_derivative) {
    this.layer_sizes = layer_sizes;
    this.loss_derivative = loss_derivative;
    this.networks = {};
    this.shapes = layer_sizes.slice(1).map((n_out, l) => [layer_sizes[l] + 1, n_out]);
    this.num_params = this.shapes.reduce((sum, [rows, cols]) => sum + rows * cols, 0);
  }

  /* A random φ, (P,): uniform in ±1/√n_in, where random() is uniform in [0, 1). */
  init(random) {
    const phi = new Float64Array(this.num_params);
    for (const { data, rows } of this.unpack(phi)) {
      const bound = 1 / Math.sqrt(rows - 1);
      data.forEach((_, i) => { data[i] = (2 * random() - 1) * bound; });
    }
    return phi;
  }

  /* [M, ...], (n_in + 1, n_out) each: views, so writing to M writes to `weights`. */
  unpack(weights) {
    let start = 0;
    return this.shapes.map(([rows, cols]) => {
      const end = start + rows * cols;
      const M = matrix(weights.subarray(start, end), rows, cols);
      start = end;
      return M;
    });
  }

  /* A network with these weights, for B examples: the same one at each call, as memory
     costs more time here than arithmetic. */
  at(weights, B) {
    this.networks[B] ??= new Network(this, weights, B);
    this.networks[B].weights.set(weights);
    return this.networks[B];
  }

  /* The outputs, (B, n_out). */
  predict(weights, x) {
    const B = x.length / this.layer_sizes[0];
    return this.at(weights, B).forward(x).data.slice();
  }
}

/* A network at work on B examples: its weights, which begin as a copy of `start`, its
   gradient, and what a pass leaves behind. */
class Network {
  constructor(net, start, B) {
    this.weights = start.slice();
    this.grad = new Float64Array(net.num_params);
    this.layers = net.unpack(this.weights);  // views, as steps are taken in place
    this.layer_grads = net.unpack(this.grad);

    const ones = (n) => matrix(new Float64Array(B * n).fill(1), B, n);
    this.inputs = net.shapes.map(([rows]) => ones(rows));  // of each layer, [h 1]
    this.dz = net.shapes.map(([rows, cols]) => ones(cols));  // ∂L/∂z of each layer
    this.out = ones(net.layer_sizes.at(-1));
  }

  /* The outputs, (B, n_out), for x. Each layer's input stays in `inputs`. */
  forward(x) {
    const { inputs, layers, out } = this, n_in = inputs[0].cols - 1;
    for (let i = 0; i < x.length; i++) inputs[0].data[i + Math.floor(i / n_in)] = x[i];

    for (let l = 0; l < layers.length - 1; l++) {
      const h = inputs[l + 1];
      matmul(inputs[l], layers[l], without_ones(h));
      activate(h);
    }
    matmul(inputs.at(-1), layers.at(-1), out);
    return out;
  }

  /* Backpropagation: ∂L/∂weights, (P,), from ∂L/∂out of the last `forward`.
     The chain rule, from the last layer (where z = out) down, with dz for ∂L/∂z:
         ∂L/∂M = [h 1]ᵀ dz      ∂L/∂[h 1] = dz Mᵀ      ∂L/∂z = ∂L/∂h (1 − h²) */
  backward(dz) {
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const h1 = this.inputs[l];  // [h 1]
      this.dz[l] = dz;
      matmul(transpose(h1), dz, this.layer_grads[l]);
      if (l > 0) {
        const dh1 = matrix(new Float64Array(h1.data.length), h1.rows, h1.cols);
        matmul(dz, transpose(this.layers[l]), dh1);
        h1.data.forEach((h, i) => { dh1.data[i] *= 1 - h * h; });
        dz = without_ones(dh1);  // which depend on nothing
      }
    }
    return this.grad;
  }
}

/* ∂L/∂out, (B, n_out), of the squared error, the mean over examples and outputs. */
function mse_derivative(out, y) {
  const grad = out.data.map((o, i) => (2 * (o - y[i])) / y.length);
  return matrix(grad, out.rows, out.cols);
}

/* ∂L/∂out of cross-entropy: probabilities less one-hot labels. */
function cross_entropy_derivative(out, y) {
  const one_hot = (i) => (y[Math.floor(i / out.cols)] === i % out.cols ? 1 : 0);
  const grad = softmax(out).map((p, i) => (p - one_hot(i)) / y.length);
  return matrix(grad, out.rows, out.cols);
}

/* Probabilities of the classes, (B, n_out). */
function softmax(out) {
  return out.data.map((o, i) => {
    const start = i - (i % out.cols);
    const row = out.data.subarray(start, start + out.cols);
    return 1 / row.reduce((sum, other) => sum + Math.exp(other - o), 0);
  });
}

/* All columns of [h 1] but the last, as a view. */
function without_ones({ data, rows, cols }) {
  return matrix(data, rows, cols - 1, cols);
}

/* h = tanh(z) in place, but not in the last column, the constant 1. */
function activate({ data, rows, cols }) {
  for (let row = 0; row < rows; row++)
    for (let i = row * cols; i < (row + 1) * cols - 1; i++) data[i] = tanh(data[i]);
}

function tanh(z) {
  return 1 - 2 / (Math.exp(2 * z) + 1);  // faster than Math.tanh
}

/* What a generator yields last. */
function last(values) {
  let value;
  for (value of values);
  return value;
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

/* a += s b, in place, where a and b are vectors and s is a number. */
function add_to(a, s, b) {
  for (let i = 0; i < a.length; i++) a[i] += s * b[i];
}

/* a + s b */
function plus(a, s, b) {
  const sum = a.slice();
  add_to(sum, s, b);
  return sum;
}

/* A matrix is a view of a typed array with two strides, the distances in it from one
   row and from one column to the next, so that to transpose is to swap them. */
function matrix(data, rows, cols, down = cols, right = 1) {
  return { data, rows, cols, down, right };
}

function transpose(m) {
  return matrix(m.data, m.cols, m.rows, m.right, m.down);
}

/* out = a @ b. It computes 2 x 4 sums at a time: a number that is fetched then serves
   several, which is twice as fast. Where fewer are left at the borders, the last row or
   column stands in for the missing ones, and is computed again. */
function matmul(a, b, out) {
  const A = a.data, B = b.data, C = out.data, n = a.cols, da = a.right, db = b.down;
  const row = (i) => Math.min(i, a.rows - 1), column = (j) => Math.min(j, b.cols - 1);
  for (let i = 0; i < a.rows; i += 2) {
    const i1 = row(i + 1), below = (i1 - i) * a.down;
    for (let j = 0; j < b.cols; j += 4) {
      const j1 = column(j + 1), j2 = column(j + 2), j3 = column(j + 3);
      const x = (j1 - j) * b.right, y = (j2 - j) * b.right, z = (j3 - j) * b.right;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let m = 0, p = i * a.down, q = j * b.right; m < n; m++, p += da, q += db) {
        const s = A[p], t = A[p + below];
        const b0 = B[q], b1 = B[q + x], b2 = B[q + y], b3 = B[q + z];
        s0 += s * b0; s1 += s * b1; s2 += s * b2; s3 += s * b3;
        t0 += t * b0; t1 += t * b1; t2 += t * b2; t3 += t * b3;
      }
      const o = i * out.down, o1 = i1 * out.down;
      C[o + j] = s0; C[o + j1] = s1; C[o + j2] = s2; C[o + j3] = s3;
      C[o1 + j] = t0; C[o1 + j1] = t1; C[o1 + j2] = t2; C[o1 + j3] = t3;
    }
  }
}
