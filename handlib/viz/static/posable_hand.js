/* A hand posed and drawn on the page: linear blend skinning in JavaScript, WebGL for the picture, no library.
 *
 * handlib.viz.posable_hand() writes the data. A joint turns by before * A(flexion, abduction, twist) * after, as in
 * handlib.hand.anatomy; a vertex is the weighted mean of where its joints take it. Matrices are row-major. */
(function () {
  "use strict";
  if (window.handlibPosableHand) return;

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  function halfFloats(text) {
    const halves = new Uint16Array(bytes(text).buffer);
    return Float32Array.from(halves, (h) => {
      const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
    });
  }

  function multiply(a, b) {
    const out = new Array(9);
    for (let r = 0; r < 3; r++) for (let c = 0; c < 3; c++) {
      out[3 * r + c] = a[3 * r] * b[c] + a[3 * r + 1] * b[3 + c] + a[3 * r + 2] * b[6 + c];
    }
    return out;
  }

  function transform(m, v) {
    return [0, 3, 6].map((r) => m[r] * v[0] + m[r + 1] * v[1] + m[r + 2] * v[2]);
  }

  // R_flexion @ R_abduction @ R_twist, about the x, y and z axis of the joint's frame.
  function anatomical([flexion, abduction, twist]) {
    const [cf, ca, ct] = [flexion, abduction, twist].map(Math.cos);
    const [sf, sa, st] = [flexion, abduction, twist].map(Math.sin);
    return [
      ca * ct, -ca * st, sa,
      cf * st + sf * sa * ct, cf * ct - sf * sa * st, -sf * ca,
      sf * st - cf * sa * ct, sf * ct + cf * sa * st, cf * ca,
    ];
  }

  class Hand {
    constructor(data) {
      this.data = data;
      this.template = halfFloats(data.template);
      this.weights = halfFloats(data.weights);
      this.shapes = halfFloats(data.shapes);
      this.faces = new Uint16Array(bytes(data.faces).buffer);
      this.count = this.template.length / 3;
      this.vertices = new Float32Array(3 * this.count);
      this.normals = new Float32Array(3 * this.count);
    }

    // Vertices for slider values by name; what is not named is zero.
    pose(values) {
      const { sliders, parents, joints, jointShapes, before, after, bend } = this.data;
      const angles = bend.map((row) => row.slice());
      const shape = jointShapes.map(() => 0);
      for (const slider of sliders) {
        const value = values[slider.name] || 0;
        if (slider.shape !== null) shape[slider.shape] = value;
        for (const [joint, axis, factor] of slider.angles) angles[joint][axis] += factor * value;
      }
      const rest = joints.map((p, j) => p.map((x, c) => x + shape.reduce((s, b, k) => s + b * jointShapes[k][j][c], 0)));
      const turns = [], shifts = []; // a point p of the rest hand goes to turn * p + shift
      parents.forEach((parent, j) => {
        const own = j === 0 ? [1, 0, 0, 0, 1, 0, 0, 0, 1]
          : multiply(multiply(before[j - 1], anatomical(angles[j - 1])), after[j - 1]);
        turns[j] = j === 0 ? own : multiply(turns[parent], own);
        const at = j === 0 ? rest[0] : transform(turns[parent], rest[j]).map((x, c) => x + shifts[parent][c]);
        shifts[j] = transform(turns[j], rest[j]).map((x, c) => at[c] - x);
      });
      this.skin(shape, turns, shifts);
      this.shade();
      return this.vertices;
    }

    skin(shape, turns, shifts) {
      const bones = turns.length, n = this.count;
      for (let v = 0; v < n; v++) {
        let [x, y, z] = [this.template[3 * v], this.template[3 * v + 1], this.template[3 * v + 2]];
        shape.forEach((b, k) => {
          const at = 3 * (k * n + v);
          x += b * this.shapes[at]; y += b * this.shapes[at + 1]; z += b * this.shapes[at + 2];
        });
        let px = 0, py = 0, pz = 0, total = 0; // half-precision weights do not sum to one exactly
        for (let j = 0; j < bones; j++) {
          const w = this.weights[v * bones + j];
          if (w === 0) continue;
          const m = turns[j], t = shifts[j];
          px += w * (m[0] * x + m[1] * y + m[2] * z + t[0]);
          py += w * (m[3] * x + m[4] * y + m[5] * z + t[1]);
          pz += w * (m[6] * x + m[7] * y + m[8] * z + t[2]);
          total += w;
        }
        this.vertices.set([px / total, py / total, pz / total], 3 * v);
      }
    }

    // Normals of the vertices: the sum of the normals of their faces, longer for larger ones; the shader scales them.
    shade() {
      const p = this.vertices, n = this.normals.fill(0), f = this.faces;
      for (let i = 0; i < f.length; i += 3) {
        const [a, b, c] = [3 * f[i], 3 * f[i + 1], 3 * f[i + 2]];
        const [ux, uy, uz] = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
        const [vx, vy, vz] = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
        const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
        for (const k of [a, b, c]) for (let d = 0; d < 3; d++) n[k + d] += normal[d];
      }
    }
  }

  const VERTEX = `
    attribute vec3 position; attribute vec3 normal; uniform mat3 view; uniform vec3 middle; uniform float zoom;
    varying vec3 n;
    void main() {
      vec3 p = view * (position - middle);
      n = view * normal;
      float depth = 0.62 / zoom - p.z;
      gl_Position = vec4(p.xy * 4.6, (depth - 0.05) * 1.1 - 0.05, depth);
    }`;
  const FRAGMENT = `
    precision mediump float; varying vec3 n; uniform vec3 colour;
    void main() {
      vec3 m = normalize(n);
      if (!gl_FrontFacing) m = -m;
      float key = max(dot(m, normalize(vec3(-0.35, 0.55, 0.75))), 0.0);
      float rim = pow(1.0 - max(m.z, 0.0), 3.0);
      vec3 base = gl_FrontFacing ? colour : colour * 0.6;
      gl_FragColor = vec4(base * (0.42 + 0.66 * key) + 0.10 * rim, 1.0);
    }`;

  class Painter {
    constructor(canvas, hand) {
      const gl = canvas.getContext("webgl", { alpha: true, antialias: true, preserveDrawingBuffer: true });
      if (!gl) throw new Error("this browser has no WebGL");
      const program = gl.createProgram();
      for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
      gl.useProgram(program);
      this.buffers = ["position", "normal"].map((name) => {
        const buffer = gl.createBuffer(), at = gl.getAttribLocation(program, name);
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        gl.enableVertexAttribArray(at);
        gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 0, 0);
        return buffer;
      });
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, hand.faces, gl.STATIC_DRAW);
      gl.enable(gl.DEPTH_TEST);
      this.at = (name) => gl.getUniformLocation(program, name);
      this.gl = gl; this.canvas = canvas; this.hand = hand;
    }

    paint(view, zoom, middle) {
      const { gl, canvas, hand } = this;
      const size = Math.max(1, Math.round(canvas.clientWidth * Math.min(devicePixelRatio || 1, 2)));
      if (canvas.width !== size) canvas.width = canvas.height = size;
      gl.viewport(0, 0, size, size);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      [hand.vertices, hand.normals].forEach((array, i) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]);
        gl.bufferData(gl.ARRAY_BUFFER, array, gl.DYNAMIC_DRAW);
      });
      const columns = [0, 3, 6, 1, 4, 7, 2, 5, 8].map((i) => view[i]); // WebGL wants columns first
      gl.uniformMatrix3fv(this.at("view"), false, columns);
      gl.uniform3fv(this.at("middle"), middle);
      gl.uniform3fv(this.at("colour"), hand.data.colour);
      gl.uniform1f(this.at("zoom"), zoom);
      gl.drawElements(gl.TRIANGLES, hand.faces.length, gl.UNSIGNED_SHORT, 0);
    }
  }

  // Fingers (-x of the rest frame) up, palm (-y) to the viewer.
  const PALM = [0, 0, 1, -1, 0, 0, 0, -1, 0];

  function turned(view, across, along) {
    const [c, s, d, t] = [Math.cos(across), Math.sin(across), Math.cos(along), Math.sin(along)];
    return multiply(multiply([1, 0, 0, 0, d, -t, 0, t, d], [c, 0, s, 0, 1, 0, -s, 0, c]), view);
  }

  function build(figure) {
    const data = JSON.parse(figure.querySelector(".hl-spec").textContent);
    const hand = new Hand(data), values = {}, inputs = {};
    const panel = figure.querySelector(".hl-panel");
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", data.label + ". Arrow keys turn it, plus and minus zoom, Home resets the view.");
    const controls = document.createElement("div");
    panel.replaceChildren(canvas, controls);
    figure.classList.add("hl-drawn"); // the panel needs its size before the first picture
    const painter = new Painter(canvas, hand);
    let view = PALM, zoom = 1, waiting = false;
    hand.pose({});
    const middle = [0, 1, 2].map((c) => {
      let low = Infinity, high = -Infinity;
      for (let i = c; i < hand.vertices.length; i += 3) { low = Math.min(low, hand.vertices[i]); high = Math.max(high, hand.vertices[i]); }
      return (low + high) / 2;
    });

    function repaint() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; painter.paint(view, zoom, middle); });
    }
    function set(changes) {
      for (const [name, value] of Object.entries(changes)) {
        if (!inputs[name]) continue;
        values[name] = value;
        inputs[name].input.value = value;
        inputs[name].output.textContent = (Math.round(value * 10) / 10) + inputs[name].unit;
      }
      hand.pose(values);
      repaint();
    }
    function turn(across, along) { view = turned(view, across, along); repaint(); }
    function setZoom(value) { zoom = Math.min(2.5, Math.max(0.7, value)); repaint(); }
    function resetView() { view = PALM; setZoom(1); }

    for (const slider of data.sliders) {
      let group = [...controls.querySelectorAll("fieldset")].find((f) => f.dataset.group === slider.group);
      if (!group) {
        group = document.createElement("fieldset");
        group.dataset.group = slider.group;
        group.append(Object.assign(document.createElement("legend"), { textContent: slider.group }));
        controls.append(group);
      }
      const input = Object.assign(document.createElement("input"), {
        type: "range", min: slider.low, max: slider.high, step: (slider.high - slider.low) / 100, value: 0,
      });
      const output = document.createElement("output"), label = document.createElement("label");
      label.append(Object.assign(document.createElement("span"), { textContent: slider.name }), input, output);
      group.append(label);
      inputs[slider.name] = { input, output, unit: slider.unit };
      input.addEventListener("input", () => set({ [slider.name]: Number(input.value) }));
    }
    const zeros = Object.fromEntries(data.sliders.map((slider) => [slider.name, 0]));
    const shapes = new Set(data.sliders.filter((s) => s.shape !== null).map((s) => s.name));
    const poses = Object.fromEntries(Object.entries(zeros).filter(([name]) => !shapes.has(name)));
    const buttons = Object.assign(document.createElement("div"), { className: "hl-buttons" });
    const actions = Object.entries(data.presets).map(([name, preset]) => [name, () => set({ ...poses, ...preset })]);
    for (const [name, action] of [...actions, ["Reset", () => { set(zeros); resetView(); }]]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", action);
      buttons.append(button);
    }
    controls.append(buttons);

    let last = null;
    canvas.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      turn((event.clientX - last[0]) * 0.01, (event.clientY - last[1]) * 0.01);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
    canvas.addEventListener("keydown", (event) => {
      const step = 0.15;
      const keys = {
        ArrowLeft: () => turn(-step, 0), ArrowRight: () => turn(step, 0), ArrowUp: () => turn(0, -step),
        ArrowDown: () => turn(0, step), "+": () => setZoom(zoom * 1.1), "=": () => setZoom(zoom * 1.1),
        "-": () => setZoom(zoom / 1.1), Home: resetView,
      };
      if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
    });
    new ResizeObserver(repaint).observe(canvas);
    set({ ...zeros, ...data.presets.Relaxed });
    return { hand, set, repaint };
  }

  // Called for each drawing; a figure that stands already is only painted anew.
  window.handlibPosableHand = function (figure) {
    if (figure.handlib) figure.handlib.repaint();
    else figure.handlib = build(figure);
  };
})();
