// The same without WebGL, and where WebGL would be done by the processor anyway: pixels are written one by one, which
// is quicker than a canvas' own calls for tens of thousands of points.

const HALVES = 2; // places within a pixel, along each side, at which dots are prepared

class Flat {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { alpha: false });
    this.shelves = [];
  }

  dyed() {}
  lighted() {}

  sheet(i, picture) {
    this.shelves[i] = levels(picture, Math.min(given.sheets.each, count - i * given.sheets.each));
  }

  draw(frame) {
    const { width, height } = this.canvas;
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = new ImageData(width, height);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    this.words.fill(packed(...channels(style("--ground"))));
    if (frame.dim) this.some(frame, 0, 0.16);
    if (frame.thumbs < 1) this.some(frame, 1, 0.9 * (1 - frame.thumbs));
    if (frame.thumbs > 0) this.pictures(frame);
    this.pen.putImageData(this.image, 0, 0);
  }

  // Dots of the points that are lit, or of those that are not.
  some(frame, wanted, strength) {
    const masks = stencils(frame.dot * frame.density, frame.square, strength, this.image.width), pale = packed(...frame.pale.map((v) => 255 * v));
    each(frame, frame.dot, (i, x, y) => {
      if (lit[i] !== wanted) return;
      const at = 4 * i, px = x * frame.density, py = y * frame.density;
      const mask = masks[dyes[at + 3]][Math.floor((px - Math.floor(px)) * HALVES)][Math.floor((py - Math.floor(py)) * HALVES)];
      this.stamp(mask, px, py, wanted ? packed(dyes[at], dyes[at + 1], dyes[at + 2]) : pale);
    });
  }

  stamp(mask, px, py, ink) {
    const { words, image: { width, height } } = this, { reach, shares, offsets } = mask, left = Math.floor(px), top = Math.floor(py);
    const first = left + width * top;
    if (left >= reach && top >= reach && left < width - reach && top < height - reach) {
      for (let k = 0; k < shares.length; k++) blend(words, first + offsets[k], shares[k], ink);
    } else {
      for (let k = 0; k < shares.length; k++) {
        const u = left + mask.across[k], v = top + mask.down[k];
        if (u >= 0 && v >= 0 && u < width && v < height) blend(words, first + offsets[k], shares[k], ink);
      }
    }
  }

  // Thumbnails at their places, from the smallest prepared size that has as many pixels as are drawn.
  pictures(frame) {
    const { each: many, colour, size } = given.sheets, side = Math.max(1, Math.round(frame.side * frame.density));
    const longest = Math.max(...size), level = Math.max(0, Math.min(this.shelves[0].length - 1, Math.floor(Math.log2(longest / side))));
    const steps = sampling(this.shelves[0][level], side, longest >> level);
    const gamma = Uint16Array.from({ length: 256 }, (_, v) => 256 * frame.thumbs * Math.max((v / 255) ** inkGamma(frame), frame.tint));
    each(frame, frame.side, (i, x, y) => {
      if (!lit[i]) return;
      const shelf = this.shelves[Math.floor(i / many)][level], left = Math.round(x * frame.density - side / 2), top = Math.round(y * frame.density - side / 2);
      if (colour) this.photo(shelf, i % many, left, top, steps, Math.round(256 * frame.thumbs), i, edgeOf(frame, side));
      else this.drawing(shelf, i % many, left, top, steps, gamma, i);
    });
  }

  drawing(shelf, k, left, top, { side, across, down }, gamma, i) {
    const { words, image: { width, height } } = this, first = k * shelf.wide * shelf.tall;
    const ink = packed(dyes[4 * i], dyes[4 * i + 1], dyes[4 * i + 2]);
    for (let v = Math.max(0, -top); v < Math.min(side, height - top); v++) {
      const row = down[v];
      if (row < 0) continue;
      for (let u = Math.max(0, -left); u < Math.min(side, width - left); u++) {
        const share = across[u] < 0 ? 0 : gamma[shelf.ink[first + row * shelf.wide + across[u]]];
        if (share) blend(words, left + u + width * (top + v), share, ink);
      }
    }
  }

  photo(shelf, k, left, top, { side, across, down }, share, i, edge) {
    const { words, image: { width, height } } = this, first = k * shelf.wide * shelf.tall;
    for (let v = Math.max(0, -top); v < Math.min(side, height - top); v++) {
      for (let u = Math.max(0, -left); u < Math.min(side, width - left); u++) {
        if (down[v] < 0 || across[u] < 0) continue;
        const framed = Math.min(u, v, side - 1 - u, side - 1 - v) < edge;
        const [from, at] = framed ? [dyes, 4 * i] : [shelf.ink, 4 * (first + down[v] * shelf.wide + across[u])];
        blend(words, left + u + width * (top + v), share, packed(from[at], from[at + 1], from[at + 2]));
      }
    }
  }
}

// Mixes a share, of 256, of a colour into a pixel: red and blue at once, in one number, then green.
function blend(words, at, share, ink) {
  const under = words[at], rest = 256 - share;
  const ends = (Math.imul(ink & 0xff00ff, share) + Math.imul(under & 0xff00ff, rest)) >>> 8;
  const green = (Math.imul(ink & 0xff00, share) + Math.imul(under & 0xff00, rest)) >>> 8;
  words[at] = 0xff000000 | (ends & 0xff00ff) | (green & 0xff00);
}

