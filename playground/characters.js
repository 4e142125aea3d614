/* The second section: three characters, one drawing of each, and an input. */
"use strict";

const WAYS = 3, STEPS = 50;
const RANDOM_ALPHA = 0.3;
const LABELS = [0, 1, 2];
const TITLES = ["class 1", "class 2", "class 3", "input"];
const DRAWING_NET = new MLP(OMNIGLOT.layer_sizes, "cross-entropy");

/* Each start takes steps of its own best size. */
const LEARNERS = [
  { key: "reptile", name: "Reptile", from: "Reptile’s φ", phi: decode(PHI.drawing),
    alpha: OMNIGLOT.alpha },
  { key: "random", name: "random", from: "the random initialisation",
    phi: DRAWING_NET.init(generator(0)), alpha: RANDOM_ALPHA },
];

// Strokes: ma, nu and su of Katakana as the classes, and of each another as the input.
const CLASSES = read_drawings(`
  18,30 29,29 39,29 50,28 62,27 74,27 86,26 82,32 78,38 74,44 68,50 62,56 56,62 /
  38,54 43,59 48,63 52,68 56,73 59,77 62,82 ;
  26,26 35,26 43,25 52,25 61,24 70,24 79,23 76,32 73,41 69,50 64,58 57,66 50,73
  42,79 34,85 25,91 / 36,46 42,51 48,55 54,60 61,66 67,72 74,78 ;
  25,28 34,28 43,27 52,27 60,26 69,26 77,25 73,33 70,42 65,50 59,58 52,65 45,72
  37,78 29,84 21,89 / 58,60 62,64 66,69 70,73 74,78 79,83 83,88`);
const INPUTS = read_drawings(`
  26,26 35,26 43,27 52,27 61,28 69,29 78,30 76,34 73,39 70,44 65,51 58,58 52,66 /
  44,56 46,59 48,63 50,66 53,69 57,73 60,76 62,79 64,84 ;
  31,32 41,31 52,31 63,30 73,28 72,36 69,44 64,53 59,61 52,69 44,76 35,82 /
  40,49 46,53 53,60 60,66 66,74 ;
  28,35 39,33 50,32 61,30 71,29 68,38 65,46 59,55 52,63 43,72 34,79 24,85 /
  54,61 60,66 67,73 72,79 76,86`);

function read_drawings(text) {
  return text.split(";").map((drawing) => drawing.split("/").map(read_stroke));
}

function read_stroke(text) {
  return text.trim().split(/\s+/).map((point) => point.split(",").map(Number));
}

// A drawing is a list of strokes, a stroke one of points [x, y]. `stroke` is the one
// that is being drawn.
const board = {
  drawings: [...CLASSES, INPUTS[0]], example: 0, stroke: null, cells: [], images: [],
};

/* Replace one drawing, and keep what was there for `undo`. */
function change_drawing(i, strokes) {
  change_drawings(board.drawings.map((old, j) => (j === i ? strokes : old)));
}

function change_drawings(drawings) {
  const before = board.drawings;
  remember("drawings", null, () => {
    board.drawings = before;
    learn_drawings();
  });
  board.drawings = drawings;
  learn_drawings();
}

/* Compute the probabilities after 0 ... 50 inner steps from each start, if no cell is
   empty, and show everything. */
function learn_drawings() {
  const images = board.drawings.map((strokes) =>
    (strokes.length ? prepare(rasterise(strokes)) : null));
  const complete = !images.includes(null);
  for (const learner of LEARNERS)
    learner.probabilities = complete ? learn_classes(learner, images) : [];

  images.forEach((image, i) => show_image(board.images[i], image));
  show_drawings();
  show_probabilities();
}

/* The input's probabilities, (WAYS,), after each number of steps. */
function learn_classes({ phi, alpha }, images) {
  const x = new Float64Array(WAYS * SIDE * SIDE);
  for (let i = 0; i < WAYS; i++) x.set(images[i], i * SIDE * SIDE);

  const probabilities = [];
  for (const weights of adapt(DRAWING_NET, phi, x, LABELS, alpha, STEPS))
    probabilities.push(DRAWING_NET.predict(weights, images[WAYS]));
  return probabilities;
}

/* Set up the cells: a title, a button, paper, and bars, or what the network sees. */
function build_cells() {
  board.cells = TITLES.map((title, i) => {
    const cell = make("div", element("cells"), { class: "cell", role: "group" });
    cell.setAttribute("aria-label", title);

    const header = make("div", cell, { class: "head" });
    make("span", header, {}, title);
    const clear = make("button", header, { type: "button" }, "clear");
    clear.setAttribute("aria-label", `clear ${title}`);
    clear.addEventListener("click", () => change_drawing(i, []));

    const paper = make("svg", cell, { viewBox: `0 0 ${PAPER} ${PAPER}`, role: "img" });
    const bars = i === WAYS ? [] : LEARNERS.map((learner) => make_bar(cell, learner));
    return { cell, clear, paper, bars };
  });
  const seen = make("div", board.cells[WAYS].cell, { class: "seen" },
    "what the network sees, centred and scaled:");
  const row = make("div", seen, { "aria-hidden": "true" });
  board.images = TITLES.map(() => make("canvas", row, { width: SIDE, height: SIDE }));
}

