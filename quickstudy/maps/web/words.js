// What is written over the points: names of categories, the ring around a point, the lasso.

const WORDY = 80; // categories of a column that get names on the map, at most

// Where the most members of each category lie together: [x, y, members], in each layout.
function middles(column, places) {
  const side = 24, found = [];
  const bin = (value) => Math.max(0, Math.min(side - 1, Math.floor(((value + 1) / 2) * side)));
  const members = column.names.map(() => []);
  for (let i = 0; i < count; i++) members[column.codes[i]].push(i);
  for (const own of members) {
    const bins = new Uint32Array(side * side);
    for (const i of own) bins[bin(places[2 * i]) + side * bin(places[2 * i + 1])]++;
    const best = fullest(bins, side);
    const near = own.filter((i) => Math.abs(bin(places[2 * i]) - best[0]) <= 1 && Math.abs(bin(places[2 * i + 1]) - best[1]) <= 1);
    found.push([median(near.map((i) => places[2 * i])), median(near.map((i) => places[2 * i + 1])), own.length]);
  }
  return found;
}

// The bin that has the most in it and its neighbours.
function fullest(bins, side) {
  let best = [0, 0], most = -1;
  for (let v = 0; v < side; v++) {
    for (let u = 0; u < side; u++) {
      let total = bins[u + side * v];
      for (let b = Math.max(0, v - 1); b <= Math.min(side - 1, v + 1); b++) {
        for (let a = Math.max(0, u - 1); a <= Math.min(side - 1, u + 1); a++) total += bins[a + side * b];
      }
      if (total > most) [best, most] = [[u, v], total];
    }
  }
  return best;
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}

function write(pen, frame, all = true) {
  pen.setTransform(frame.density, 0, 0, frame.density, 0, 0);
  if (all) pen.clearRect(0, 0, frame.wide, frame.tall);
  if (state.names && state.column?.names?.length <= WORDY) names(pen, frame);
  if (!all) return;
  for (const i of new Set([state.one, state.over])) if (i >= 0) ring(pen, frame, i);
  if (state.path) path(pen);
}

function names(pen, frame) {
  const column = state.column, t = eased(frame.morph), taken = [];
  column.middles ??= { map: middles(column, onMap.places), grid: cells && middles(column, onGrid.places) };
  pen.font = `${column.names.length > 12 ? "600 13" : "650 16"}px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif`;
  Object.assign(pen, { textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: 5 });
  Object.assign(pen, { strokeStyle: style("--ground"), fillStyle: style("--ink") });
  const order = column.names.map((_, code) => code).sort((a, b) => column.sizes[b] - column.sizes[a]);
  for (const code of order) {
    if (!column.sizes[code] || (state.filter.size && !state.filter.has(code))) continue;
    const [map, grid] = [column.middles.map[code], (column.middles.grid ?? column.middles.map)[code]];
    const [x, y] = toScreen(mixed(map[0], grid[0], t), mixed(map[1], grid[1], t));
    const words = brief(column.names[code]), half = pen.measureText(words).width / 2 + 3;
    const free = taken.every(([u, v, w]) => Math.abs(u - x) > w + half || Math.abs(v - y) > 17);
    if (!free || x < -half || y < -10 || x > frame.wide + half || y > frame.tall + 10) continue;
    taken.push([x, y, half]);
    pen.strokeText(words, x, y);
    pen.fillText(words, x, y);
  }
}

function brief(name) {
  const end = name.length > 30 && name.includes("/") ? name.slice(name.lastIndexOf("/") + 1) : name;
  return end.length > 30 ? `${end.slice(0, 29)}…` : end;
}

function ring(pen, frame, i) {
  const { places } = layout(), [x, y] = toScreen(places[2 * i], places[2 * i + 1]);
  if (state.morph !== Number(state.grid)) return;
  pen.beginPath();
  if (frame.thumbs > 0.5 && given.sheets.colour) stamp(pen, i, x - frame.side / 2, y - frame.side / 2, frame.side);
  if (frame.thumbs > 0.5) pen.rect(x - frame.side / 2 - 1, y - frame.side / 2 - 1, frame.side + 2, frame.side + 2);
  else pen.arc(x, y, frame.dot + 4, 0, 2 * Math.PI);
  for (const [width, colour] of [[4, style("--ground")], [2, style("--ink")]]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  }
}

function path(pen) {
  pen.beginPath();
  state.path.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fillStyle = "rgb(47 126 188 / .12)";
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = style("--right");
  pen.setLineDash([6, 4]);
  pen.stroke();
  pen.setLineDash([]);
}
