// What is chosen, and one point with its neighbours: panels, and the export as CSV.

const STRIP = 48, NEAR = 12; // thumbnails in the panels

function element(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function tell(text) {
  $("told").textContent = text;
}

function choose(some) {
  state.chosen = some && some.length ? some.slice().sort((a, b) => rows[a] - rows[b]) : null;
  tell(state.chosen ? `${plural(some.length, "point")} chosen` : "Nothing chosen");
  list();
  sift();
}

// All points that the legend and the search leave.
function chooseShown() {
  choose(Array.from(lit.keys()).filter((i) => lit[i]));
}

function list() {
  const { chosen, column } = state;
  $("chosen").hidden = !chosen;
  if (!chosen) return;
  $("many").textContent = `${plural(chosen.length, "point")} chosen`;
  $("shares").replaceChildren(...(column?.names ? shares(column, chosen) : []));
  $("strip").replaceChildren(...strip(chosen.slice(0, STRIP)));
}

function shares(column, some) {
  const tally = new Map();
  for (const i of some) tally.set(column.codes[i], (tally.get(column.codes[i]) ?? 0) + 1);
  const order = [...tally].sort((a, b) => b[1] - a[1]).slice(0, 6);
  return order.map(([code, number]) => {
    const item = element("li");
    item.append(swatch(look(code)), element("span", column.names[code]), element("b", thousands(number)));
    return item;
  });
}

function strip(some) {
  if (!given.sheets) return [];
  return some.map((i) => {
    const button = element("button");
    button.append(thumb(i, 34));
    button.title = given.ids[i];
    button.setAttribute("aria-label", given.ids[i]);
    button.addEventListener("click", () => pin(i, true));
    return button;
  });
}

// Shows one point and its neighbours in the panel; come: the eye goes there.
function pin(i, come = false) {
  state.one = i;
  $("one").hidden = i < 0;
  if (i < 0) return redraw();
  const near = neighbours(i, NEAR), row = element("div", "", "strip");
  const words = near.length ? `nearest on the ${state.grid ? "grid" : "map"}` : "";
  row.append(...strip(near));
  const close = element("button", "Close");
  close.addEventListener("click", () => pin(-1));
  $("one").replaceChildren(...described(i, 112), element("p", words, "note"), row, close);
  tell(`${given.ids[i]}, ${columns.map((column) => `${column.name} ${told(column, i)}`).join(", ")}`);
  if (come) lookAt(toward(i));
  redraw();
}

// The eye moved to a point, near enough to see it.
function toward(i) {
  const { places } = layout(), close = 34 / spacing[state.grid ? "grid" : "map"];
  return { x: places[2 * i], y: places[2 * i + 1], scale: Math.min(limits()[1], Math.max(state.eye.scale, close)) };
}

// The next point, or the one before, of those shown, in the order of the rows.
function walk(step) {
  const order = inOrder(), at = state.one < 0 ? (step > 0 ? -1 : 0) : order.indexOf(state.one);
  if (order.length) pin(order[(at + step + order.length) % order.length], true);
}

function inOrder() {
  return Array.from(lit.keys()).filter((i) => lit[i]).sort((a, b) => rows[a] - rows[b]);
}

function described(i, side) {
  const facts = element("dl", "", "facts");
  for (const column of columns) facts.append(element("dt", column.name), element("dd", told(column, i)));
  return [...(given.sheets ? [thumb(i, side)] : []), element("p", given.ids[i], "what"), facts];
}

let carded = -1;

function placeCard() {
  const card = $("card"), i = state.over;
  card.hidden = i < 0;
  if (i < 0) return;
  if (carded !== i) card.replaceChildren(...described(i, 96));
  carded = i;
  const { places } = layout(), { wide, tall } = size(), [x, y] = toScreen(places[2 * i], places[2 * i + 1]);
  const [w, h] = [card.offsetWidth, card.offsetHeight];
  const off = 14 + (between() > 15 && given.sheets ? 0.5 * between() : 4);
  const left = x + off + w < wide ? x + off : Math.max(4, x - off - w);
  card.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.min(Math.max(4, y - h / 2), Math.max(4, tall - h - 4)))}px)`;
}

function slug() {
  return given.title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "map";
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A table of these points: row, name, columns, place on the map, row and column of the grid.
function csv(some) {
  const head = ["row", "id", ...columns.map((column) => column.name), "x", "y", ...(cells ? ["grid row", "grid column"] : [])];
  const lines = some.map((i) => [
    rows[i], given.ids[i],
    ...columns.map((column) => (column.names ? column.names[column.codes[i]] : Number.isNaN(column.values[i]) ? "" : column.values[i])),
    points[2 * i], points[2 * i + 1], ...(cells ? [cells[2 * i], cells[2 * i + 1]] : []),
  ]);
  return [head, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function download(blob, name) {
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function exportChosen() {
  if (!state.chosen) return tell("Nothing is chosen; draw around points with the lasso");
  download(new Blob(["\ufeff", csv(state.chosen)], { type: "text/csv" }), `${slug()}-${state.chosen.length}.csv`);
  tell(`${plural(state.chosen.length, "row")} exported`);
}
