/* Draws the figures that handlib.viz.show() put on a page: in the book (no kernel, no network) and in a notebook.
 *
 * A figure holds a still picture and, as JSON, what to draw over it. It is drawn when it comes near the view and taken
 * down when many others have been drawn since, because a browser gives a page about sixteen WebGL contexts. */
(function () {
  "use strict";
  if (window.handlibFigures) return;

  const HERE = document.currentScript && document.currentScript.src ? document.currentScript.src.replace(/[^/]*$/, "") : "";
  const MOST_LIVE = 8;
  const PALETTES = {
    light: { "--hl-ink": "#1f2933", "--hl-grid": "#d5dae1", "--hl-paper": "#ffffff" },
    dark: { "--hl-ink": "#e4e7eb", "--hl-grid": "#3e4650", "--hl-paper": "#1b2027" },
  };
  const live = []; // the figures that are drawn, oldest first
  const scripts = {};

  function theme() {
    const page = document.documentElement.dataset.theme; // the book's theme switch
    if (page === "dark" || page === "light") return page;
    const lab = document.body && document.body.dataset.jpThemeLight; // JupyterLab and Notebook 7
    if (lab) return lab === "false" ? "dark" : "light";
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  // A script of ours, loaded once, and only on the pages that need it (plotly alone is 5 MB).
  function load(file, isThere) {
    if (isThere()) return Promise.resolve();
    if (!scripts[file]) {
      scripts[file] = new Promise((resolve, reject) => {
        if (!HERE) return reject(new Error(file + " is not on this page"));
        const element = document.createElement("script");
        element.src = HERE + file;
        element.onload = () => resolve();
        element.onerror = () => reject(new Error("cannot load " + file));
        document.head.appendChild(element);
      });
    }
    return scripts[file];
  }

  // Put the page's colours where a figure names a CSS variable.
  function inked(value, palette) {
    if (typeof value === "string") {
      const name = value.startsWith("var(") ? value.slice(4, -1) : "";
      return palette[name] || value;
    }
    if (Array.isArray(value)) return value.map((item) => inked(item, palette));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inked(item, palette)]));
    }
    return value;
  }

  // Where the reader has turned a scene to, so that a change of theme does not turn it back.
  function cameras(target) {
    const layout = target._fullLayout || {};
    const kept = {};
    for (const key of Object.keys(layout)) {
      if (/^scene\d*$/.test(key) && layout[key]._scene) kept[key] = layout[key]._scene.getCamera();
    }
    return kept;
  }

  async function drawPlotly(figure) {
    await load("plotly.min.js", () => window.Plotly);
    const target = figure.querySelector(".hl-live");
    const spec = inked(JSON.parse(figure.querySelector(".hl-spec").textContent), PALETTES[theme()]);
    for (const [key, camera] of Object.entries(cameras(target))) spec.layout[key].camera = camera;
    const config = { responsive: true, displaylogo: false, displayModeBar: "hover", scrollZoom: false };
    config.modeBarButtonsToRemove = ["sendDataToCloud", "resetCameraLastSave3d"];
    await window.Plotly.react(target, spec.data, spec.layout, config);
    if (spec.layout.meta && spec.layout.meta.play_ms) addPlay(figure, target, spec.layout.meta.play_ms);
  }

  // A button that moves the slider on by itself, once through to its end; pressed again, it stops.
  function addPlay(figure, target, pauseMs) {
    if (figure.querySelector(".hl-play")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "hl-play";
    let timer = 0;
    const show = (running) => { button.textContent = running ? "❚❚ Pause" : "▶ Play"; };
    const stop = () => { clearInterval(timer); timer = 0; show(false); };
    const step = (which) => {
      const slider = target.layout.sliders[0];
      const [traces, layout] = slider.steps[which].args;
      window.Plotly.update(target, traces, { ...layout, "sliders[0].active": which });
    };
    const next = () => {
      const there = figure.classList.contains("hl-drawn");
      const after = there ? (target.layout.sliders[0].active || 0) + 1 : 0;
      if (!there || after >= target.layout.sliders[0].steps.length) return stop();
      step(after);
    };
    button.addEventListener("click", () => {
      if (timer) return stop();
      const slider = target.layout.sliders[0];
      if ((slider.active || 0) + 1 >= slider.steps.length) step(0);
      else next();
      timer = setInterval(next, pauseMs);
      show(true);
    });
    show(false);
    figure.querySelector(".hl-stage").after(button);
  }

  async function drawPosable(figure) {
    await load("posable_hand.js", () => window.handlibPosableHand);
    window.handlibPosableHand(figure, theme());
  }

  async function drawDraggable(figure) {
    await load("draggable_keypoints.js", () => window.handlibDraggableKeypoints);
    window.handlibDraggableKeypoints(figure);
  }

  async function drawTurning(figure) {
    await load("turning_joint.js", () => window.handlibTurningJoint);
    window.handlibTurningJoint(figure);
  }

  const DRAW = { plotly: drawPlotly, posable: drawPosable, draggable: drawDraggable, turning: drawTurning };

  async function draw(figure) {
    try {
      await DRAW[figure.dataset.hlFigure](figure);
      figure.classList.add("hl-drawn");
      figure.dataset.hlTheme = theme();
      const at = live.indexOf(figure);
      if (at >= 0) live.splice(at, 1);
      live.push(figure);
      retire();
    } catch (error) {
      figure.classList.add("hl-failed"); // the still picture stays
      console.error("figure " + (figure.id || "") + ": " + error.message);
    }
  }

  function retire() {
    for (let i = live.length - 1; i >= 0; i--) if (!live[i].isConnected) live.splice(i, 1);
    for (let i = 0; live.length > MOST_LIVE && i < live.length; ) {
      const figure = live[i];
      if (figure.dataset.hlFigure !== "plotly" || figure.dataset.hlNear === "yes") { i += 1; continue; }
      window.Plotly.purge(figure.querySelector(".hl-live"));
      figure.classList.remove("hl-drawn");
      live.splice(i, 1);
    }
  }

  const nearView = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const figure = entry.target;
      figure.dataset.hlNear = entry.isIntersecting ? "yes" : "no";
      if (entry.isIntersecting && !figure.classList.contains("hl-drawn")) draw(figure);
    }
  }, { rootMargin: "300px" });

  function scan() {
    for (const figure of document.querySelectorAll("figure[data-hl-figure]")) {
      if (!DRAW[figure.dataset.hlFigure] || figure.dataset.hlWatched) continue;
      figure.dataset.hlWatched = "yes";
      nearView.observe(figure);
    }
  }

  function restyle() {
    document.documentElement.dataset.hlTheme = theme();
    for (const figure of [...live]) if (figure.isConnected && figure.dataset.hlTheme !== theme()) draw(figure);
  }

  function start() {
    restyle();
    scan();
    new MutationObserver(scan).observe(document.body, { childList: true, subtree: true });
    const watch = new MutationObserver(restyle);
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
  }

  window.handlibFigures = { draw, scan, restyle, theme };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
