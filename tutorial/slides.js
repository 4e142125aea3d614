// Arrow keys, space, Page Up and Page Down lead through the slides and their fragments.
// Without JavaScript, and in print, everything is shown.
"use strict";

const slides = [...document.querySelectorAll("section")];
for (const fragment of document.querySelectorAll(".fragment")) {
  fragment.classList.add("later");
}

// A figure is as high as the style allows, unless the slide then needs more than the
// window; it stays at least 15 rem high, 360 px at 1280 x 720.
function fitFigures(slide) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const excess = (slide.scrollHeight - slide.clientHeight) / rem;
  const figures = slide.querySelectorAll("img");
  for (const figure of excess > 0 ? figures : []) {
    const height = figure.clientHeight / rem - excess / figures.length;
    figure.style.maxHeight = `${Math.max(height, 15)}rem`;
  }
}

function current() {
  return Math.round(scrollY / innerHeight);
}

function goTo(n) {
  n = Math.max(0, Math.min(n, slides.length - 1));
  slides[n].scrollIntoView();
  history.replaceState(null, "", `#${n + 1}`); // the slide can be linked to
}

function forward() {
  const fragment = slides[current()].querySelector(".later");
  if (fragment) {
    fragment.classList.remove("later");
  } else {
    goTo(current() + 1);
  }
}

const keys = {
  ArrowRight: forward,
  ArrowDown: forward,
  PageDown: forward,
  " ": forward,
  ArrowLeft: () => goTo(current() - 1),
  ArrowUp: () => goTo(current() - 1),
  PageUp: () => goTo(current() - 1),
  Home: () => goTo(0),
  End: () => goTo(slides.length - 1),
};

addEventListener("keydown", (event) => {
  const action = keys[event.key];
  const opensAnAnswer = event.key === " " && event.target.matches("summary");
  if (action && !opensAnAnswer && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    action();
  }
});

function goToAddress() {
  goTo(Number(location.hash.slice(1)) - 1 || 0);
}

addEventListener("load", () => slides.forEach(fitFigures));
history.scrollRestoration = "manual";
addEventListener("hashchange", goToAddress);
goToAddress();
