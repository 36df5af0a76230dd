// Where points are: in the world, from -1 to 1 with y downwards, as the map and as the grid has them.

const onMap = framed();
const onGrid = cells ? gridded() : onMap;
const spacing = { map: 0.8 * Math.sqrt((4 * onMap.half[0] * onMap.half[1]) / count), grid: cells ? 2 / Math.max(...given.shape) : 0 };

function framed() {
  let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let i = 0; i < 2 * count; i++) {
    low[i % 2] = Math.min(low[i % 2], points[i]);
    high[i % 2] = Math.max(high[i % 2], points[i]);
  }
  const size = Math.max(high[0] - low[0], high[1] - low[1], 1e-12) / 2;
  const middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
  const places = new Float32Array(2 * count);
  for (let i = 0; i < 2 * count; i++) places[i] = ((points[i] - middle[i % 2]) / size) * (i % 2 ? -1 : 1);
  const half = [0, 1].map((k) => Math.max((high[k] - low[k]) / 2 / size, 0.05));
  return { places, half };
}

function gridded() {
  const [tall, wide] = given.shape, size = Math.max(tall, wide) / 2;
  const places = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    places[2 * i] = (cells[2 * i + 1] + 0.5 - wide / 2) / size;
    places[2 * i + 1] = (tall / 2 - cells[2 * i] - 0.5) / size; // row 0 at the bottom, as the map has its y
  }
  return { places, half: [wide / 2 / size, tall / 2 / size] };
}

// Points sorted into squares of the world, so that those near a place are found without asking all.
class Squares {
  constructor(places) {
    this.places = places;
    this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(count / 2))));
    this.starts = new Uint32Array(this.side ** 2 + 1);
    this.members = new Uint32Array(count);
    const of = Uint32Array.from({ length: count }, (_, i) => this.at(places[2 * i]) + this.side * this.at(places[2 * i + 1]));
    for (const square of of) this.starts[square + 1]++;
    for (let s = 0; s < this.side ** 2; s++) this.starts[s + 1] += this.starts[s];
    const next = this.starts.slice();
    for (let i = 0; i < count; i++) this.members[next[of[i]]++] = i;
  }

  at(coordinate) {
    return Math.max(0, Math.min(this.side - 1, Math.floor(((coordinate + 1) / 2) * this.side)));
  }

  // All points within a radius, with their squared distances.
  within(x, y, radius) {
    const found = [];
    for (let v = this.at(y - radius); v <= this.at(y + radius); v++) {
      for (let u = this.at(x - radius); u <= this.at(x + radius); u++) {
        const square = u + this.side * v;
        for (let k = this.starts[square]; k < this.starts[square + 1]; k++) {
          const i = this.members[k];
          const far = (this.places[2 * i] - x) ** 2 + (this.places[2 * i + 1] - y) ** 2;
          if (far <= radius ** 2) found.push([far, i]);
        }
      }
    }
    return found;
  }
}

const squares = { map: null, grid: null };

function layout() {
  return state.grid ? onGrid : onMap;
}

function known() {
  const name = state.grid ? "grid" : "map";
  squares[name] ??= new Squares(layout().places);
  return squares[name];
}

// The lit point nearest to a place within a radius, or -1.
function nearest(x, y, radius) {
  let best = -1, least = Infinity;
  for (const [far, i] of known().within(x, y, radius)) {
    if (lit[i] && far < least) [best, least] = [i, far];
  }
  return best;
}

// The points nearest to a point as they lie now, the nearest first.
function neighbours(i, most) {
  const { places } = layout();
  let radius = 2 * spacing[state.grid ? "grid" : "map"], found = [];
  for (; radius < 4; radius *= 2) {
    found = known().within(places[2 * i], places[2 * i + 1], radius).filter(([, j]) => j !== i);
    if (found.length >= most) break;
  }
  return found.sort((a, b) => a[0] - b[0] || rows[a[1]] - rows[b[1]]).slice(0, most).map(([, j]) => j);
}

// The lit points inside a polygon of world places [x, y].
function inside(polygon) {
  const { places } = layout(), found = [];
  const [xs, ys] = [0, 1].map((k) => polygon.map((corner) => corner[k]));
  const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let i = 0; i < count; i++) {
    const x = places[2 * i], y = places[2 * i + 1];
    if (lit[i] && x >= box[0] && x <= box[1] && y >= box[2] && y <= box[3] && crossed(polygon, x, y)) found.push(i);
  }
  return found;
}

function crossed(polygon, x, y) {
  let odd = false;
  for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
    const [ax, ay] = polygon[a], [bx, by] = polygon[b];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
