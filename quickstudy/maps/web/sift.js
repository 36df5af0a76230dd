// Which points are shown: the legend, the range of a number, the search.

const LISTED = 400; // categories in the legend, at most
let lower = null; // names and categories in small letters, made when the search is first used

function searched() {
  lower ??= { ids: given.ids.map((id) => id.toLowerCase()), columns: columns.map((column) => column.names?.map((name) => name.toLowerCase())) };
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = lower.columns.map((names) => names && words.map((word) => names.map((name) => name.includes(word))));
  return (i) => words.every((word, w) => lower.ids[i].includes(word) || columns.some((column, c) => fits[c]?.[w][column.codes[i]]));
}

// Lights what is shown, anew.
function sift() {
  const { column, filter, range, preview } = state, found = state.search ? searched() : null;
  const chosen = state.chosen && new Set(state.chosen);
  let hits = 0, shown = 0;
  for (let i = 0; i < count; i++) {
    const matches = !found || found(i);
    hits += matches;
    lit[i] = Number(matches && allowed(column, i, filter, range) && (!chosen || chosen.has(i)));
    if (preview >= 0) lit[i] = Number(column.codes[i] === preview);
    shown += lit[i];
  }
  dim = shown < count;
  $("found").textContent = state.search ? `${thousands(hits)} found` : "";
  if (state.over >= 0 && !lit[state.over]) state.over = -1;
  surface.lighted();
  redraw();
}

function allowed(column, i, filter, range) {
  if (column?.names) return !filter.size || filter.has(column.codes[i]);
  return !range || (column.values[i] >= range[0] && column.values[i] <= range[1]);
}

function recolour(index) {
  Object.assign(state, { column: columns[index] ?? null, filter: new Set(), range: null, preview: -1 });
  legend();
  repaint();
}

function repaint() {
  dye(state.column);
  surface.dyed();
  redraw();
}

function legend() {
  $("legend").replaceChildren(...(state.column ? (state.column.names ? categories(state.column) : numbers(state.column)) : []));
  list();
  sift();
}

function categories(column) {
  const whole = element("ul");
  const buttons = column.names.slice(0, LISTED).map((name, code) => {
    const button = element("button"), item = element("li");
    button.append(swatch(look(code)), element("span", name), element("span", thousands(column.sizes[code]), "tally"));
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => toggle(code));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => button.matches(":hover, :focus-visible") && hint(code));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => hint(-1));
    item.append(button);
    whole.append(item);
    return button;
  });
  const all = element("button", "Show all", "all");
  all.hidden = true;
  all.addEventListener("click", () => toggle(-1));
  const toggle = (code) => {
    if (code < 0) state.filter.clear();
    else if (!state.filter.delete(code)) state.filter.add(code);
    if (state.filter.size === column.names.length) state.filter.clear();
    state.preview = -1;
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(state.filter.has(k))));
    whole.classList.toggle("some", state.filter.size > 0);
    all.hidden = !state.filter.size;
    tell(state.filter.size ? `${state.filter.size} of ${plural(column.names.length, "category").replace("categorys", "categories")} shown` : "All shown");
    sift();
  };
  const rest = column.names.length - buttons.length;
  return rest ? [whole, element("p", `and ${thousands(rest)} more, which the search finds`, "note"), all] : [whole, all];
}

let hinting = 0;

// Lights one category for as long as the pointer, or the focus, is on it.
function hint(code) {
  clearTimeout(hinting);
  hinting = setTimeout(() => {
    const next = state.filter.size ? -1 : code;
    if (next === state.preview) return;
    state.preview = next;
    sift();
  }, 120);
}

function numbers(column) {
  const [low, high] = span(column), strip = element("div", "", "ramp");
  strip.style.background = `linear-gradient(to right, ${stops.map((_, k) => `var(--ramp${k})`).join(", ")})`;
  const ends = element("div", "", "ends note"), range = element("div", "", "range");
  ends.append(element("span", short(low)), element("span", short(high)));
  const sliders = [["from", 0], ["to", 1000]].map(([word, value]) => {
    const slider = element("input");
    Object.assign(slider, { type: "range", min: 0, max: 1000, value });
    slider.setAttribute("aria-label", `${column.name} ${word}`);
    slider.addEventListener("input", () => narrowed(column, sliders));
    range.append(element("span", word, "note"), slider);
    return slider;
  });
  return [strip, ends, range];
}

function narrowed(column, sliders) {
  const [low, high] = span(column), [from, to] = sliders.map((slider) => low + (slider.value / 1000) * (high - low));
  sliders.forEach((slider, k) => slider.setAttribute("aria-valuetext", short([from, to][k])));
  const whole = Number(sliders[0].value) === 0 && Number(sliders[1].value) === 1000;
  state.range = whole ? null : [Math.min(from, to), Math.max(from, to)];
  tell(state.range ? `${column.name} from ${short(state.range[0])} to ${short(state.range[1])}` : "All shown");
  sift();
}
