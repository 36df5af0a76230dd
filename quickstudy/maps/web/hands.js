// Pointers, wheel and keys.

const down = new Map(); // pointers on the map: where each is
let begun = null; // where the first one came down, and whether it has moved

function spot(event) {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function pressed(event) {
  if (event.button > 0) return;
  canvas.setPointerCapture(event.pointerId);
  down.set(event.pointerId, spot(event));
  halt();
  if (down.size > 1) return void (state.path = null);
  begun = { at: spot(event), moved: false, lasso: state.lasso || event.shiftKey };
  if (begun.lasso) state.path = [spot(event)];
}

function moved(event) {
  const now = spot(event), before = down.get(event.pointerId);
  if (!before) return hover(...now, event.pointerType);
  if (down.size > 1) pinch(event.pointerId, now);
  else if (Math.hypot(now[0] - begun.at[0], now[1] - begun.at[1]) > 4 || begun.moved) dragged(before, now);
  down.set(event.pointerId, now);
}

function dragged(before, now) {
  if (!begun.moved) before = begun.lasso ? before : begun.at;
  begun.moved = true;
  state.over = -1;
  if (begun.lasso) state.path?.push(now);
  else pan(now[0] - before[0], now[1] - before[1]);
  canvas.classList.toggle("moving", !begun.lasso);
  redraw();
}

// Two fingers: what is between them stays between them.
function pinch(id, now) {
  begun.moved = true;
  const [, other] = [...down].find(([key]) => key !== id), before = down.get(id);
  const apart = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
  const middle = (a) => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
  const [from, to] = [middle(before), middle(now)];
  zoom(apart(now) / apart(before), ...from);
  pan(to[0] - from[0], to[1] - from[1]);
}

function released(event) {
  if (!down.delete(event.pointerId)) return;
  canvas.classList.remove("moving");
  if (down.size || event.type === "pointercancel") return void (state.path = null);
  const polygon = state.path?.map(([x, y]) => toWorld(x, y));
  state.path = null;
  if (begun.lasso && begun.moved) {
    choose(inside(polygon));
    lassoing(false);
  } else if (!begun.moved) {
    hover(...spot(event), "mouse");
    pin(state.over === state.one ? -1 : state.over);
    if (event.pointerType === "touch") state.over = -1;
  }
  redraw();
}

function hover(px, py, kind) {
  if (kind === "touch" || motion) return;
  const reach = Math.max(10, 0.7 * between() * Number(Boolean(given.sheets)));
  const over = nearest(...toWorld(px, py), Math.min(reach, 120) / state.eye.scale);
  canvas.classList.toggle("over", over >= 0);
  if (over === state.over) return;
  state.over = over;
  redraw();
}

function lassoing(on) {
  state.lasso = on;
  $("lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("lasso", on);
}

function wheeled(event) {
  event.preventDefault();
  halt();
  const lines = event.deltaMode === 1 ? 24 : event.deltaMode === 2 ? 400 : 1;
  const turned = Math.max(-240, Math.min(240, event.deltaY * lines));
  zoom(Math.exp(-turned * (event.ctrlKey ? 0.01 : 0.0022)), ...spot(event));
  hover(...spot(event), "mouse");
}

const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEYS = {
  "+": () => stepped(1.5), "=": () => stepped(1.5), "-": () => stepped(1 / 1.5), 0: () => lookAt(everything()),
  g: () => morph(!state.grid), l: () => lassoing(!state.lasso), a: chooseShown, e: exportChosen, n: () => walk(1), p: () => walk(-1),
  t: () => named(!state.names), "/": () => $("search").focus(), "?": () => $("help").showModal(), Escape: giveUp,
};

function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const writing = event.target.matches("input[type=search], select, input[type=range]");
  if (event.key === "Escape" && writing) event.target.blur();
  if (writing && event.key !== "Escape") return;
  const step = event.target === canvas || event.target === document.body ? MOVES[event.key] : null;
  const act = step ? () => pan(60 * step[0], 60 * step[1]) : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function named(on) {
  state.names = on;
  $("labels").setAttribute("aria-pressed", String(on));
  redraw();
}

// Gives up the last thing that was asked: the lasso, one point, the choice, the search, the filter.
function giveUp() {
  if (state.lasso || state.path) return lassoing(false);
  if (state.one >= 0) return pin(-1);
  if (state.chosen) return choose(null);
  if (state.search) return void (($("search").value = ""), find(""));
  recolour(columns.indexOf(state.column));
}

function find(text) {
  state.search = text.trim();
  sift();
}
