/* Three frames of one joint on the sphere of its orientations: frames can be dragged, and the losses on motion follow.
 *
 * handlib.viz.turning_joint() writes the data. The terms are those of handlib.losses.motion, for a joint that bends and
 * spreads without twist, and a test holds the two together. A point is (spread, bend, real part) of a unit quaternion. */
(function () {
  "use strict";
  if (window.handlibTurningJoint) return;

  const NS = "http://www.w3.org/2000/svg";
  const DEGREES = 180 / Math.PI, STEP = 2 / DEGREES;
  const SIZE = 300, MIDDLE = 150, RADIUS = 132;

  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const mix = (a, b, u, v) => a.map((x, i) => u * x + v * b[i]);
  const unit = (a) => a.map((x) => x / Math.hypot(...a));
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  // The same orientation, on the side of the sphere where the other is.
  const nearer = (q, p) => (dot(p, q) < 0 ? q.map((x) => -x) : q);
  // Psi: twice the angle on the sphere, the shorter way; from the chord, which is exact for small angles.
  const psi = (p, q) => 4 * Math.asin(Math.min(1, Math.hypot(...mix(p, nearer(q, p), 1, -1)) / 2));

  function losses(frames, threshold) {
    const [first, second, third] = frames, turns = [psi(first, second), psi(second, third)];
    const total = turns[0] + turns[1];
    const halfway = unit(mix(first, nearer(third, first), 1, 1));
    return {
      quaternion: total - psi(first, third),
      temporal: (turns[0] ** 2 + turns[1] ** 2) / 2,
      smooth: turns.reduce((sum, turn) => sum + Math.max(turn - threshold, 0), 0) / 2,
      slerp: psi(second, halfway),
    };
  }

  // Two directions along the sphere at a point.
  function tangents(p) {
    const u = unit(cross(p, Math.abs(p[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]));
    return [u, cross(p, u)];
  }

  // All frames go downhill, half as far as would bring the loss to nothing if it were a cone.
  function descend(frames, key, threshold, steps) {
    const nudge = 1e-4;
    let points = frames.map((p) => [...p]);
    for (let step = 0; step < steps; step += 1) {
      const value = losses(points, threshold)[key];
      if (value < 1e-5) break;
      const slopes = points.map((p, i) => tangents(p).map((t) => {
        const at = (by) => losses(points.map((q, j) => (j === i ? unit(mix(q, t, 1, by)) : q)), threshold)[key];
        return (at(nudge) - at(-nudge)) / (2 * nudge);
      }));
      const square = slopes.flat().reduce((sum, slope) => sum + slope * slope, 0);
      if (square < 1e-12) break;
      const pace = Math.min(0.5 * value / square, 0.1 / Math.sqrt(square));
      points = points.map((p, i) => unit(tangents(p).reduce((q, t, k) => mix(q, t, 1, -pace * slopes[i][k]), p)));
    }
    return points;
  }

  function element(name, attributes, parent) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  }

  function build(figure) {
    const data = JSON.parse(figure.querySelector(".hl-spec").textContent);
    const panel = figure.querySelector(".hl-panel");
    let frames = data.frames.map((p) => [...p]);
    // Rows: what is right, up and towards the reader.
    let view = data.view.map((row) => [...row]);
    const svg = element("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": data.label }, panel);
    const ball = element("circle", { cx: MIDDLE, cy: MIDDLE, r: RADIUS, class: "hl-ball" }, svg);
    const layer = element("g", { "pointer-events": "none" }, svg);
    const knobs = frames.map((_, i) => element("circle", { r: 7, fill: data.colours[i], class: "hl-knob", tabindex: 0, role: "button", "aria-label": `frame ${i + 1}: drag, or move with the arrow keys` }, svg));
    const words = frames.map((_, i) => element("text", { class: "hl-word" }, svg));

    const side = document.createElement("div");
    panel.append(side);
    const rows = {};
    for (const [key, name, scale] of [["quaternion", "quaternion [°]", DEGREES], ["temporal", "temporal [rad²]", 1], ["smooth", "smooth [°]", DEGREES], ["slerp", "from Slerp [°]", DEGREES]]) {
      const row = document.createElement("div");
      row.className = "hl-term";
      row.innerHTML = `<span>${name}</span><span class="hl-bar"><i></i></span><output></output>`;
      side.append(row);
      rows[key] = { row, scale };
    }
    const buttons = Object.assign(document.createElement("div"), { className: "hl-buttons" });
    side.append(Object.assign(document.createElement("p"), { textContent: "Downhill, all three frames:" }), buttons);
    const finger = element("svg", { viewBox: "-60 -70 120 95", class: "hl-finger", "aria-hidden": "true" }, side);

    const seen = (p) => { const [x, y, z] = view.map((row) => dot(row, p)); return [MIDDLE + RADIUS * x, MIDDLE - RADIUS * y, z]; };
    function trace(points, style) {
      for (const front of [false, true]) {
        let path = "", before = false;
        for (const p of points) {
          const [x, y, z] = seen(p), here = (z >= 0) === front;
          if (here) path += `${before ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
          before = here;
        }
        if (path) element("path", { d: path, fill: "none", "stroke-opacity": front ? 1 : 0.3, ...style }, layer);
      }
    }
    const arc = (p, q) => { const end = nearer(q, p); return Array.from({ length: 41 }, (_, i) => unit(mix(p, end, 1 - i / 40, i / 40))); };

    // Where the fingertip points: the finger lies along -x; bending turns it about z, spreading about y.
    function tip([y, z, w]) {
      const v = [-1, 0, 0], axis = [0, y, z], once = cross(axis, v).map((x, i) => x + w * v[i]);
      return v.map((x, i) => x + 2 * cross(axis, once)[i]);
    }

    function show() {
      layer.replaceChildren();
      for (const circle of data.circles) trace(circle, { class: "hl-thin" });
      trace(arc(frames[0], frames[2]), { class: "hl-direct" });
      for (const [i, j] of [[0, 1], [1, 2]]) trace(arc(frames[i], nearer(frames[j], frames[i])), { stroke: data.colours[1], "stroke-width": 2.6 });
      frames.forEach((p, i) => {
        const [x, y, z] = seen(p), far = seen(p.map((c) => -c));
        element("circle", { cx: far[0], cy: far[1], r: 4, fill: "none", stroke: data.colours[i], "stroke-width": 1.4, "stroke-opacity": far[2] < 0 ? 0.4 : 1 }, layer);
        knobs[i].setAttribute("cx", x);
        knobs[i].setAttribute("cy", y);
        knobs[i].setAttribute("fill-opacity", z < 0 ? 0.4 : 1);
        words[i].setAttribute("x", x + 9);
        words[i].setAttribute("y", y - 7);
        words[i].textContent = i + 1;
      });
      const [px, py, pz] = seen([0, 0, 1]);
      element("circle", { cx: px, cy: py, r: 2.6, class: "hl-pole", "fill-opacity": pz < 0 ? 0.4 : 1 }, layer);
      const found = losses(frames, data.threshold);
      for (const [key, { row, scale }] of Object.entries(rows)) {
        const value = scale * found[key];
        row.querySelector("output").textContent = value.toFixed(scale === 1 ? 3 : 1);
        row.querySelector("i").style.width = `${Math.min(100, scale === 1 ? 100 * value : value)}%`;
      }
      finger.replaceChildren();
      frames.forEach((p, i) => {
        // Seen from the side of the thumb and a little from above.
        const [x, y, z] = tip(p), to = [55 * y + 22 * z, 55 * x + 10 * z];
        element("line", { x1: 0, y1: 0, x2: to[0], y2: to[1], stroke: data.colours[i], "stroke-width": 5, "stroke-linecap": "round" }, finger);
      });
    }

    function set(points) { frames = points.map((p) => unit(p)); show(); }
    const actions = {
      quaternion: () => set(descend(frames, "quaternion", data.threshold, 20)),
      temporal: () => set(descend(frames, "temporal", data.threshold, 20)),
      smooth: () => set(descend(frames, "smooth", data.threshold, 20)),
      Back: () => set(data.frames),
    };
    for (const [name, action] of Object.entries(actions)) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", action);
      buttons.append(button);
    }

    const place = (event) => {
      const box = svg.getBoundingClientRect(), scale = SIZE / box.width;
      return [((event.clientX - box.left) * scale - MIDDLE) / RADIUS, (MIDDLE - (event.clientY - box.top) * scale) / RADIUS];
    };
    const move = (i, x, y) => {
      const z = Math.sqrt(Math.max(0, 1 - x * x - y * y)) * (seen(frames[i])[2] < 0 ? -1 : 1);
      set(frames.map((p, j) => (j === i ? [0, 1, 2].map((k) => x * view[0][k] + y * view[1][k] + z * view[2][k]) : p)));
    };
    const turn = (right, up) => {
      const towards = unit(view[2].map((x, k) => x - right * view[0][k] - up * view[1][k]));
      const across = unit(cross(view[1], towards));
      view = [across, cross(towards, across), towards];
      show();
    };
    let held = null, last = null;
    const hold = (what) => (event) => { held = what; last = place(event); event.currentTarget.setPointerCapture(event.pointerId); event.preventDefault(); };
    ball.addEventListener("pointerdown", hold("ball"));
    ball.addEventListener("pointermove", (event) => {
      if (held !== "ball") return;
      const [x, y] = place(event);
      turn(x - last[0], y - last[1]);
      last = [x, y];
    });
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    knobs.forEach((knob, i) => {
      knob.addEventListener("pointerdown", hold(i));
      knob.addEventListener("pointermove", (event) => { if (held === i) { const [x, y] = place(event), far = Math.max(1, Math.hypot(x, y)); move(i, x / far, y / far); } });
      knob.addEventListener("keydown", (event) => {
        if (!keys[event.key]) return;
        const by = keys[event.key], p = frames[i];
        set(frames.map((q, j) => (j === i ? p.map((x, k) => x + STEP * (by[0] * view[0][k] + by[1] * view[1][k])) : q)));
        event.preventDefault();
      });
    });
    for (const target of [ball, ...knobs]) for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => { held = null; });
    show();
    return {
      get frames() { return frames; },
      set,
      losses: (points) => losses(points, data.threshold),
      descend: (points, key, steps) => descend(points, key, data.threshold, steps),
    };
  }

  window.handlibTurningJoint = function (figure) {
    figure.handlib = figure.handlib || build(figure);
  };
})();