/* A bar of a probability, with its learner's name and its value. */
function make_bar(cell, { key, name }) {
  const bar = make("div", cell, { class: "bar" }), text = make("div", bar);
  make("span", text, {}, name);
  const value = make("span", text);
  const length = make("i", bar, { class: `bar-${key}` });
  return { value, length };
}

/* An image in shades of grey, its smallest number white, its largest black. */
function show_image(canvas, image) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  const low = Math.min(...(image ?? [])), high = Math.max(...(image ?? []));
  for (let i = 0; i < SIDE * SIDE; i++) {
    const shade = image ? (255 * (high - image[i])) / (high - low) : 255;
    pixels.data.set([shade, shade, shade, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

function show_drawings() {
  board.drawings.forEach((strokes, i) => {
    const { paper, clear } = board.cells[i], n = strokes.length;
    paper.replaceChildren();
    for (const points of strokes) show_stroke(make("polyline", paper), points);
    if (n === 0) make("text", paper, { x: PAPER / 2, y: PAPER / 2 }, "draw here");
    paper.setAttribute("aria-label", `drawing of ${TITLES[i]}, strokes: ${n}`);
    clear.disabled = n === 0;
  });
  const drawn_on = board.drawings.some(({ length }) => length > 0);
  enable("undo", can_undo("drawings"), "example", "nothing to undo");
  enable("clear-all", drawn_on, "example", "nothing to clear");
}

/* The first point counts twice, so that a lone one is a dot. */
function show_stroke(line, points) {
  line.setAttribute("points", [points[0], ...points].join(" "));
}

/* The bars after the steps that the slider says; a frame around Reptile's answer. */
function show_probabilities() {
  const n = +element("drawing-n").value, answers = [];
  LEARNERS.forEach(({ probabilities, from, key }, s) => {
    const p = probabilities[n];
    const best = p ? p.indexOf(Math.max(...p)) : -1;
    if (p) answers.push(`class ${best + 1} (${percent(p[best])}) from ${from}`);

    board.cells.slice(0, WAYS).forEach(({ cell, bars }, i) => {
      bars[s].length.style.setProperty("--p", p ? p[i] : 0);
      bars[s].value.textContent = p ? percent(p[i]) : "–";
      if (key === "reptile") cell.classList.toggle("found", i === best && n > 0);
    });
  });

  const empty = TITLES.filter((_, i) => board.drawings[i].length === 0);
  element("drawing-n-value").textContent = counted(n, "step");
  const told = n ? `After ${counted(n, "step")}` : "No step yet, only a guess:";
  element("drawing-status").textContent = empty.length
    ? `Draw something in ${listed(empty)}.`
    : `${told} the input is most probably ${answers.join(", ")}.`;
}

/* Words in a row: "a", "a and b", "a, b and c". */
function listed(words) {
  const first = words.slice(0, -1).join(", ");
  return first ? `${first} and ${words.at(-1)}` : words[0];
}

function percent(p) {
  return `${(100 * p).toFixed(0)} %`;
}

/* Where on a cell's paper an event is, in its pixels. */
function position_on_paper(event, paper) {
  const { left, top, width } = paper.getBoundingClientRect();
  const distances = [event.clientX - left, event.clientY - top];
  return distances.map((v) => +((PAPER * v) / width).toFixed(4));
}

/* A stroke belongs to the cell where it begins and to the pointer that draws it, and
   goes on, unseen, outside the cell. Other fingers are ignored meanwhile. */
function listen_to_strokes(paper, i) {
  const mine = (event) => board.stroke?.pointer === event.pointerId;

  paper.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || board.stroke) return;
    event.preventDefault();
    paper.setPointerCapture(event.pointerId);
    paper.querySelector("text")?.remove();
    const points = [position_on_paper(event, paper)];
    const line = make("polyline", paper);
    board.stroke = { pointer: event.pointerId, points, line };
    show_stroke(line, points);
  });

  paper.addEventListener("pointermove", (event) => {
    if (!mine(event)) return;
    const { points, line } = board.stroke;
    const between = event.getCoalescedEvents?.() ?? [];  // more than one a frame
    for (const moved of between.length ? between : [event])
      points.push(position_on_paper(moved, paper));
    show_stroke(line, points);
  });

  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    paper.addEventListener(end, (event) => {
      if (!mine(event)) return;
      const { points } = board.stroke;
      board.stroke = null;
      change_drawing(i, [...board.drawings[i], points]);
    });
}

function listen_to_drawings() {
  board.cells.forEach(({ paper }, i) => listen_to_strokes(paper, i));
  element("undo").addEventListener("click", () => undo("drawings"));
  element("clear-all").addEventListener("click", () => {
    change_drawings(TITLES.map(() => []));
  });
  element("example").addEventListener("click", () => {
    board.example = (board.example + 1) % INPUTS.length;
    element("drawing-n").value = 1;
    change_drawings([...CLASSES, INPUTS[board.example]]);
  });
  element("drawing-n").addEventListener("input", show_probabilities);
}
