// The eye: which part of the world is on the screen, and how it moves.

const state = {
  eye: { x: 0, y: 0, scale: 1 }, // the world place in the middle, and pixels a unit
  morph: 0, // 0 the map, 1 the grid
  grid: false,
  column: columns[0] ?? null,
  filter: new Set(), // categories that alone are shown; none: all
  range: null, // numbers between which points are shown
  search: "",
  chosen: null, // rows of points that are chosen
  over: -1, // the point under the pointer
  one: -1, // the point whose neighbours are shown
  preview: -1, // the category pointed at in the legend
  names: true,
  lasso: false,
  path: null, // the lasso while it is drawn
};
const stage = $("stage"), canvas = $("points");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const MARGIN = 0.94, CLOSEST = 220; // pixels between points at most
let motion = null, before = { wide: 1, tall: 1 };

function size() {
  return { wide: Math.max(1, stage.clientWidth), tall: Math.max(1, stage.clientHeight) };
}

function toScreen(x, y) {
  const { wide, tall } = size(), { eye } = state;
  return [(x - eye.x) * eye.scale + wide / 2, (y - eye.y) * eye.scale + tall / 2];
}

function toWorld(px, py) {
  const { wide, tall } = size(), { eye } = state;
  return [(px - wide / 2) / eye.scale + eye.x, (py - tall / 2) / eye.scale + eye.y];
}

function between() {
  return spacing[state.grid ? "grid" : "map"] * state.eye.scale;
}

function limits() {
  const { wide, tall } = size();
  return [0.2 * Math.min(wide, tall), Math.max(CLOSEST / spacing[state.grid ? "grid" : "map"], wide)];
}

// The eye that shows a box of the world.
function showing(x, y, halfWide, halfTall) {
  const { wide, tall } = size(), [least, most] = limits();
  const scale = (MARGIN / 2) * Math.min(wide / halfWide, tall / halfTall);
  return { x, y, scale: Math.min(Math.max(scale, least), most) };
}

// Shows everything still, after the window has another size, where everything was shown before.
function resized() {
  const { half } = layout(), { eye } = state, fit = (MARGIN / 2) * Math.min(before.wide / half[0], before.tall / half[1]);
  before = size();
  if (!motion && eye.x === 0 && eye.y === 0 && Math.abs(eye.scale / fit - 1) < 0.01) state.eye = everything();
  redraw();
}

function everything() {
  return showing(0, 0, ...layout().half);
}

// The eye that shows these points.
function around(some) {
  const { places } = layout(), low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (const i of some) {
    for (const k of [0, 1]) {
      low[k] = Math.min(low[k], places[2 * i + k]);
      high[k] = Math.max(high[k], places[2 * i + k]);
    }
  }
  const room = 2 * spacing[state.grid ? "grid" : "map"];
  return showing((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (high[0] - low[0]) / 2 + room, (high[1] - low[1]) / 2 + room);
}

// Ends what moves: the eye stays where it is, points are where they were going.
function halt() {
  motion = null;
  state.morph = Number(state.grid);
}

// Calls step(share) until the share is 1; at once where motion is not wanted. A new motion ends the one before.
function move(milliseconds, step) {
  halt();
  if (still.matches || milliseconds <= 0) {
    step(1);
    redraw();
    return;
  }
  const begun = performance.now();
  motion = (now) => {
    const share = Math.min(1, Math.max(0, (now - begun) / milliseconds));
    step(share);
    if (share === 1) motion = null;
  };
  redraw();
}

function eased(share) {
  return share * share * (3 - 2 * share);
}

function lookAt(target, milliseconds = 450) {
  const from = { ...state.eye };
  move(milliseconds, (share) => glide(from, target, eased(share)));
}

function glide(from, target, share) {
  const scale = from.scale * (target.scale / from.scale) ** share;
  const way = Math.abs(target.scale - from.scale) < 1e-9 ? share : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / target.scale);
  state.eye = { x: from.x + way * (target.x - from.x), y: from.y + way * (target.y - from.y), scale };
  if (share === 1) state.eye = { ...target };
}

// Zooms by a factor so that what is at a place of the screen stays there.
function zoom(factor, px, py) {
  const [least, most] = limits(), [x, y] = toWorld(px, py), { eye } = state;
  const scale = Math.min(Math.max(eye.scale * factor, least), most);
  state.eye = { x: x - ((x - eye.x) * eye.scale) / scale, y: y - ((y - eye.y) * eye.scale) / scale, scale };
  redraw();
}

function stepped(factor) {
  const { eye } = state, [least, most] = limits();
  lookAt({ ...eye, scale: Math.min(Math.max(eye.scale * factor, least), most) }, 180);
}

function pan(dx, dy) {
  const { eye } = state, bound = (value, half) => Math.min(Math.max(value, -half - 0.2), half + 0.2), { half } = layout();
  state.eye = { ...eye, x: bound(eye.x - dx / eye.scale, half[0]), y: bound(eye.y - dy / eye.scale, half[1]) };
  redraw();
}

// From the map to the grid or back; the eye comes along.
function morph(grid) {
  if (!cells || grid === state.grid) return;
  const from = { ...state.eye }, first = state.morph;
  const close = from.scale > 1.6 * everything().scale && state.one >= 0;
  settle(grid);
  const target = close ? around([state.one, ...neighbours(state.one, 30)]) : everything();
  move(1400, (share) => {
    state.morph = first + share * (Number(grid) - first);
    glide(from, target, eased(share));
  });
  tell(grid ? "Grid" : "Map");
}

// Takes a layout without the way there.
function settle(grid) {
  Object.assign(state, { grid, over: -1 });
  $("as-map").setAttribute("aria-pressed", String(!grid));
  $("as-grid").setAttribute("aria-pressed", String(grid));
}
