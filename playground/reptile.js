/* Reptile in the browser, to be read beside reptile.py: the same names in the same
   order, snake_case included. It repeats three lines:

     1. draw a task
     2. take k > 1 steps of gradient descent on it, from φ to W
     3. move φ a little towards W:  φ ← φ + ε (W − φ)

   But: one task at a time, so there is no axis T; plain steps, no Adam; no MAML.
   Parameters are one vector here too: phi and weights are typed arrays, (P,), and so is
   a mini-batch's x, (B, n_in). What NumPy does there, matrix.js does here.

     φ      phi             (P,)  the initialisation: what is meta-learnt
     W      weights         (P,)  weights in the inner loop, and after it
     α, ε   alpha, epsilon        inner and outer step size
            x, y            [k]   for each inner step a mini-batch */
"use strict";

/* k steps of gradient descent on one task, from φ to W, each on its own mini-batch.
   Yields the trajectory: φ_1 = φ, φ_2, ..., φ_{k+1} = W. From φ_2 on it is one array,
   which the next step changes: who keeps it copies it. */
function* inner_loop(net, phi, x, y, alpha) {
  yield phi;
  if (x.length === 0) return;

  const network = new Network(net, phi, x[0]);  // it starts from φ
  for (let i = 0; i < x.length; i++) {
    const out = network.forward(x[i]);
    const grad = network.backward(out, y[i]);  // g_i
    add_to(network.weights, -alpha, grad);  // W ← W − α g, in place
    yield network.weights;
  }
}

/* Reptile's meta-gradient, (φ − W) / α = g_1 + ... + g_k. */
function reptile(net, phi, x, y, alpha) {
  const W = last(inner_loop(net, phi, x, y, alpha));
  return phi.map((p, i) => (p - W[i]) / alpha);
}

/* Meta-train φ: a generator of φ after each outer step.
   sample() draws a task: its mini-batches [x, y]. ε falls linearly to zero.
   Throws a RangeError if φ diverges. */
function* train(net, phi, sample, meta_gradient, { alpha, epsilon, iterations }) {
  for (let i = 0; i < iterations; i++) {
    const [x, y] = sample();  // 1. draw a task

    const g = meta_gradient(net, phi, x, y, alpha);  // 2. k steps on it, from φ to W
    const W = plus(phi, -alpha, g);  // (for Reptile, the task's own W)

    const epsilon_i = schedule(epsilon, i, iterations);
    phi = plus(phi, epsilon_i, plus(W, -1, phi));  // 3. φ ← φ + ε (W − φ)

    if (!phi.every(Number.isFinite))
      throw new RangeError(`iteration ${i + 1}: diverged: lower epsilon`);
    yield phi;
  }
}

/* ε for iteration i = 0, 1, ...: it falls linearly to zero. */
function schedule(epsilon, i, iterations) {
  return epsilon * (1 - i / iterations);
}

/* Learn a new task: `steps` inner steps on *all* of its data, x and y. */
function adapt(net, phi, x, y, alpha, steps) {
  return inner_loop(net, phi, Array(steps).fill(x), Array(steps).fill(y), alpha);
}

/* Reptile's relatives: other meta-gradients of section 5.1. */

/* Joint training: g_1, the gradient at φ of one mini-batch. */
function joint(net, phi, x, y, alpha) {
  return net.gradient(phi, x[0], y[0]);
}

/* First-order MAML: g_k, the last gradient, at the adapted weights φ_k. */
function fomaml(net, phi, x, y, alpha) {
  const phi_k = last(inner_loop(net, phi, x.slice(0, -1), y.slice(0, -1), alpha));
  return net.gradient(phi_k, x.at(-1), y.at(-1));
}

/* A multi-layer perceptron, z = [h 1] M, h = tanh(z), whose parameters are one vector.
   Each layer's input ends in a constant 1, so that the last row of its matrix M,
   (n_in + 1, n_out), is the bias. The last layer is linear. */
