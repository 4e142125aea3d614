/* Reptile's inner loop in the browser, to be read beside reptile.py: the same names in
   the same order, snake_case included. But: one task at a time, so there is no axis T,
   and no meta-training, which took place in Python. Parameters are one vector here too:
   phi and weights are typed arrays, (P,). What NumPy does there matrix.js does here. */
"use strict";

function softmax(out) {  // probabilities of the classes, (B, n_out)
  const row = (i) => out.data.subarray(i - i % out.cols, i - i % out.cols + out.cols);
  const p = out.data.map((o, i) =>  // of differences, as exp(o) could overflow
    1 / row(i).reduce((sum, other) => sum + Math.exp(other - o), 0));
  return matrix(p, out.rows, out.cols);
}

/* For each loss: its gradient, (B, n_out), and what the network then predicts. */
const LOSSES = {
  "mse": [(out, y) => {
    const grad = out.data.map((o, i) => (2 * (o - y[i])) / y.length);
    return matrix(grad, out.rows, out.cols);
  }, (out) => out],
  "cross-entropy": [(out, y) => {  // probabilities less one-hot labels
    const one_hot = (i) => y[Math.floor(i / out.cols)] === i % out.cols;
    const grad = softmax(out).data.map((p, i) => (p - one_hot(i)) / y.length);
    return matrix(grad, out.rows, out.cols);
  }, softmax],
};
const tanh = (z) => 1 - 2 / (Math.exp(2 * z) + 1);  // faster than Math.tanh

/* A multi-layer perceptron, z = [h 1] W, h = tanh(z), its parameters one vector. */
class MLP {
  constructor(layer_sizes, loss = "mse") {
    this.layer_sizes = layer_sizes;
    [this.loss_grad, this.prediction] = LOSSES[loss];
    this.shapes = layer_sizes.slice(1).map((n_out, l) => [layer_sizes[l] + 1, n_out]);
    this.num_params = this.shapes.reduce((sum, [rows, cols]) => sum + rows * cols, 0);
  }

  /* A random φ, (P,): uniform in ±1/√n_in, where random() is uniform in [0, 1). */
  init(random) {
    const phi = new Float64Array(this.num_params);
    for (const { data, rows } of this.unpack(phi))
      data.forEach((_, i) => { data[i] = (2 * random() - 1) / Math.sqrt(rows - 1); });
    return phi;
  }

  /* [W, ...], (n_in + 1, n_out) each, the last row the bias: views. */
  unpack(weights) {
    let end = 0;
    return this.shapes.map(([rows, cols]) =>
      matrix(weights.subarray(end, end += rows * cols), rows, cols));
  }

  /* [h_0, h_1, ...], (B, n + 1), for `forward` to fill in but for their 1s. */
  activations(B) {
    return this.shapes.map(([n1]) => matrix(new Float64Array(B * n1).fill(1), B, n1));
  }

  /* The outputs, (B, n_out). Leaves the layers' inputs [h 1] in h. */
  forward(layers, h, x) {
    const n_in = this.layer_sizes[0], B = h[0].rows, n_out = layers.at(-1).cols;
    x.forEach((value, i) => { h[0].data[i + Math.floor(i / n_in)] = value; });
    const out = matrix(new Float64Array(B * n_out), B, n_out);
    layers.forEach((W, l) => {
      const z = h[l + 1] || out, { data } = z;
      matmul(h[l], W, z);
      if (z === out) return;  // the last layer is linear
      for (let i = 0; i < data.length; i++) data[i] = tanh(data[i]);
      for (let i = W.cols; i < data.length; i += z.cols) data[i] = 1;
    });
    return out;
  }

  /* Backpropagation: writes ∂L/∂W of each layer into grads, laid out as layers. */
  backward(layers, h, out, y, grads) {
    let dz = this.loss_grad(out, y);
    for (let l = layers.length - 1; l >= 0; l--) {
      matmul(transpose(h[l]), dz, grads[l]);  // ∂L/∂W = [h 1]ᵀ dz
      if (l === 0) return;
      const { data, rows, cols } = h[l];
      const dh = matrix(new Float64Array(data.length), rows, cols);
      matmul(dz, transpose(layers[l]), dh);  // ∂L/∂[h 1] = dz Wᵀ
      for (let i = 0; i < data.length; i++) dh.data[i] *= 1 - data[i] * data[i];
      dz = matrix(dh.data, rows, cols - 1, cols);  // nothing flows into the 1
    }
  }

  /* The outputs, (B, n_out); for cross-entropy, the classes' probabilities. */
  predict(weights, x) {
    const h = this.activations(x.length / this.layer_sizes[0]);
    return this.prediction(this.forward(this.unpack(weights), h, x)).data;
  }
}

/* Gradient descent: weights ← weights − step_size · grad. */
class SGD {
  step(weights, grad, step_size) {
    for (let p = 0; p < weights.length; p++) weights[p] -= step_size * grad[p];
  }
}

/* One inner step on each mini-batch x[i], y[i]. Yields the trajectory φ_1 = φ, φ_2,
   ..., φ_{k+1} = W step by step: one array, (P,), which the next step overwrites. */
function* inner_loop(net, phi, x, y, alpha, optimiser = new SGD()) {
  const weights = phi.slice(), grad = phi.slice();
  const layers = net.unpack(weights), layer_grads = net.unpack(grad);
  const h = net.activations((x[0]?.length ?? 0) / net.layer_sizes[0]);
  yield weights;
  for (let i = 0; i < x.length; i++) {
    net.backward(layers, h, net.forward(layers, h, x[i]), y[i], layer_grads);
    optimiser.step(weights, grad, alpha);
    yield weights;
  }
}

/* `steps` inner steps on *all* of a new task's data, x and y. */
const adapt = (net, phi, x, y, alpha, steps) =>
  inner_loop(net, phi, Array(steps).fill(x), Array(steps).fill(y), alpha);
