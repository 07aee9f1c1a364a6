/* A projected hand whose joints are dragged over a picture, and what S2HAND's keypoint losses say of it, live.
 *
 * handlib.viz.draggable_keypoints() writes the data; terms and gradients are those of handlib.losses.keypoints (Eq. 3 to
 * 5 of S2HAND), and a test holds the two together. */
(function () {
  "use strict";
  if (window.handlibDraggableKeypoints) return;

  const NS = "http://www.w3.org/2000/svg";
  const SHORTEST_BONE_PX = 1e-4;
  const ARROW = 600, LONGEST_ARROW = 26; // px of 224: for a pull of one, and at most

  // Terms of Eq. 3 to 5 and the gradient of the sum, at points in px of the picture.
  function evaluate(points, data) {
    const scale = data.pixelScale, gradient = points.map(() => [0, 0]);
    let location = 0, orientation = 0;
    points.forEach((point, i) => {
      const apart = [0, 1].map((k) => (point[k] - data.detected[i][k]) * scale);
      const d = Math.hypot(...apart), con = data.confidence[i] / points.length;
      location += con * (d < data.delta ? (d * d) / (2 * data.delta) : d - data.delta / 2);
      const slope = con * Math.min(d / data.delta, 1);
      if (d > 0) apart.forEach((x, k) => { gradient[i][k] += (slope * x) / d; });
    });
    for (const [parent, child] of data.bones) {
      const [own, theirs] = [points, data.detected].map((p) => {
        const bone = [0, 1].map((k) => (p[child][k] - p[parent][k]) * scale), length = Math.hypot(...bone);
        return { length, unit: bone.map((x) => x / Math.max(length, SHORTEST_BONE_PX)) };
      });
      const con = (data.confidence[parent] * data.confidence[child]) / data.bones.length;
      const off = own.unit.map((x, k) => x - theirs.unit[k]);
      orientation += con * (off[0] ** 2 + off[1] ** 2);
      const along = off[0] * own.unit[0] + off[1] * own.unit[1];
      off.forEach((x, k) => {
        const pull = (data.weight * 2 * con * (x - along * own.unit[k])) / Math.max(own.length, SHORTEST_BONE_PX);
        gradient[child][k] += pull;
        gradient[parent][k] -= pull;
      });
    }
    return { location, orientation, sum: location + data.weight * orientation, gradient };
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
    const svg = element("svg", { viewBox: `-0.5 -0.5 ${data.width} ${data.height}`, role: "group" }, panel);
    svg.setAttribute("aria-label", data.label);
    element("image", { href: data.image, x: -0.5, y: -0.5, width: data.width, height: data.height }, svg);
    const unit = data.width / 224, points = data.projected.map((point) => [...point]);
    const line = (colour, width) => element("line", { stroke: colour, "stroke-width": width * unit, "stroke-linecap": "round" }, svg);
    const put = (made, a, b) => { made.setAttribute("x1", a[0]); made.setAttribute("y1", a[1]); made.setAttribute("x2", b[0]); made.setAttribute("y2", b[1]); };
    for (const [parent, child] of data.bones) put(line("#ffffff", 1.6), data.detected[parent], data.detected[child]);
    const bones = data.bones.map(([, child]) => line(data.colours[child], 2.4));
    const arrows = points.map(() => line("#ffd400", 1.3));
    const dots = points.map((_, i) => element("circle", { r: 3.6 * unit, fill: data.colours[i], stroke: "#ffffff", "stroke-width": 0.8 * unit, tabindex: 0, role: "button", "aria-label": `${data.names[i]}: drag, or move with the arrow keys` }, svg));

    const controls = document.createElement("div");
    panel.append(controls);
    const outputs = {};
    for (const [key, name] of [["location", "E_loc [px]"], ["orientation", `${data.weight} × E_ori`], ["sum", "E_geo"]]) {
      const row = document.createElement("div");
      row.className = "hl-term";
      row.innerHTML = `<span>${name}</span><span class="hl-bar"><i></i></span><output></output>`;
      controls.append(row);
      outputs[key] = row;
    }
    const follow = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    const label = document.createElement("label");
    label.append(follow, " the rest of the finger follows");
    controls.append(label);
    const buttons = Object.assign(document.createElement("div"), { className: "hl-buttons" });
    controls.append(buttons);

    function show() {
      const found = evaluate(points, data);
      data.bones.forEach(([parent, child], i) => put(bones[i], points[parent], points[child]));
      points.forEach((point, i) => {
        dots[i].setAttribute("cx", point[0]);
        dots[i].setAttribute("cy", point[1]);
        const pull = Math.hypot(...found.gradient[i]) * ARROW;
        const length = pull > 0 ? (LONGEST_ARROW * Math.tanh(pull / LONGEST_ARROW)) / pull : 0;
        put(arrows[i], point, point.map((x, k) => x - ARROW * unit * length * found.gradient[i][k]));
      });
      const parts = { location: found.location, orientation: data.weight * found.orientation, sum: found.sum };
      for (const [key, value] of Object.entries(parts)) {
        outputs[key].querySelector("output").textContent = value.toFixed(2);
        outputs[key].querySelector("i").style.width = `${Math.min(100, (100 * value) / 40)}%`;
      }
    }
    function descendants(joint) {
      const below = data.bones.filter(([parent]) => parent === joint).map(([, child]) => child);
      return [joint, ...below.flatMap(descendants)];
    }
    function move(joint, by) {
      for (const i of follow.checked ? descendants(joint) : [joint]) [0, 1].forEach((k) => { points[i][k] += by[k]; });
      show();
    }
    function set(target) {
      target.forEach((point, i) => { points[i] = [...point]; });
      show();
    }
    function descend(steps) {
      for (let step = 0; step < steps; step += 1) {
        const { gradient } = evaluate(points, data);
        points.forEach((point, i) => [0, 1].forEach((k) => { point[k] -= 12 * unit * gradient[i][k]; }));
      }
      show();
    }
    const actions = { "Ten steps downhill": () => descend(10), Back: () => set(data.projected), "Onto the detection": () => set(data.detected) };
    for (const [name, action] of Object.entries(actions)) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", action);
      buttons.append(button);
    }
    let held = null;
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [((event.clientX - box.left) * data.width) / box.width - 0.5, ((event.clientY - box.top) * data.height) / box.height - 0.5];
    };
    dots.forEach((dot, joint) => {
      dot.addEventListener("pointerdown", (event) => { held = joint; dot.setPointerCapture(event.pointerId); event.preventDefault(); });
      dot.addEventListener("pointermove", (event) => {
        if (held !== joint) return;
        const to = place(event);
        move(joint, [to[0] - points[joint][0], to[1] - points[joint][1]]);
      });
      for (const end of ["pointerup", "pointercancel"]) dot.addEventListener(end, () => { held = null; });
      dot.addEventListener("keydown", (event) => {
        const keys = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] };
        if (keys[event.key]) { move(joint, keys[event.key].map((x) => x * unit)); event.preventDefault(); }
      });
    });
    show();
    return { points, set, evaluate: (at) => evaluate(at, data) };
  }

  // Called for each drawing; colours come from the style sheet, so that a figure that stands already needs nothing.
  window.handlibDraggableKeypoints = function (figure) {
    figure.handlib = figure.handlib || build(figure);
  };
})();