function packed(red, green, blue) {
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

// The pixels that a dot covers and how much of each, of 256, for every shape and place within a pixel.
function stencils(radius, square, strength, width) {
  const reach = Math.ceil(radius + 0.5), side = 2 * reach + 1;
  const made = (shape, dx, dy) => {
    const covered = [];
    for (let k = 0; k < side * side; k++) {
      const [u, v] = [(k % side) - reach, Math.floor(k / side) - reach];
      const edge = outline(shape, [(u - dx) / radius, (v - dy) / radius], square);
      const share = Math.floor(256 * strength * Math.min(1, Math.max(0, 0.5 - edge * radius)));
      if (share) covered.push([u, v, share]);
    }
    const [across, down, shares] = [0, 1, 2].map((part) => Int16Array.from(covered, (one) => one[part]));
    return { reach, across, down, shares, offsets: Int32Array.from(covered, ([u, v]) => u + width * v) };
  };
  const within = Array.from({ length: HALVES }, (_, k) => (k + 0.5) / HALVES - 0.5);
  return Array.from({ length: SHAPES }, (_, shape) => within.map((dx) => within.map((dy) => made(shape, dx, dy))));
}

// The distance of a place from the outline of a shape, as the shader has it.
function outline(shape, [x, y], square) {
  const far = Math.hypot(x, y), box = Math.max(Math.abs(x), Math.abs(y));
  if (shape === 0) return mixed(far - 0.92, box - 0.92, square);
  if (shape === 1) return box - 0.78;
  if (shape === 2) return Math.max(Math.abs(x) * 0.88 - y * 0.46 - 0.4, y - 0.82);
  if (shape === 3) return Math.abs(x) + Math.abs(y) - 1;
  return Math.abs(far - 0.68) - 0.26;
}

// The thumbnails of a sheet one after another, in their size and in halves of it.
function levels(picture, number) {
  const { cell, size, across, colour } = given.sheets, made = document.createElement("canvas");
  Object.assign(made, { width: picture.width, height: picture.height });
  const pen = made.getContext("2d", { willReadFrequently: true }), depth = colour ? 4 : 1, out = [];
  pen.drawImage(picture, 0, 0);
  const { data } = pen.getImageData(0, 0, made.width, made.height), [tall, wide] = size;
  const ink = new Uint8Array(number * tall * wide * depth);
  for (let k = 0, to = 0; k < number; k++) {
    for (let v = 0; v < tall; v++) {
      const from = 4 * ((k % across) * cell[1] + made.width * (Math.floor(k / across) * cell[0] + v));
      for (let u = 0; u < 4 * wide; u += 4 / depth) ink[to++] = data[from + u];
    }
  }
  out.push({ ink, tall, wide });
  while (Math.min(out.at(-1).tall, out.at(-1).wide) >= 8) out.push(halved(out.at(-1), number, depth));
  return out;
}

function halved({ ink, tall, wide }, number, depth) {
  const [low, narrow] = [tall >> 1, wide >> 1], out = new Uint8Array(number * low * narrow * depth);
  for (let k = 0, to = 0; k < number; k++) {
    for (let v = 0; v < low; v++) {
      for (let u = 0; u < narrow; u++) {
        for (let c = 0; c < depth; c++) {
          const at = ((k * tall + 2 * v) * wide + 2 * u) * depth + c, below = at + wide * depth;
          out[to++] = (ink[at] + ink[at + depth] + ink[below] + ink[below + depth] + 2) >> 2;
        }
      }
    }
  }
  return { ink: out, tall: low, wide: narrow };
}

// Which column and row of a thumbnail each pixel of a square shows; -1 beside one that is no square.
function sampling({ tall, wide }, side, longest) {
  const along = (extent) => Int16Array.from({ length: side }, (_, k) => {
    const at = Math.floor(((k + 0.5) / side) * longest - (longest - extent) / 2);
    return at >= 0 && at < extent ? at : -1;
  });
  return { side, across: along(wide), down: along(tall) };
}

function edgeOf(frame, side) {
  return frame.edge < 0 ? 0 : Math.max(1, Math.round(frame.edge * side));
}

// Calls f(point, x, y) for the points on the screen.
function each(frame, margin, f) {
  const { eye, morph, wide, tall } = frame, [here, there] = [onMap.places, onGrid.places];
  for (let i = 0; i < count; i++) {
    const hx = here[2 * i], hy = here[2 * i + 1];
    const late = 0.35 * Math.min(Math.max(0.5 + 0.5 * hx, 0), 1), t = eased(Math.min(Math.max(1.35 * morph - late, 0), 1));
    const x = (hx + t * (there[2 * i] - hx) - eye.x) * eye.scale + wide / 2;
    const y = (hy + t * (there[2 * i + 1] - hy) - eye.y) * eye.scale + tall / 2;
    if (x > -margin && y > -margin && x < wide + margin && y < tall + margin) f(i, x, y);
  }
}
