"use strict";
/* The map of the page. It needs nothing but this file's own data: no network, no library.
 *
 * Places are (u, v): metres east and south of the grid's upper left corner. A layer is a grey
 * picture without loss, whose bytes are codes: 0 is "no value", code k stands for values[k - 1] or
 * names[k - 1]. */
(() => {
  const byId = (id) => document.getElementById(id);
  const box = byId("map");
  const data = JSON.parse(byId("map-data").textContent);
  const canvas = byId("map-canvas");
  const ink = canvas.getContext("2d");
  const told = byId("map-told");
  const chooser = byId("map-layer");
  const opacity = byId("map-opacity");
  const [rows, cols] = data.shape;
  const [wide, high] = data.size;
  const [cellWide, cellHigh] = data.cell;
  const MOST_PIXELS_PER_CELL = 40;

  // What is seen: the place at the centre, and CSS pixels per metre.
  const view = { u: wide / 2, v: high / 2, scale: 0 };
  let layer = null; // as drawn: {id, about, codes, picture}
  let mark = null; // the place whose value is told: {u, v, cross}
  let waiting = false;

  // ---------------------------------------------------------------- layers

  const loaded = new Map();

  const picture = async (uri) => {
    const image = new Image();
    image.src = uri;
    await image.decode();
    return image;
  };

  const sheet = () => {
    const made = document.createElement("canvas");
    made.width = cols;
    made.height = rows;
    return [made, made.getContext("2d", { willReadFrequently: true })];
  };

  const load = async (id) => {
    const about = data.layers[id];
    const [made, context] = sheet();
    const image = data.images[about.image];
    context.drawImage(await picture(image.uri), 0, 0);
    const pixels = context.getImageData(0, 0, cols, rows);
    const codes = new Uint8Array(rows * cols);
    const colours = about.colours.match(/../g).map((part) => parseInt(part, 16));
    let sum = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = (codes[i] = pixels.data[4 * i]);
      sum += code * ((i % 251) + 1);
      for (let band = 0; band < 3 && code; band++) {
        pixels.data[4 * i + band] = colours[3 * (code - 1) + band];
      }
      pixels.data[4 * i + 3] = code ? 255 : 0;
    }
    context.putImageData(pixels, 0, 0);
    // Some browsers alter what a page reads from a canvas, against tracking: then tell nothing.
    return { id, about, codes, picture: made, altered: sum !== image.sum };
  };

  const show = async (id) => {
    if (!data.layers[id]) throw new RangeError(`no layer ${id}`);
    if (!loaded.has(id)) loaded.set(id, load(id));
    chooser.value = id;
    for (const legend of box.querySelectorAll("[data-legend]")) {
      legend.hidden = legend.dataset.legend !== id;
    }
    const ready = await loaded.get(id);
    // Another layer may have been chosen while this one was decoded.
    if (chooser.value === id) layer = ready;
    tell();
    draw();
  };

  // ---------------------------------------------------------------- values

  /* The value of the active layer: null outside or where there is none, else a class's name or
   * a number and how far the file's may lie from it. */
  const valueAt = (u, v) => {
    const row = Math.floor(v / cellHigh);
    const col = Math.floor(u / cellWide);
    if (!layer || layer.altered || u < 0 || v < 0 || u >= wide || v >= high) return null;
    const code = layer.codes[row * cols + col];
    if (!code) return null;
    const { values, halves, names } = layer.about;
    if (names.length) return { name: names[code - 1] };
    return { value: values[code - 1], half: halves[code - 1] };
  };

  /* Two digits of the half bin, rounded up so that it also covers the rounding of the value. */
  const written = ({ value, half, name }) => {
    if (name !== undefined) return name;
    const digits = Math.max(0, 1 - Math.floor(Math.log10(half)));
    const unit = 10 ** -digits;
    const most = Math.ceil((half + unit / 2) / unit) * unit;
    return `${value.toFixed(digits)} ± ${most.toFixed(digits)}`;
  };

  const thousands = (number) => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  /* Longitude and latitude, between those of the lattice. */
  const geographic = (u, v) => {
    const { side, lon, lat } = data.lattice;
    const x = (u / wide) * (side - 1);
    const y = (v / high) * (side - 1);
    const col = Math.min(Math.max(Math.floor(x), 0), side - 2);
    const row = Math.min(Math.max(Math.floor(y), 0), side - 2);
    const between = (table) => {
      const at = (r, c) => table[(row + r) * side + col + c];
      const upper = at(0, 0) + (at(0, 1) - at(0, 0)) * (x - col);
      const lower = at(1, 0) + (at(1, 1) - at(1, 0)) * (x - col);
      return upper + (lower - upper) * (y - row);
    };
    return [between(lon), between(lat)];
  };

  const degrees = (angle, letters) => `${Math.abs(angle).toFixed(4)}° ${letters[angle < 0 ? 1 : 0]}`;

  const tell = () => {
    if (!mark) {
      told.textContent = told.dataset.hint;
      return;
    }
    const { u, v } = mark;
    const place = [`x ${thousands(data.corner[0] + u)}, y ${thousands(data.corner[1] - v)} m`];
    if (data.lattice) {
      const [lon, lat] = geographic(u, v);
      place.push(`${degrees(lat, "NS")}, ${degrees(lon, "EW")}`);
    }
    const value = valueAt(u, v);
    const none = layer && layer.altered ? "not shown, because this browser alters pictures" : "no value";
    const title = chooser.selectedOptions[0].text;
    told.textContent = `${title}: ${value ? written(value) : none} · ${place.join(" · ")}`;
  };

  // ---------------------------------------------------------------- drawing

  const overlays = Object.entries(data.overlays).map(([id, about]) => {
    const path = new Path2D();
    for (const steps of about.lines) {
      let u = 0;
      let v = 0;
      for (let i = 0; i < steps.length; i += 2) {
        u += steps[i] * about.unit;
        v += steps[i + 1] * about.unit;
        if (i) path.lineTo(u, v);
        else path.moveTo(u, v);
      }
    }
    return { about, path, box: box.querySelector(`[data-overlay="${id}"]`) };
  });
  let shade = null;

  const fitted = () => Math.min(canvas.clientWidth / wide, canvas.clientHeight / high);

  /* Keep some of the map in sight, neither specks nor single cells across the window. */
  const settle = () => {
    const least = 0.8 * fitted();
    const most = Math.max(MOST_PIXELS_PER_CELL / Math.min(cellWide, cellHigh), least);
    view.scale = Math.min(Math.max(view.scale || fitted(), least), most);
    view.u = Math.min(Math.max(view.u, 0), wide);
    view.v = Math.min(Math.max(view.v, 0), high);
  };

  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  };

  const paint = () => {
    const ratio = window.devicePixelRatio || 1;
    const scale = view.scale * ratio;
    // From here on the unit of the canvas is a metre of the ground.
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.clearRect(0, 0, canvas.width, canvas.height);
    const left = canvas.width / 2 - view.u * scale;
    const top = canvas.height / 2 - view.v * scale;
    ink.setTransform(scale, 0, 0, scale, left, top);
    const cover = [0, 0, cols * cellWide, rows * cellHigh];
    ink.save();
    ink.beginPath();
    ink.rect(0, 0, wide, high);
    ink.clip();
    ink.fillStyle = "#dbdee0";
    ink.fillRect(...cover);
    ink.imageSmoothingEnabled = true;
    if (shade && byId("map-shade").checked) ink.drawImage(shade, ...cover);
    // Cells stay squares when they are larger than dots: a cell is what is known.
    ink.imageSmoothingEnabled = scale * cellWide < 1;
    ink.globalAlpha = opacity.value / 100;
    if (layer) ink.drawImage(layer.picture, ...cover);
    ink.globalAlpha = 1;
    ink.lineJoin = "round";
    for (const overlay of overlays.filter((o) => o.box.checked)) {
      ink.lineWidth = (overlay.about.width * ratio) / scale;
      ink.strokeStyle = overlay.about.colour;
      ink.stroke(overlay.path);
    }
    ink.restore();
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    bar();
    if (mark && mark.cross) cross();
  };

  const bar = () => {
    const metres = Math.min(wide, canvas.clientWidth / view.scale) / 4;
    const power = 10 ** Math.floor(Math.log10(metres));
    const long = [5, 2, 1].find((step) => step * power <= metres) * power;
    const pixels = long * view.scale;
    const name = long >= 1000 ? `${long / 1000} km` : `${long} m`;
    const y = canvas.clientHeight - 14;
    ink.fillStyle = "rgba(255, 255, 255, 0.85)";
    ink.fillRect(8, y - 18, pixels + 16, 26);
    ink.fillStyle = "#1b1f24";
    ink.fillRect(16, y, pixels, 3);
    ink.font = "12px system-ui, sans-serif";
    ink.textAlign = "center";
    ink.fillText(name, 16 + pixels / 2, y - 5, pixels + 12);
  };

  const cross = () => {
    const [x, y] = toScreen(mark.u, mark.v);
    for (const [width, colour] of [[4, "#fff"], [1.6, "#1b1f24"]]) {
      ink.lineWidth = width;
      ink.strokeStyle = colour;
      ink.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        ink.moveTo(x + 4 * dx, y + 4 * dy);
        ink.lineTo(x + 12 * dx, y + 12 * dy);
      }
      ink.stroke();
    }
  };

  // ---------------------------------------------------------------- moving

  const toScreen = (u, v) => [
    canvas.clientWidth / 2 + (u - view.u) * view.scale,
    canvas.clientHeight / 2 + (v - view.v) * view.scale,
  ];

  const toPlace = (x, y) => ({
    u: view.u + (x - canvas.clientWidth / 2) / view.scale,
    v: view.v + (y - canvas.clientHeight / 2) / view.scale,
  });

  const pan = (dx, dy) => {
    view.u -= dx / view.scale;
    view.v -= dy / view.scale;
    settle();
    draw();
  };

  /* Zoom so that the place under (x, y) stays there. */
  const zoom = (factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
    const fixed = toPlace(x, y);
    view.scale *= factor;
    settle();
    const moved = toPlace(x, y);
    view.u += fixed.u - moved.u;
    view.v += fixed.v - moved.v;
    settle();
    draw();
  };

  const whole = () => {
    Object.assign(view, { u: wide / 2, v: high / 2, scale: 0 });
    settle();
    draw();
  };

  const read = (place, isCross) => {
    mark = place && { ...place, cross: isCross };
    tell();
    draw();
  };

  const pointers = new Map();
  let travelled = 0;

  /* Middle of the fingers and their distance from each other. */
  const grip = () => {
    const held = [...pointers.values()];
    const x = held.reduce((sum, p) => sum + p.x, 0) / held.length;
    const y = held.reduce((sum, p) => sum + p.y, 0) / held.length;
    const apart = held.length < 2 ? 0 : Math.hypot(held[0].x - held[1].x, held[0].y - held[1].y);
    return { x, y, apart };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const at = { x: event.offsetX, y: event.offsetY };
    if (event.pointerType === "mouse") read(toPlace(at.x, at.y), false);
    if (!pointers.has(event.pointerId)) return;
    const before = grip();
    pointers.set(event.pointerId, at);
    const after = grip();
    travelled += Math.hypot(after.x - before.x, after.y - before.y);
    // One finger scrolls the page: a map as wide as a phone would not let its reader past.
    if (event.pointerType === "touch" && pointers.size < 2) return;
    pan(after.x - before.x, after.y - before.y);
    if (before.apart && after.apart) zoom(after.apart / before.apart, after.x, after.y);
  });

  canvas.addEventListener("touchmove", (event) => {
    if (event.touches.length > 1) event.preventDefault();
  }, { passive: false });

  const release = (event) => {
    const held = pointers.delete(event.pointerId);
    const isTap = held && !pointers.size && travelled < 6 && event.type === "pointerup";
    if (isTap) read(toPlace(event.offsetX, event.offsetY), event.pointerType !== "mouse");
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !pointers.size) read(null, false);
  });
  canvas.addEventListener("dblclick", (event) => zoom(2, event.offsetX, event.offsetY));

  // A wheel over the map scrolls the page until the map has been clicked.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    zoom(2 ** (-Math.max(-150, Math.min(150, event.deltaY * lines)) / 250), event.offsetX, event.offsetY);
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) {
      const step = event.shiftKey ? 8 : 60;
      pan(moves[event.key][0] * step, moves[event.key][1] * step);
    } else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") whole();
    else if (event.key !== "Enter") return;
    event.preventDefault();
    read({ u: view.u, v: view.v }, true);
  });

  byId("map-in").addEventListener("click", () => zoom(1.5));
  byId("map-out").addEventListener("click", () => zoom(1 / 1.5));
  byId("map-whole").addEventListener("click", whole);
  chooser.addEventListener("change", () => show(chooser.value));
  opacity.addEventListener("input", draw);
  for (const check of box.querySelectorAll("input[type=checkbox]")) {
    check.addEventListener("change", draw);
  }

  const resize = () => {
    // On paper the map stays the picture that it is.
    if (window.matchMedia("print").matches) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    settle();
    paint();
  };

  box.hidden = false;
  new ResizeObserver(resize).observe(canvas);
  resize();
  tell();
  const ready = Promise.all([
    show(chooser.value),
    data.shade ? picture(data.shade).then((image) => (shade = image)) : null,
  ]).then(draw);

  /* For whoever wants values from the browser's console; x, y in the grid's own coordinates. */
  window.shakeslideMap = {
    ready,
    show,
    layers: () => Object.keys(data.layers),
    active: () => layer && layer.id,
    value_at: (x, y) => valueAt(x - data.corner[0], data.corner[1] - y),
    view: () => ({ x: data.corner[0] + view.u, y: data.corner[1] - view.v, scale: view.scale }),
  };
})();
