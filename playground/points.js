/* Hands move the points: mouse, pen, fingers (each its own point), arrow keys. */
"use strict";

const ARROWS =
  { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const drags = new Map();  // for each pointer its point, and how far from its middle

function build_points() {
  for (let i = 1; i <= B; i++)
    make("div", element("handles"), { class: "handle", tabindex: 0, role: "slider",
      "aria-label": `point ${i}`, "aria-valuemin": -Y_MAX, "aria-valuemax": Y_MAX });
}

/* Put the handles where the points are. */
function place_handles() {
  [...element("handles").children].forEach((handle, i) => {
    handle.hidden = i >= yours.points.length;
    if (handle.hidden) return;
    const { x, y } = yours.points[i];
    handle.style.left = `${(100 * (x - LEFT)) / WIDTH}%`;
    handle.style.top = `${50 - (100 * y) / HEIGHT}%`;
    handle.setAttribute("aria-valuenow", y.toFixed(1));
    handle.setAttribute("aria-valuetext", `x = ${x.toFixed(1)}, y = ${y.toFixed(1)}`);
  });
}

/* Keep the points as they are now for `undo`. `hand`: see there. */
function remember_points(hand) {
  const { task } = yours, kind = settings.points;
  const points = yours.points.map((point) => ({ ...point }));
  remember("points", hand, () => {
    set("points", kind);
    Object.assign(yours, { task, points });
    learn_from_points();
  });
}

/* New points, of your task or of another. */
function change_points(change) {
  remember_points();
  change();
  learn_from_points();
}

function place_point(point, x, y) {
  point.x = Math.min(Math.max(x, -X_MAX), X_MAX);
  point.y = Math.min(Math.max(y, -Y_MAX), Y_MAX);
  learn_from_points();
}

/* Where in the curve's picture an event is: x, f(x). */
function position_in_curve({ clientX, clientY }) {
  const { left, top, width, height } = element("handles").getBoundingClientRect();
  const x = LEFT + ((clientX - left) / width) * WIDTH;
  const y = (0.5 - (clientY - top) / height) * HEIGHT;
  return [x, y];
}

/* The handle whose middle is nearest, as handles may lie over each other: its index. */
function nearest_handle({ clientX, clientY }) {
  const handles = [...element("handles").children].slice(0, yours.points.length);
  const distances = handles.map((handle) => {
    const { left, right, top, bottom } = handle.getBoundingClientRect();
    return Math.hypot(clientX - (left + right) / 2, clientY - (top + bottom) / 2);
  });
  return distances.indexOf(Math.min(...distances));
}

function listen_to_points() {
  const handles = element("handles");

  handles.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target === handles) return;
    event.preventDefault();
    const i = nearest_handle(event), point = yours.points[i];
    const [x, y] = position_in_curve(event);
    remember_points();
    handles.children[i].focus({ preventScroll: true });
    handles.children[i].setPointerCapture(event.pointerId);
    drags.set(event.pointerId, { point, dx: point.x - x, dy: point.y - y });
  });

  handles.addEventListener("pointermove", (event) => {
    const drag = drags.get(event.pointerId);
    if (!drag) return;
    const [x, y] = position_in_curve(event);
    place_point(drag.point, x + drag.dx, y + drag.dy);
  });

  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    handles.addEventListener(end, (event) => drags.delete(event.pointerId));

  handles.addEventListener("keydown", (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const i = [...handles.children].indexOf(event.target), point = yours.points[i];
    const [dx, dy] = ARROWS[event.key], step = event.shiftKey ? 0.5 : 0.1;
    remember_points(`arrows on point ${i}`);
    place_point(point, point.x + step * dx, point.y + step * dy);
  });

  element("new-task").addEventListener("click", () =>
    change_points(() => draw_your_task(run.family)));
  element("undo-points").addEventListener("click", () => undo("points"));
}
