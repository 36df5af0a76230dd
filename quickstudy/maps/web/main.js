// Begins: puts the parts together and gives scripts a handle.

const THEMES = ["auto", "light", "dark"];
const darkness = matchMedia("(prefers-color-scheme: dark)");
let theme = "auto";

function themed(next) {
  theme = next;
  const dark = theme === "dark" || (theme === "auto" && darkness.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = { auto: "Theme", light: "Light", dark: "Dark" }[theme];
  mixDyes(dark);
  if (surface) repaint();
}

function furnish() {
  $("size").textContent = `${plural(count, given.sheets ? "picture" : "point")}`;
  $("quality").replaceChildren(...given.quality.map((line) => element("span", line)));
  $("quality").hidden = !given.quality.length;
  $("layouts").hidden = !cells;
  $("by").hidden = !columns.length;
  $("column").replaceChildren(...columns.map((column, k) => new Option(column.name, k)));
  canvas.setAttribute("aria-label", `${given.title}: a map of ${plural(count, "point")}. Arrow keys move, plus and minus zoom, N shows the next point, ? all keys.`);
}

function listen() {
  canvas.addEventListener("pointerdown", pressed);
  canvas.addEventListener("pointermove", moved);
  for (const event of ["pointerup", "pointercancel"]) canvas.addEventListener(event, released);
  canvas.addEventListener("pointerleave", () => { state.over = -1; redraw(); });
  canvas.addEventListener("wheel", wheeled, { passive: false });
  document.addEventListener("keydown", typed);
  new ResizeObserver(resized).observe(stage);
  darkness.addEventListener("change", () => themed(theme));
  const clicks = {
    "as-map": () => morph(false), "as-grid": () => morph(true), lasso: () => lassoing(!state.lasso),
    in: () => stepped(1.5), out: () => stepped(1 / 1.5), fit: () => lookAt(everything()), labels: () => named(!state.names),
    picture: () => poster(), theme: () => themed(THEMES[(THEMES.indexOf(theme) + 1) % 3]), keys: () => $("help").showModal(),
    export: exportChosen, near: () => lookAt(around(state.chosen)), clear: () => choose(null),
  };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  $("column").addEventListener("change", (event) => recolour(Number(event.target.value)));
  $("search").addEventListener("input", (event) => find(event.target.value));
  $("search").addEventListener("keydown", (event) => {
    const some = event.key === "Enter" && state.search ? inOrder() : [];
    if (some.length) lookAt(around(some));
  });
}

themed("auto");
surface = openSurface();
furnish();
listen();
recolour(0);
settle(given.grid);
state.morph = Number(given.grid);
state.eye = everything();
before = size();
const shelved = shelve();

// For scripts on the page: where a point is, what is shown, and how long frames took.
window.map = {
  ready: shelved, count, rows, state, frames, paint,
  at: (row) => { const i = rows.indexOf(row), { places } = layout(); return toScreen(places[2 * i], places[2 * i + 1]); },
  shown: () => inOrder().map((i) => rows[i]),
  chosen: () => (state.chosen ?? []).map((i) => rows[i]),
  moving: () => motion !== null,
  drawing: () => surface.constructor.name,
  eye: (x, y, factor) => { state.eye = { x, y, scale: everything().scale * factor }; redraw(); },
};
