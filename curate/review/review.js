// The state of a review and its keys. Texts reach the page as text only, never as markup.
import { Grid } from "./grid.js";
import { FilmView } from "./film.js";
import { describe, make, MARKS } from "./tools.js";

const $ = (id) => document.getElementById(id);
const state = { items: [], films: [], shown: [], at: 0, flag: "", outcome: "", past: [], unsaved: 0,
  saving: Promise.resolve() };

async function ask(place, options) {
  const answer = await fetch(place, options);
  const type = answer.headers.get("Content-Type") || "";
  const value = type.startsWith("application/json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(value.detail ? `${value.path || ""} ${value.detail}` : value);
  return value;
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

function say(text) { $("said").textContent = text; }

// Which items the filters show, in the order of the list; the selected one stays selected where it is among them.
function filter(keep = state.shown[state.at]) {
  state.shown = state.items.filter((item) =>
    (!state.flag || item.name === state.flag) && (!state.outcome || item.outcome === state.outcome));
  const at = state.shown.indexOf(keep);
  state.at = at >= 0 ? at : Math.max(0, Math.min(state.at, state.shown.length - 1));
  const words = new URLSearchParams();
  if (state.flag) words.set("flag", state.flag);
  if (state.outcome) words.set("show", state.outcome);
  history.replaceState(null, "", `#${words}`);
  draw();
}

function fromAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  state.flag = state.items.some((i) => i.name === words.get("flag")) ? words.get("flag") : "";
  state.outcome = words.get("show") in MARKS ? words.get("show") : "";
  filter(null);
}

function counts() {
  const none = () => ({ all: 0, accepted: 0, rejected: 0, undecided: 0 });
  const total = none(), flags = new Map();
  for (const item of state.items) {
    if (!flags.has(item.name)) flags.set(item.name, none());
    for (const sum of [total, flags.get(item.name)]) { sum.all += 1; sum[item.outcome] += 1; }
  }
  return { total, flags };
}

function chip(text, count, pressed, press) {
  const button = make("button", { type: "button", "aria-pressed": pressed }, `${text} `, make("small", {}, count));
  button.addEventListener("click", press);
  return button;
}

function chips({ total, flags }) {
  const done = (c) => c.accepted + c.rejected;
  $("flags").replaceChildren(
    chip("all flags", `${done(total)}/${total.all}`, state.flag === "", () => { state.flag = ""; filter(); }),
    ...[...flags].map(([name, c]) =>
      chip(name, `${done(c)}/${c.all}`, state.flag === name, () => { state.flag = name; filter(null); })));
  const here = flags.get(state.flag) || total;
  const kinds = [["", "all", here.all], ["undecided", "undecided", here.undecided],
    ["accepted", "✓ accepted", here.accepted], ["rejected", "✕ rejected", here.rejected]];
  $("outcomes").replaceChildren(...kinds.map(([kind, text, count]) =>
    chip(text, count, state.outcome === kind, () => { state.outcome = kind; filter(); })));
}

function head({ total }) {
  const done = total.accepted + total.rejected;
  $("counts").textContent =
    `${done} of ${total.all} decided: ${total.accepted} accepted, ${total.rejected} rejected`;
  $("progress").setAttribute("aria-valuemax", total.all);
  $("progress").setAttribute("aria-valuenow", done);
  $("progress").firstChild.style.width = `${(100 * total.accepted) / (total.all || 1)}%`;
  $("progress").lastChild.style.width = `${(100 * total.rejected) / (total.all || 1)}%`;
  $("undo").disabled = !state.past.length;
}

function draw() {
  const all = counts();
  head(all);
  chips(all);
  $("empty").hidden = state.shown.length > 0;
  $("empty").textContent = all.total.undecided ? "No film here fits these filters." : "Every flag is decided.";
  grid.show(state.shown, state.at);
  film.show(state.shown[state.at], state.at, state.shown.length);
}

function go(at, focus = true) {
  if (!state.shown.length) return;
  state.at = Math.max(0, Math.min(at, state.shown.length - 1));
  grid.select(state.at, focus && !film.open);
  film.show(state.shown[state.at], state.at, state.shown.length);
  if (film.open) say(describe(state.shown[state.at], state.films));
}

function undecidedAfter(at) {
  const round = [...state.shown.slice(at + 1), ...state.shown.slice(0, at)];
  return state.shown.indexOf(round.find((i) => i.outcome === "undecided"));
}

// Shown at once as being saved, and taken back with a word if the disk or the process did not take it: one decision
// after the other, in the order in which they were made.
function set(item, outcome) {
  const before = { outcome: item.outcome, by: item.by, at: item.at, stale: item.stale };
  Object.assign(item, { outcome, by: state.reviewer, at: null, stale: null, saving: true });
  const body = JSON.stringify({ item: item.number, outcome });
  state.unsaved += 1;
  state.saving = state.saving
    .then(() => ask("decide", { method: "POST", headers: { "Content-Type": "application/json" }, body }))
    .then((now) => {
      if (now.outcome === item.outcome) Object.assign(item, now, { saving: false }); // else another one is on its way
      trouble("");
      grid.refresh(item);
      film.refresh(item);
    })
    .catch((error) => {
      Object.assign(item, before, { saving: false });
      state.past = state.past.filter((step) => step.item !== item);
      trouble(`Not saved: ${item.name} on ${state.films[item.film].id}. ${error.message}. `
        + "Is curate review still running?");
      draw();
    })
    .finally(() => { state.unsaved -= 1; });
}

addEventListener("beforeunload", (event) => { if (state.unsaved) event.preventDefault(); });

function decide(outcome) {
  const item = state.shown[state.at];
  if (!item) return;
  if (item.outcome !== outcome) {
    state.past.push({ item, outcome: item.outcome });
    set(item, outcome);
  }
  say(`${outcome}: ${item.name} on ${state.films[item.film].id}`);
  const onward = undecidedAfter(state.at);
  const next = onward >= 0 ? state.shown[onward] : state.shown[Math.min(state.at + 1, state.shown.length - 1)];
  filter(next);
  go(state.at);
}

function undo() {
  const step = state.past.pop();
  if (!step) return;
  set(step.item, step.outcome);
  if (!state.shown.includes(step.item)) Object.assign(state, { flag: "", outcome: "" });
  filter(step.item);
  go(state.at);
  say(`taken back: ${describe(step.item, state.films)}`);
}

const grid = new Grid($("grid"), state, {
  select: (at) => go(at), open: (at) => { go(at); film.enter(); film.show(state.shown[state.at], at, state.shown.length); },
});
const film = new FilmView(state, {
  ask, decide, undo, move: (step) => go(state.at + step), left: () => grid.select(state.at, true),
  jump: (item) => { if (!state.shown.includes(item)) Object.assign(state, { flag: "", outcome: "" }); filter(item); go(state.at); },
});

const KEYS = {
  a: () => decide("accepted"), r: () => decide("rejected"), u: undo,
  j: () => go(state.at + 1), ArrowRight: () => go(state.at + 1),
  k: () => go(state.at - 1), ArrowLeft: () => go(state.at - 1),
  ArrowDown: () => go(film.open ? state.at + 1 : grid.below(state.at, 1)),
  ArrowUp: () => go(film.open ? state.at - 1 : grid.below(state.at, -1)),
  Home: () => go(0), End: () => go(state.shown.length - 1),
  n: () => { const at = undecidedAfter(state.at); if (at >= 0) go(at); },
  p: () => film.toggle("show-bones"), e: () => film.toggle("show-evidence"), z: () => film.zoom(),
  "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || !state.items.length) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const card = event.target.closest?.(".card");
  if (key === "Enter" && (card || event.target === document.body || event.target.id === "grid") && !film.open) {
    film.enter();
    go(state.at);
  } else if (KEYS[key]) {
    KEYS[key]();
  } else return;
  event.preventDefault();
});
$("undo").addEventListener("click", undo);
$("help-open").addEventListener("click", () => $("help").showModal());

try {
  Object.assign(state, await ask("state"));
  state.items.forEach((item, number) => { item.number = number; });
  $("version").textContent = [state.name, state.version].filter(Boolean).join(" ");
  document.title = `${state.version}: review`;
  fromAddress();
  addEventListener("hashchange", fromAddress); // an address typed or followed while the page is open
  const first = state.shown.findIndex((i) => i.outcome === "undecided");
  go(Math.max(0, first));
  document.body.dataset.ready = "yes";
} catch (error) {
  trouble(`The films cannot be listed: ${error.message}`);
}
