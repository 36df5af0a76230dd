// Colours and shapes of points, by the chosen column.

const SHAPES = 5; // disc, square, triangle, diamond, ring: as the shader numbers them
const dyes = new Uint8Array(4 * count); // red, green, blue, shape of each point
let palette = [], stops = [], unknown = [];

// The colours for a light ground, or lighter ones for a dark ground.
function mixDyes(dark) {
  const lifted = (hex) => channels(hex).map((value) => Math.round(dark ? value + 0.2 * (255 - value) : value));
  [palette, stops] = [given.palette.map(lifted), given.ramp.map(lifted)];
  unknown = lifted(given.unknown);
  palette.forEach((rgb, k) => document.documentElement.style.setProperty(`--dye${k}`, css(rgb)));
  stops.forEach((rgb, k) => document.documentElement.style.setProperty(`--ramp${k}`, css(rgb)));
}

// Red, green and blue of #rrggbb.
function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// The look of the code-th category.
function look(code) {
  const turn = Math.floor(code / palette.length);
  return { rgb: palette[code % palette.length], shape: turn % SHAPES, dye: code % palette.length };
}

// The colour at a share from 0 to 1 of the ramp.
function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2), rest = at - low;
  return stops[low].map((value, k) => Math.round(value + rest * (stops[low + 1][k] - value)));
}

// The lowest and the highest number of a column.
function span(column) {
  if (column.span) return column.span;
  let low = Infinity, high = -Infinity;
  for (const value of column.values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  column.span = low <= high ? [low, high] : [0, 1];
  return column.span;
}

function share(column, value) {
  const [low, high] = span(column);
  return high > low ? (value - low) / (high - low) : 0.5;
}

function lookOf(column, i) {
  if (!column) return look(0);
  if (column.names) return look(column.codes[i]);
  const value = column.values[i];
  return { rgb: Number.isNaN(value) ? unknown : ramp(share(column, value)), shape: 0 };
}

function dye(column) {
  for (let i = 0; i < count; i++) {
    const { rgb, shape } = lookOf(column, i);
    dyes.set(rgb, 4 * i);
    dyes[4 * i + 3] = shape;
  }
}

function css(rgb) {
  return `rgb(${rgb.join(" ")})`;
}

const OUTLINES = [
  "M6 .5a5.5 5.5 0 1 0 .01 0z", "M1 1h10v10H1z", "M6 .5 11.7 11H.3z", "M6 0 12 6 6 12 0 6z",
  "M6 .5a5.5 5.5 0 1 0 .01 0zM6 3.4a2.6 2.6 0 1 1-.01 0z",
];

// The mark of a category in the legend.
function swatch({ dye, shape }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", OUTLINES[shape]);
  path.style.fill = `var(--dye${dye})`;
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
