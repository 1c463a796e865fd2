// The grid: only the cards in sight are in the page, so that five thousand films scroll like fifty.
import { describe, evidence, make, MARKS, polygons } from "./tools.js";

const LEAST = 190, GAP = 12, TEXT = 108, AHEAD = 500;

export class Grid {
  constructor(root, state, on) {
    Object.assign(this, { root, state, on, items: [], at: 0, cards: new Map(), across: 1, edge: LEAST });
    let asked = 0;
    const soon = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(() => this.paint()); };
    addEventListener("scroll", soon, { passive: true });
    new ResizeObserver(() => { this.layout(); this.paint(); }).observe(root);
  }

  show(items, at) {
    const same = items.length === this.items.length && items.every((item, k) => item === this.items[k]);
    Object.assign(this, { items, at });
    if (!same) this.layout();
    this.paint();
    for (const [k, card] of this.cards) this.dress(card, items[k], k);
  }

  layout() {
    const width = this.root.clientWidth;
    this.across = Math.max(1, Math.floor((width + GAP) / (LEAST + GAP)));
    this.edge = (width - GAP * (this.across - 1)) / this.across;
    this.root.style.height = `${Math.ceil(this.items.length / this.across) * this.pitch}px`;
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
  }

  get pitch() { return this.edge + TEXT + GAP; }

  paint() {
    const top = this.root.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((-top - AHEAD) / this.pitch)) * this.across;
    const last = Math.min(this.items.length, Math.ceil((innerHeight - top + AHEAD) / this.pitch) * this.across);
    for (const [k, card] of this.cards) {
      if ((k < first || k >= last) && card !== document.activeElement) { card.remove(); this.cards.delete(k); }
    }
    for (let k = first; k < last; k += 1) if (!this.cards.has(k)) this.cards.set(k, this.card(k));
  }

  card(k) {
    const item = this.items[k], film = this.state.films[item.film];
    const picture = make("div", { class: "picture" });
    const img = make("img", { src: `thumb/${item.film}`, alt: "", decoding: "async", draggable: "false" });
    img.addEventListener("error", () => this.fault(picture, item.film), { once: true });
    const over = make("svg", { viewBox: `-0.5 -0.5 ${film.w} ${film.h}`, "aria-hidden": "true" });
    const bones = make("g", { class: "bones" });
    over.append(bones, ...evidence(item.where));
    picture.append(img, over);
    if (item.name.startsWith("label-")) this.sketch(bones, item.film);
    const card = make("div", { class: "card", role: "option", "aria-posinset": k + 1, title: `${film.id}\n${item.why}` }, picture,
      make("div", { class: "line" }, make("b", {}, item.name), make("span", { class: "mark" })),
      make("div", { class: "line" }, make("span", { class: "name" }, film.id), make("span", {}, item.score.toFixed(2))),
      make("p", { class: "why" }, item.why));
    const left = (k % this.across) * (this.edge + GAP), top = Math.floor(k / this.across) * this.pitch;
    card.style.cssText = `left:${left}px;top:${top}px;width:${this.edge}px;height:${this.edge + TEXT}px`;
    card.addEventListener("click", () => this.on.select(k));
    card.addEventListener("dblclick", () => this.on.open(k));
    this.dress(card, item, k);
    this.root.append(card);
    return card;
  }

  // What changes with a decision or a move.
  dress(card, item, k) {
    const mark = card.querySelector(".mark");
    mark.className = `mark ${item.outcome}`;
    mark.textContent = item.saving ? "… saving" : item.stale ? "? older answer" : `${MARKS[item.outcome]} ${item.outcome}`;
    card.classList.toggle("decided", item.outcome !== "undecided");
    card.setAttribute("aria-label", describe(item, this.state.films));
    card.setAttribute("aria-setsize", this.items.length);
    card.setAttribute("aria-selected", k === this.at);
    card.tabIndex = k === this.at ? 0 : -1;
  }

  refresh(item) {
    for (const [k, card] of this.cards) if (this.items[k] === item) this.dress(card, item, k);
  }

  // A flag on labels shows the labels; where they cannot be read the film says so at full size.
  async sketch(bones, number) {
    const answer = await fetch(`sketch/${number}`).catch(() => null);
    if (answer?.ok) bones.append(...polygons(await answer.json(), this.state.classes));
  }

  async fault(picture, number) {
    const answer = await fetch(`thumb/${number}`).catch(() => null);
    const value = answer && !answer.ok ? await answer.json().catch(() => null) : null;
    picture.replaceChildren(make("p", { class: "fault" }, value ? `${value.path} ${value.detail}` : "cannot be shown"));
  }

  // The index a row further down or up, in the same column as far as that row goes.
  below(k, step) {
    const rows = Math.ceil(this.items.length / this.across), row = Math.floor(k / this.across) + step;
    return row < 0 || row >= rows ? k : Math.min(k + step * this.across, this.items.length - 1);
  }

  select(at, focus) {
    const old = this.at;
    this.at = at;
    if (!this.items[at]) return;
    const head = document.querySelector("header").offsetHeight, high = this.edge + TEXT;
    const top = this.root.getBoundingClientRect().top + Math.floor(at / this.across) * this.pitch;
    if (top < head) scrollBy(0, top - head - 10);
    else if (top + high > innerHeight) scrollBy(0, top + high - innerHeight + 10);
    this.paint();
    for (const k of [old, at]) if (this.cards.has(k) && this.items[k]) this.dress(this.cards.get(k), this.items[k], k);
    if (focus) this.cards.get(at)?.focus({ preventScroll: true });
  }
}
