/* What was changed by hand, so that it can be taken back. */
"use strict";

const changes = [];  // of { what, back }: "points" or "drawings", and how to undo it

function remember(what, back) {
  changes.push({ what, back });
}

/* Is there something to undo, of this kind or of any? */
function can_undo(what) {
  return changes.some((change) => change.what === what);
}

/* Take back the last change of this kind, or of any. */
function undo(what) {
  const i = changes.findLastIndex((change) => !what || change.what === what);
  if (i < 0) return;
  const [{ back }] = changes.splice(i, 1);
  back();
}

document.addEventListener("keydown", (event) => {
  const control = event.ctrlKey || event.metaKey;
  const typing = event.target.matches("input[type=number]");
  if (!control || event.shiftKey || event.key !== "z" || typing) return;
  event.preventDefault();
  undo();
});
