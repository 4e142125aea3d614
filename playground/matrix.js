/* What NumPy does for reptile.py. */
"use strict";

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
const matrix = (data, rows, cols, down = cols, right = 1) =>
  ({ data, rows, cols, down, right });
const transpose = (m) => matrix(m.data, m.cols, m.rows, m.right, m.down);

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
