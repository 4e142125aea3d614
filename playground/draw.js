/* Draw your own: three characters, one drawing of each, and a fourth drawing. The state
   is four drawings; render draws everything that follows from them. */
"use strict";

const WAYS = 3, LABELS = [0, 1, 2];
const NAMES = ["A", "B", "C", "the fourth"];
const DRAWING_NET = new MLP(OMNIGLOT.layer_sizes, cross_entropy_derivative);

/* Two starts, each with the step size that suits it best, and no network at all. */
const JUDGES = [
  { name: "Reptile", key: "reptile", phi: decode(OMNIGLOT), alpha: OMNIGLOT.alpha },
  { name: "random", key: "random", phi: DRAWING_NET.init(generator(0)), alpha: 0.3 },
  { name: "likeness", key: "likeness" },
];

/* Nine in ten drawings of a new character are at least as like another drawing of it;
   of a fourth character's drawings, four in ten are as like one of the three. */
const LIKE = 0.4;

// A drawing is strokes, a stroke is points [x, y]. In each example the fourth drawing
// is another one of A, B or C, except in the last.
const EXAMPLES = [`
  18,30 29,29 39,29 50,28 62,27 74,27 86,26 82,32 78,38 74,44 68,50 62,56 56,62 /
  38,54 43,59 48,63 52,68 56,73 59,77 62,82 ;
  26,26 35,26 43,25 52,25 61,24 70,24 79,23 76,32 73,41 69,50 64,58 57,66 50,73 42,79
  34,85 25,91 / 36,46 42,51 48,55 54,60 61,66 67,72 74,78 ;
  25,28 34,28 43,27 52,27 60,26 69,26 77,25 73,33 70,42 65,50 59,58 52,65 45,72 37,78
  29,84 21,89 / 58,60 62,64 66,69 70,73 74,78 79,83 83,88 ;
  31,32 41,31 52,31 63,30 73,28 72,36 69,44 64,53 59,61 52,69 44,76 35,82 / 40,49
  46,53 53,60 60,66 66,74`, `
  34,12 33,92 / 34,18 70,6 / 34,42 69,30 ;
  32,14 31,92 / 32,16 66,30 33,50 / 33,50 70,92 ;
  32,12 33,94 / 32,14 68,32 33,52 / 33,52 70,73 33,92 ;
  38,10 34,88 / 38,12 74,22 37,44 / 37,44 64,90`, `
  52,12 52,92 / 16,14 20,23 26,34 40,42 50,50 41,57 28,66 20,80 14,92 / 90,14 87,23
  80,34 65,42 54,50 64,57 78,66 86,80 90,92 ;
  52,8 52,98 / 52,34 45,29 36,26 27,29 20,36 17,45 18,54 25,64 34,70 44,68 52,64 /
  52,34 60,29 70,26 79,30 86,38 87,48 84,58 77,66 68,70 59,68 52,64 ;
  70,12 71,92 / 70,14 60,12 48,12 40,17 34,24 33,33 36,42 43,47 52,50 62,50 70,50 /
  54,50 50,56 44,66 34,80 26,92 ;
  50,16 51,88 / 20,20 24,28 30,38 41,47 49,54 43,58 32,62 24,74 18,86 / 84,12 79,23
  72,36 60,45 52,52 59,58 70,64 80,77 88,88`, `
  54,52 56,48 58,46 62,49 64,54 61,60 56,64 49,63 44,58 43,49 46,40 53,35 62,34 70,39
  76,48 76,60 72,72 62,78 50,80 39,75 30,66 28,53 30,40 39,28 48,20 ;
  36,10 34,94 / 66,10 68,94 / 36,28 66,28 / 35,50 67,50 / 35,72 67,72 ;
  52,14 88,84 16,84 52,14 ;
  8,52 13,42 20,34 26,41 32,52 38,63 44,70 50,63 56,52 62,41 68,34 74,41 80,52 85,62
  90,68 95,62 98,54`].map(read_drawings);

function read_drawings(text) {
  return text.split(";").map((drawing) => drawing.split("/").map((stroke) =>
    stroke.trim().split(/\s+/).map((point) => point.split(",").map(Number))));
}

function decode({ phi, scale }) {
  const bytes = Uint8Array.from(atob(phi), (c) => c.charCodeAt(0));
  return Float64Array.from(new Int16Array(bytes.buffer), (v) => v * scale);
}

const state = {
  example: 0, drawings: EXAMPLES[0],
  pen: null,  // the pointer that is drawing
};

const element = (id) => document.getElementById(id);
const empty = () => NAMES.filter((_, i) => state.drawings[i].length === 0);

/* What each judge says of the fourth drawing: the probabilities after one pull at the
   three others, or how like it is to each, their correlation. */
function judge(images) {
  const [a, b, c, fourth] = images;
  const x = Float64Array.from([...a, ...b, ...c]);
  const after_one_pull = ({ phi, alpha }) => {
    const W = last(adapt(DRAWING_NET, phi, x, LABELS, alpha, 1));
    return Array.from(softmax(DRAWING_NET.at(W, 1).forward(fourth)));
  };
  const likeness = (image) =>
    image.reduce((sum, v, i) => sum + v * fourth[i], 0) / fourth.length;
  return JUDGES.map((of) => (of.phi ? after_one_pull(of) : [a, b, c].map(likeness)));
}

