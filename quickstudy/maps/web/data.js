// What the page was given: points, cells of the grid, columns, names.

const $ = (id) => document.getElementById(id);
const given = JSON.parse($("given").textContent);
const count = given.count;
const points = array(Float32Array, given.points); // x, y of each point, y upwards
const cells = given.cells && array(Uint16Array, given.cells); // row, column of each point
const rows = array(Uint32Array, given.rows); // which row of the data each point is
const columns = given.columns.map(opened);

function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

function array(Kind, base64) {
  return new Kind(bytes(base64).buffer);
}

function opened(column) {
  if (!column.names) return { name: column.name, values: array(Float32Array, column.values) };
  const codes = array(column.bits === 16 ? Uint16Array : Uint32Array, column.codes);
  const sizes = new Uint32Array(column.names.length);
  for (const code of codes) sizes[code]++;
  return { name: column.name, names: column.names, codes, sizes };
}

// What a column says of a point, in words.
function told(column, i) {
  if (column.names) return column.names[column.codes[i]];
  const value = column.values[i];
  return Number.isNaN(value) ? "unknown" : short(value);
}

function short(value) {
  return String(Number(value.toPrecision(5)));
}

function thousands(value) {
  return value.toLocaleString("en");
}

function plural(number, what) {
  return `${thousands(number)} ${what}${number === 1 ? "" : "s"}`;
}
