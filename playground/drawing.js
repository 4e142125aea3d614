/* From strokes to what the network sees, as omniglot_demo.py prepares Omniglot's images: ink of 105 x 105 pixels is
   reduced to 28 x 28, its centre of mass is moved to the middle, and it is scaled to a common spread. */
"use strict";

const PAPER = 105, PEN = 5;  // pixels: Omniglot's images, and the thickness of their strokes
const SIDE = 28, SPREAD = 8;  // pixels: of an image, and from its centre to its ink, root mean square

/* The ink, PAPER x PAPER numbers 0 or 1, of a list of strokes, which are lists of points [x, y]: the pixels within
   PEN / 2 of the way from point to point. A lone point is a dot. */
function rasterise(strokes) {
  const ink = new Float64Array(PAPER * PAPER), r = PEN / 2;
  const within = (pixel) => Math.min(Math.max(pixel, 0), PAPER - 1);
  for (const points of strokes)
    points.forEach((b, i) => {
      const a = points[Math.max(i - 1, 0)], dx = b[0] - a[0], dy = b[1] - a[1], length2 = dx * dx + dy * dy || 1;
      const left = within(Math.ceil(Math.min(a[0], b[0]) - r)), right = within(Math.floor(Math.max(a[0], b[0]) + r));
      const top = within(Math.ceil(Math.min(a[1], b[1]) - r)), bottom = within(Math.floor(Math.max(a[1], b[1]) + r));
      for (let y = top; y <= bottom; y++)
        for (let x = left; x <= right; x++) {
          // The nearest point of the way is a + t (b − a).
          const t = Math.min(Math.max(((x - a[0]) * dx + (y - a[1]) * dy) / length2, 0), 1);
          if ((x - a[0] - t * dx) ** 2 + (y - a[1] - t * dy) ** 2 <= r * r) ink[y * PAPER + x] = 1;
        }
    });
  return ink;
}

/* The image, SIDE x SIDE: each pixel is the mean of what it covers, fractions included. */
function shrink(ink) {
  const ratio = PAPER / SIDE;
  const overlap = (i, j) => Math.max(0, Math.min((i + 1) * ratio, j + 1) - Math.max(i * ratio, j)) / ratio;
  const half = new Float64Array(SIDE * PAPER), image = new Float64Array(SIDE * SIDE);
  for (let i = 0; i < SIDE; i++)
    for (let j = Math.floor(i * ratio); j < Math.min((i + 1) * ratio, PAPER); j++)
      for (let x = 0; x < PAPER; x++) half[i * PAPER + x] += overlap(i, j) * ink[j * PAPER + x];
  for (let y = 0; y < SIDE; y++)
    for (let i = 0; i < SIDE; i++)
      for (let j = Math.floor(i * ratio); j < Math.min((i + 1) * ratio, PAPER); j++)
        image[y * SIDE + i] += overlap(i, j) * half[y * PAPER + j];
  return image;
}

/* The image with its centre of mass in the middle and its ink scaled to SPREAD, by bilinear interpolation. */
function centre(image) {
  let ink = 0, x = 0, y = 0, spread = 0;
  image.forEach((v, i) => { ink += v; x += v * (i % SIDE); y += v * Math.floor(i / SIDE); });
  x /= ink; y /= ink;
  image.forEach((v, i) => { spread += v * ((i % SIDE - x) ** 2 + (Math.floor(i / SIDE) - y) ** 2); });
  const scale = Math.max(Math.sqrt(spread / ink), 1) / SPREAD;  // at least 1: the size of a lone dot says nothing
  const at = (row, col) => (row >= 0 && row < SIDE && col >= 0 && col < SIDE ? image[row * SIDE + col] : 0);
  return image.map((_, i) => {
    const v = scale * (Math.floor(i / SIDE) - (SIDE - 1) / 2) + y, u = scale * (i % SIDE - (SIDE - 1) / 2) + x;
    const row = Math.floor(v), col = Math.floor(u), down = v - row, right = u - col;
    return (at(row, col) * (1 - right) + at(row, col + 1) * right) * (1 - down)
      + (at(row + 1, col) * (1 - right) + at(row + 1, col + 1) * right) * down;
  });
}

/* The network's inputs: the prepared image with mean 0 and standard deviation 1. */
function prepare(strokes) {
  const image = centre(shrink(rasterise(strokes)));
  const mean = image.reduce((sum, v) => sum + v) / image.length;
  const deviation = Math.sqrt(image.reduce((sum, v) => sum + (v - mean) ** 2, 0) / image.length) + 1e-6;
  return image.map((v) => (v - mean) / deviation);
}
