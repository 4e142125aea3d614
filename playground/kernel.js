/* The tangent kernel as an image: x to the right, x' upwards. */
"use strict";

const ALONG = [0, 114, 178], AGAINST = [213, 94, 0], NOT = [247, 247, 247];  // RGB

/* K(x, x'), (n, n), in shades of ALONG and AGAINST up to its largest number. */
function draw_kernel(id, kernel) {
  if (!is_new(id, kernel)) return;
  const n = X.length, context = element(id).getContext("2d");
  const pixels = context.createImageData(n, n);
  const largest = kernel.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

  kernel.forEach((value, i) => {
    const share = Math.abs(value) / largest, colour = value > 0 ? ALONG : AGAINST;
    const rgb = NOT.map((white, c) => white + share * (colour[c] - white));
    const column = i % n, row = n - 1 - Math.floor(i / n);
    pixels.data.set([...rgb, 255], 4 * (row * n + column));
  });
  context.putImageData(pixels, 0, 0);
}

/* That of the present star, and of the open star behind it, if there is one. */
function draw_kernels({ star }, behind) {
  draw_kernel("kernel", star.kernel);
  element("behind").hidden = !behind;
  if (!behind) return;
  draw_kernel("kernel-behind", behind.star.kernel);
  typeset("behind-k", `k = ${behind.k}`);
}
