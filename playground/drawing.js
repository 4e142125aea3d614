/* From strokes to what the network sees, as omniglot/data.py prepares drawings. */
"use strict";

const PAPER = 105, PEN = 5;  // pixels: Omniglot's drawings, and the width of a stroke
const CELL = 5, SMALL = 21;  // pixels: averaged to one, and then left, 105 = 5 x 21
const SIDE = 20, SPREAD = 6;  // pixels: the image; its ink from the centre

/* The ink, PAPER x PAPER numbers 0 or 1, of a list of strokes, each a list of points
   [x, y]: the pixels within PEN / 2 of the line from point to point. */
function rasterise(strokes) {
  const ink = new Float64Array(PAPER * PAPER), r = PEN / 2;
  const pixel = (v) => Math.min(Math.max(v, 0), PAPER - 1);
  for (const points of strokes)
    points.forEach((b, i) => {
      const a = points[Math.max(i - 1, 0)], dx = b[0] - a[0], dy = b[1] - a[1];
      const left = pixel(Math.ceil(Math.min(a[0], b[0]) - r));
      const right = pixel(Math.floor(Math.max(a[0], b[0]) + r));
      const top = pixel(Math.ceil(Math.min(a[1], b[1]) - r));
      const bottom = pixel(Math.floor(Math.max(a[1], b[1]) + r));
      for (let y = top; y <= bottom; y++)
        for (let x = left; x <= right; x++) {
          // The nearest point of the line is a + t (b − a). Where a = b, any t will do.
          const t = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1);
          const t1 = Math.min(Math.max(t, 0), 1);
          if ((x - a[0] - t1 * dx) ** 2 + (y - a[1] - t1 * dy) ** 2 <= r * r)
            ink[y * PAPER + x] = 1;
        }
    });
  return ink;
}

/* The means of CELL x CELL pixels each, SMALL x SMALL. */
function area_means(ink) {
  const means = new Float64Array(SMALL * SMALL);
  ink.forEach((v, i) => {
    const row = Math.floor(i / PAPER / CELL), col = Math.floor((i % PAPER) / CELL);
    means[row * SMALL + col] += v / CELL ** 2;
  });
  return means;
}

/* The image, SIDE x SIDE, with the ink's centre of mass (cx, cy) in its middle, and its
   width and height half-way to a spread of SPREAD pixels. Bilinear interpolation. */
function view(ink) {
  const small = area_means(ink);
  const x = (i) => (i % SMALL) + 0.5, y = (i) => Math.floor(i / SMALL) + 0.5;
  const sum = (f) => small.reduce((total, v, i) => total + v * f(i), 0);
  const m = sum(() => 1), cx = sum(x) / m, cy = sum(y) / m;
  const sigma_x = Math.sqrt(sum((i) => (x(i) - cx) ** 2) / m);
  const sigma_y = Math.sqrt(sum((i) => (y(i) - cy) ** 2) / m);
  const [size_x, size_y] = [sigma_x, sigma_y].map((sigma) =>  // of a dot, 1
    Math.max(Math.hypot(sigma_x, sigma_y) / 2 + sigma / Math.SQRT2, 1) / SPREAD);
  const within = (v) => Math.min(Math.max(v, 0), SMALL - 1);
  const at = (row, col) => small[within(row) * SMALL + within(col)];
  return Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
    const u = cx + size_x * ((i % SIDE) + 0.5 - SIDE / 2) - 0.5;
    const v = cy + size_y * (Math.floor(i / SIDE) + 0.5 - SIDE / 2) - 0.5;
    if (Math.min(u, v) < -0.5 || Math.max(u, v) >= SMALL - 0.5) return 0;  // paper
    const col = Math.floor(u), row = Math.floor(v), right = u - col, down = v - row;
    return (at(row, col) * (1 - right) + at(row, col + 1) * right) * (1 - down)
      + (at(row + 1, col) * (1 - right) + at(row + 1, col + 1) * right) * down;
  });
}

/* The numbers brought to mean 0 and standard deviation 1. */
function standardise(image) {
  const mean = image.reduce((sum, p) => sum + p) / image.length;
  const variance = image.reduce((sum, p) => sum + (p - mean) ** 2, 0) / image.length;
  return image.map((p) => (p - mean) / (Math.sqrt(variance) + 1e-6));
}

/* The network's inputs for one drawing's ink. */
const prepare = (ink) => standardise(view(ink));
