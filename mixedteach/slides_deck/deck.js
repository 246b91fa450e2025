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

const FLOOR = 0.6; // smaller letters could not be read from the last row
const STEP = 0.02;
const PICTURES = [1, 0.9, 0.8, 0.7]; // pictures shrink first, then everything

// Scale the content of a slide until it fits; what does not fit even at the floor can be scrolled.
function fit(box) {
  const stage = getComputedStyle(box.parentElement);
  const width = parseFloat(stage.width) - parseFloat(stage.paddingLeft) - parseFloat(stage.paddingRight);
  const height = parseFloat(stage.height) - parseFloat(stage.paddingTop) - parseFloat(stage.paddingBottom);
  const fits = (scale, pictures) => {
    box.style.setProperty("--pictures", pictures);
    box.style.width = `${width / scale}px`;
    box.style.transform = `scale(${scale})`;
    box.dataset.scale = scale.toFixed(2);
    return box.scrollHeight * scale < height + 0.5 && box.scrollWidth * scale < width + 0.5;
  };
  let done = PICTURES.some((pictures) => fits(1, pictures));
  for (let scale = 1 - STEP; !done && scale > FLOOR - STEP / 2; scale -= STEP) {
    done = fits(scale, PICTURES.at(-1));
  }
  box.parentElement.classList.toggle("scrolls", !done);
}

const fitAll = () => document.querySelectorAll(".fit").forEach(fit);

window.addEventListener("load", async () => {
  try {
    await MathJax.startup.promise;
  } catch (error) {
    console.error(error); // slides with raw formulas are better than none
  }
  Reveal.on("ready", fitAll);
  Reveal.on("pdf-ready", fitAll);
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
    viewDistance: 1000, // all slides are laid out, so that all can be fitted at once
    mobileViewDistance: 1000,
    pdfMaxPagesPerSlide: 1,
    pdfSeparateFragments: false,
    plugins: [RevealNotes],
  });
});
