/* What was changed by hand, so that it can be taken back. */
"use strict";

const changes = [];  // of { what, hand, back }: "points" or "drawings", how to undo it

/* `hand`, if given, names a movement of many small changes, such as arrow keys on one
   point; they are taken back together. */
function remember(what, hand, back) {
  if (hand && changes.at(-1)?.hand === hand) return;
  changes.push({ what, hand, back });
}

/* Is there something of this kind to undo? */
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