class MLP {
  constructor(layer_sizes, loss = "mse") {
    this.layer_sizes = layer_sizes;
    this.loss_grad = LOSSES[loss].grad;
    this.prediction = LOSSES[loss].prediction;
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

  /* The outputs, (B, n_out); for cross-entropy, the classes' probabilities. */
  predict(weights, x) {
    const out = new Network(this, weights, x).forward(x);
    return this.prediction(out).data;
  }

  /* The gradient of the loss by the weights, (P,). */
  gradient(weights, x, y) {
    const network = new Network(this, weights, x);
    const out = network.forward(x);
    return network.backward(out, y);
  }
}

/* A network at work: its weights, a gradient, and what a pass leaves behind. It begins
   with a copy of `start`; of the mini-batch x only the length counts. */
class Network {
  constructor(net, start, x) {
    this.loss_grad = net.loss_grad;
    this.weights = start.slice();
    this.grad = new Float64Array(net.num_params);
    this.layers = net.unpack(this.weights);  // views, as steps are taken in place
    this.layer_grads = net.unpack(this.grad);

    this.n_in = net.layer_sizes[0];
    const B = x.length / this.n_in;
    const ones = (n) => matrix(new Float64Array(B * n).fill(1), B, n);
    this.inputs = net.shapes.map(([rows]) => ones(rows));  // of each layer, [h 1]
    this.out = ones(net.layer_sizes.at(-1));
  }

  /* The outputs, (B, n_out), for x. Each layer's input stays in `inputs`. */
  forward(x) {
    const { inputs, layers, n_in, out } = this;
    for (let i = 0; i < x.length; i++) inputs[0].data[i + Math.floor(i / n_in)] = x[i];

    for (let l = 0; l < layers.length - 1; l++) {
      const h = inputs[l + 1];
      matmul(inputs[l], layers[l], without_ones(h));
      activate(h);
    }
    matmul(inputs.at(-1), layers.at(-1), out);
    return out;
  }

  /* Backpropagation: ∂L/∂weights, (P,), of the outputs that `forward` returned.
     The chain rule, from the last layer (where z = out) down, with dz for ∂L/∂z:
         ∂L/∂M = [h 1]ᵀ dz      ∂L/∂[h 1] = dz Mᵀ      ∂L/∂z = ∂L/∂h (1 − h²) */
  backward(out, y) {
    let dz = this.loss_grad(out, y);
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const h = this.inputs[l];
      matmul(transpose(h), dz, this.layer_grads[l]);
      if (l > 0) {
        const dh = matrix(new Float64Array(h.data.length), h.rows, h.cols);
        matmul(dz, transpose(this.layers[l]), dh);
        for (let i = 0; i < h.data.length; i++) dh.data[i] *= 1 - h.data[i] * h.data[i];
        dz = without_ones(dh);  // nothing flows into the 1
      }
    }
    return this.grad;
  }
}

/* All columns of [h 1] but the last, as a view. */
function without_ones({ data, rows, cols }) {
  return matrix(data, rows, cols - 1, cols);
}

/* Squared error, the mean over the B examples and n_out outputs. */
function mse(out, y) {
  return out.reduce((sum, o, i) => sum + (o - y[i]) ** 2, 0) / out.length;
}

function mse_grad(out, y) {
  const grad = out.data.map((o, i) => (2 * (o - y[i])) / y.length);
  return matrix(grad, out.rows, out.cols);
}

/* Probabilities of the classes, (B, n_out). */
function softmax(out) {
  const p = out.data.map((o, i) => {
    const start = i - (i % out.cols);
    const row = out.data.subarray(start, start + out.cols);
    return 1 / row.reduce((sum, other) => sum + Math.exp(other - o), 0);
  });
  return matrix(p, out.rows, out.cols);
}

/* ∂ cross_entropy / ∂ out, (B, n_out): probabilities less one-hot labels. */
function cross_entropy_grad(out, y) {
  const one_hot = (i) => (y[Math.floor(i / out.cols)] === i % out.cols ? 1 : 0);
  const grad = softmax(out).data.map((p, i) => (p - one_hot(i)) / y.length);
  return matrix(grad, out.rows, out.cols);
}

/* For each loss: its gradient, and what the network then predicts. */
const LOSSES = {
  "mse": { grad: mse_grad, prediction: (out) => out },
  "cross-entropy": { grad: cross_entropy_grad, prediction: softmax },
};

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
