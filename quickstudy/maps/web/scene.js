// What is on the screen: one frame after another while something moves, none while nothing does.

const shelf = []; // decoded sheets of thumbnails
const lit = new Uint8Array(count).fill(1); // 1: shown; 0: a pale dot
const frames = []; // milliseconds at which the last frames were drawn
let surface = null, waiting = false, dim = false;

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame((now) => {
    waiting = false;
    motion?.(now);
    paint();
    frames.push(now);
    if (frames.length > 600) frames.shift();
    if (motion) redraw();
  });
}

function smooth(low, high, value) {
  return eased(Math.min(Math.max((value - low) / (high - low), 0), 1));
}

function mixed(a, b, share) {
  return a + (b - a) * share;
}

// Everything that a frame depends on; density: pixels of the surface a CSS pixel.
function framing(density) {
  const { eye, morph } = state, t = eased(morph), far = spacing.map * eye.scale, step = spacing.grid * eye.scale;
  const ready = given.sheets && shelf.filter(Boolean).length === given.sheets.count;
  const shade = ready ? mixed(smooth(11, 18, far), smooth(4.5, 7, step), t) : 0;
  const thumbs = shade < 0.03 ? 0 : shade; // what would hardly be seen is not drawn
  const side = mixed(Math.max(1.3 * far, 8), 0.98 * step, t);
  return {
    ...size(), eye, morph, density, dim, thumbs, side,
    dot: mixed(Math.min(Math.max(0.42 * far, 1.6), 8), 0.5 * step, t),
    square: t,
    tint: t * mixed(0.4, 0, smooth(6, 26, side)), // of the cells of drawings that are too small to be seen by their ink
    edge: state.column && side > 20 ? Math.max(0.04, 1.5 / side) : -1, // of a photograph's frame, as a share of its side
    pale: channels(style("--soft")).map((value) => value / 255),
  };
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function paint() {
  const density = devicePixelRatio || 1, { wide, tall } = size();
  for (const one of [canvas, $("words")]) {
    const [w, h] = [Math.round(wide * density), Math.round(tall * density)];
    if (one.width !== w || one.height !== h) Object.assign(one, { width: w, height: h });
  }
  const frame = framing(density);
  surface.draw(frame);
  write($("words").getContext("2d"), frame);
  placeCard();
}

// Draws a thumbnail as ink on paper, or as the photograph it is.
function stamp(pen, i, x, y, side) {
  const { cell, size, each, across, colour } = given.sheets, sheet = shelf[Math.floor(i / each)];
  if (!sheet) return;
  const k = i % each, longest = Math.max(...size), [tall, wide] = size.map((value) => (value / longest) * side);
  const from = [(k % across) * cell[1], Math.floor(k / across) * cell[0], size[1], size[0]];
  const to = [x + (side - wide) / 2, y + (side - tall) / 2, wide, tall];
  pen.imageSmoothingEnabled = colour;
  if (colour) return pen.drawImage(sheet, ...from, ...to);
  pen.fillStyle = "#fff";
  pen.fillRect(...to);
  pen.globalCompositeOperation = "difference";
  pen.drawImage(sheet, ...from, ...to);
  pen.globalCompositeOperation = "source-over";
}

// A canvas with one thumbnail.
function thumb(i, side) {
  const made = document.createElement("canvas"), density = devicePixelRatio || 1;
  const [tall, wide] = given.sheets.size.map((value) => value / Math.max(...given.sheets.size));
  Object.assign(made, { width: Math.round(side * wide * density), height: Math.round(side * tall * density) });
  made.className = given.sheets.colour ? "thumb photo" : "thumb";
  made.style.width = `${side * wide}px`;
  made.style.height = `${side * tall}px`;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", given.ids[i]);
  const longest = side * density;
  stamp(made.getContext("2d"), i, (made.width - longest) / 2, (made.height - longest) / 2, longest);
  return made;
}

async function shelve() {
  for (let s = 0; s < (given.sheets?.count ?? 0); s++) {
    const blob = new Blob([bytes($(`sheet${s}`).textContent)], { type: "image/webp" });
    shelf[s] = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
    $(`sheet${s}`).remove();
    surface.sheet(s, shelf[s]);
    redraw();
  }
}

// WebGL where a graphics card does it. "#webgl" or "#pixels" after the file's name chooses.
function openSurface() {
  const glass = location.hash === "#webgl" || (location.hash !== "#pixels" && quick());
  return glass ? new Glass(canvas) : new Flat(canvas);
}

// What is shown as a PNG picture, its longer side so many pixels.
function poster(longest = 4096) {
  const { wide, tall } = size(), density = longest / Math.max(wide, tall), frame = framing(density);
  const made = document.createElement("canvas");
  Object.assign(made, { width: Math.round(wide * density), height: Math.round(tall * density) });
  Object.assign(canvas, { width: made.width, height: made.height });
  surface.draw(frame);
  const pen = made.getContext("2d");
  pen.fillStyle = style("--ground");
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(canvas, 0, 0);
  write(pen, frame, false);
  paint();
  made.toBlob((blob) => download(blob, `${slug()}.png`));
}
