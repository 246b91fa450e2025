// Typeset the formulas, start reveal.js, and make every slide fit its stage.
"use strict";

// Read by mathjax.js, which is loaded after this file.
window.MathJax = {
  tex: {
    inlineMath: [["$", "$"], ["\\(", "\\)"]],
    displayMath: [["$$", "$$"], ["\\[", "\\]"]],
    processEscapes: true,
  },
  svg: { scale: 0.92 },
  options: { enableMenu: false, ignoreHtmlClass: "output_text|output_stream|output_html" },
};

const ROOF = 1.35; // a slide with little on it is not more than this above its normal size
const FLOOR = 0.6; // smaller letters could not be read from the last row
const PAPER = 0.35; // paper is read from near, and cannot be scrolled
const STEP = 0.01;
const PICTURES = [540, 480, 430, 380]; // heights: pictures shrink first, then everything,
const SMALL = 300; // and pictures again where letters would become smaller than
const SMALLER = 0.8;
const ENLARGED = 1.3; // pictures get blurred beyond

const onPaper = () => document.documentElement.classList.contains("reveal-print");

// Scale the content of a slide until it fits; what does not fit even at the floor can be scrolled.
function fit(box) {
  const stage = getComputedStyle(box.parentElement);
  const width = parseFloat(stage.width) - parseFloat(stage.paddingLeft) - parseFloat(stage.paddingRight);
  const height = parseFloat(stage.height) - parseFloat(stage.paddingTop) - parseFloat(stage.paddingBottom);
  const images = [...box.querySelectorAll("img")].filter((image) => !image.closest("aside.notes"));
  const fits = (scale, pictures) => {
    box.style.setProperty("--pictures", pictures / scale);
    for (const image of images) {
      image.style.maxWidth = `min(100%, ${(ENLARGED / scale) * image.naturalWidth}px)`;
    }
    box.style.width = `${width / scale}px`;
    box.style.transform = `scale(${scale})`;
    box.dataset.scale = scale.toFixed(2);
    return box.scrollHeight * scale < height + 0.5 && box.scrollWidth * scale < width + 0.5;
  };
  // The largest scale from low to high at which all fits, found by halving, and whether there is one.
  const largest = (low, high, pictures) => {
    if (fits(high, pictures)) return true;
    if (!fits(low, pictures)) return false;
    while (high - low > STEP) {
      const middle = (low + high) / 2;
      if (fits(middle, pictures)) low = middle;
      else high = middle;
    }
    return fits(low, pictures);
  };
  const heights = images.length ? PICTURES : PICTURES.slice(0, 1);
  const done = heights.some((pictures) => largest(1, ROOF, pictures))
    || largest(SMALLER, 1, heights.at(-1))
    || largest(onPaper() ? PAPER : FLOOR, 1, SMALL);
  box.parentElement.classList.toggle("scrolls", !done);
}

const fitAll = () => document.querySelectorAll(".fit").forEach(fit);

// Open all folded parts of the slide that is shown; if all are open, close them.
function unfold() {
  const parts = [...Reveal.getCurrentSlide().querySelectorAll("details")]
    .filter((part) => !part.closest("aside.notes"));
  const open = parts.some((part) => !part.open);
  for (const part of parts) part.open = open;
}

// Browsers may break a line after a formula, even before a comma: the two are held together.
function keepMarks() {
  for (const formula of document.querySelectorAll("mjx-container:not([display])")) {
    const text = formula.nextSibling;
    const mark = text instanceof Text && text.data.match(/^[,.;:!?)]+/);
    if (!mark) continue;
    text.splitText(mark[0].length);
    const together = document.createElement("span");
    together.style.whiteSpace = "nowrap";
    formula.before(together);
    together.append(formula, text);
  }
}

function onPaperReady() {
  for (const part of document.querySelectorAll("details")) part.open = true;
  fitAll();
  document.documentElement.dataset.printable = "yes";
}

window.addEventListener("load", async () => {
  try {
    await MathJax.startup.promise;
  } catch (error) {
    console.error(error); // slides with raw formulas are better than none
  }
  keepMarks();
  if (typeof Reveal === "undefined") return; // the glossary
  // The speaker's view takes the notes out of this page and does not know how to hide these.
  document.querySelectorAll("aside.notes mjx-assistive-mml").forEach((part) => part.remove());
  Reveal.on("ready", fitAll);
  Reveal.on("pdf-ready", onPaperReady);
  document.addEventListener("toggle", (event) => {
    const box = event.target.closest(".fit");
    if (box) fit(box);
  }, true);
  await Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    navigationMode: "linear", // the arrows, too, lead through all slides
    viewDistance: 1000, // all slides are laid out, so that all can be fitted at once
    mobileViewDistance: 1000,
    pdfMaxPagesPerSlide: 1,
    pdfSeparateFragments: false,
    plugins: [RevealNotes],
  });
  Reveal.addKeyBinding({ keyCode: 65, key: "A", description: "Open or close folded parts" }, unfold);
});
