// The same by a plain canvas, for browsers without WebGL 2.

class Flat {
  constructor(canvas) {
    this.pen = canvas.getContext("2d");
  }

  dyed() {}
  lighted() {}
  sheet() {}

  draw(frame) {
    const { pen } = this;
    pen.setTransform(frame.density, 0, 0, frame.density, 0, 0);
    pen.clearRect(0, 0, frame.wide, frame.tall);
    if (frame.dim) this.some(frame, 0);
    if (frame.thumbs < 1) this.some(frame, 1);
    if (frame.thumbs > 0) this.pictures(frame);
    pen.globalAlpha = 1;
  }

  some(frame, wanted) {
    const { pen } = this, r = frame.dot;
    pen.globalAlpha = wanted ? 0.9 * (1 - frame.thumbs) : 0.16;
    let last = -1;
    each(frame, r, (i, x, y) => {
      if (lit[i] !== wanted) return;
      const dye = wanted ? (dyes[4 * i] << 16) | (dyes[4 * i + 1] << 8) | dyes[4 * i + 2] : -2;
      if (dye !== last) pen.fillStyle = wanted ? `#${dye.toString(16).padStart(6, "0")}` : css(frame.pale.map((v) => Math.round(255 * v)));
      last = dye;
      pen.fillRect(x - r, y - r, 2 * r, 2 * r);
    });
  }

  pictures(frame) {
    const { pen } = this, half = frame.side / 2;
    pen.globalAlpha = frame.thumbs;
    each(frame, half, (i, x, y) => {
      if (!lit[i]) return;
      pen.fillStyle = `rgb(${dyes[4 * i]} ${dyes[4 * i + 1]} ${dyes[4 * i + 2]})`;
      pen.fillRect(x - half, y - half, frame.side, frame.side);
      stamp(pen, i, x - half + 1, y - half + 1, frame.side - 2);
    });
  }
}

// Calls f(point, x, y) for the points on the screen.
function each(frame, margin, f) {
  const { eye, morph, wide, tall } = frame;
  for (let i = 0; i < count; i++) {
    const hx = onMap.places[2 * i], hy = onMap.places[2 * i + 1];
    const late = 0.35 * Math.min(Math.max(0.5 + 0.5 * hx, 0), 1);
    const t = eased(Math.min(Math.max(1.35 * morph - late, 0), 1));
    const x = (hx + t * (onGrid.places[2 * i] - hx) - eye.x) * eye.scale + wide / 2;
    const y = (hy + t * (onGrid.places[2 * i + 1] - hy) - eye.y) * eye.scale + tall / 2;
    if (x > -margin && y > -margin && x < wide + margin && y < tall + margin) f(i, x, y);
  }
}