const best = (numbers) => numbers.indexOf(Math.max(...numbers));
const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

const is_like_one = ([, , likeness]) => likeness[best(likeness)] >= LIKE;

/* How far the first is ahead of the second. */
function lead(numbers) {
  const [first, second] = [...numbers].sort((a, b) => b - a);
  return first - second;
}

function sentence(answers) {
  if (!answers) return `Draw something in ${listed(empty())}.`;
  const [reptile, random, likeness] = answers;
  const [found, other, nearest] = answers.map((numbers) => NAMES[best(numbers)]);
  const [sure, other_sure] = [reptile, random].map((p) => percent(Math.max(...p)));
  if (!is_like_one(answers))
    return `<b>Perhaps none of them:</b> it is not much like any of the three. But both
      networks must choose one, and “none” is not among their answers.`;
  if (lead(likeness) < 0.02)
    return `Two of the three are equally like it: which of them the networks choose
      means nothing.`;
  if (lead(reptile) < 0.2)
    return `Reptile’s start wavers: after one pull it is no more than ${sure} sure of
      ${found}. A random start is ${other_sure} sure of ${other}.`;
  return `After one pull, Reptile’s start says <b>${found}</b>, ${sure} sure; a random
    start ${other === found ? "also" : other}, ${other_sure} sure. The drawing most like
    it is ${nearest}${nearest === found ? ", too" : ""}.`;
}

/* Words in a row: "A", "A and B", "A, B and C". */
function listed(words) {
  const first = words.slice(0, -1).join(", ");
  return first ? `${first} and ${words.at(-1)}` : words[0];
}

function render() {
  const { drawings } = state;
  const answers = empty().length ? null
    : judge(drawings.map((strokes) => prepare(rasterise(strokes))));
  drawings.forEach((strokes, i) => {
    const cell = element(`cell${i}`), n = strokes.length;
    cell.querySelector("path").setAttribute("d", strokes.map(path_of).join(""));
    cell.querySelector("svg").setAttribute("aria-label",
      `${NAMES[i]}: ${n ? `a drawing of ${n} stroke${n > 1 ? "s" : ""}` : "empty"}`);
    cell.querySelector("text").textContent = n ? "" : "draw here";
    cell.querySelector("button").disabled = n === 0;
    cell.querySelectorAll("li").forEach((row, j) => show_answer(row, answers?.[j], i));
    cell.classList.toggle("found", answers !== null && is_like_one(answers)
      && i === best(answers[0]));
  });
  element("says").innerHTML = sentence(answers);
}

function show_answer(row, numbers, i) {
  row.style.setProperty("--share", Math.max(0, numbers?.[i] ?? 0));
  row.querySelector("b").textContent = numbers ? percent(Math.max(0, numbers[i])) : "–";
}

/* The first point counts twice, so that a lone one is a dot. */
const path_of = (points) =>
  `M${[points[0], ...points].map((point) => point.join(" ")).join("L")}`;

function change(i, strokes) {
  state.drawings = state.drawings.map((old, j) => (j === i ? strokes : old));
  render();
}

/* Where on a cell's paper a hand is. */
function on_paper({ clientX, clientY }, paper) {
  const { left, top, width, height } = paper.getBoundingClientRect();
  return [(PAPER * (clientX - left)) / width, (PAPER * (clientY - top)) / height];
}

/* A stroke belongs to the cell where it begins and to the pointer that draws it; other
   fingers are ignored meanwhile. */
function listen_to_cell(i) {
  const cell = element(`cell${i}`), paper = cell.querySelector("svg");
  const mine = (event) => state.pen === event.pointerId;
  paper.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || state.pen !== null) return;
    paper.setPointerCapture(event.pointerId);
    state.pen = event.pointerId;
    change(i, [...state.drawings[i], [on_paper(event, paper)]]);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!mine(event)) return;
    const between = event.getCoalescedEvents?.() ?? [];  // more than one a frame
    const points = (between.length ? between : [event]).map((e) => on_paper(e, paper));
    const strokes = state.drawings[i];
    change(i, [...strokes.slice(0, -1), [...strokes.at(-1), ...points]]);
  });
  paper.addEventListener("lostpointercapture", (event) => {
    if (mine(event)) state.pen = null;
  });
  cell.querySelector("button").addEventListener("click", () => change(i, []));
}

function build_cells() {
  for (const [i, name] of NAMES.entries()) {
    const cell = element("cell").content.firstElementChild.cloneNode(true);
    cell.id = `cell${i}`;
    cell.querySelector("h2").textContent = i < WAYS ? name : "Which is it?";
    cell.querySelector("button").setAttribute("aria-label", `clear ${name}`);
    const rows = JUDGES.map(({ name: judge, key }) =>
      `<li class="${key}"><span>${judge}</span> <b></b></li>`);
    if (i < WAYS) cell.querySelector("ul").innerHTML = rows.join("");
    else cell.querySelector("ul").remove();
    element("cells").append(cell);
    listen_to_cell(i);
  }
}

build_cells();
element("example").addEventListener("click", () => {
  state.example = (state.example + 1) % EXAMPLES.length;
  state.drawings = EXAMPLES[state.example];
  render();
});
element("clear").addEventListener("click", () => {
  state.drawings = NAMES.map(() => []);
  render();
});
render();
