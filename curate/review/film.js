// One film at full size: evidence and polygons over it, zoom, the other film of a pair beside it.
import { evidence, make, MARKS, polygons } from "./tools.js";

const $ = (id) => document.getElementById(id);

class Stage {
  constructor(film, number, where, ask, classes, beside) {
    Object.assign(this, { film, number, where, ask, classes });
    this.svg = make("svg", { role: "img", "aria-label": film.id, preserveAspectRatio: "xMidYMid meet" });
    const picture = make("image", { href: `film/${number}`, x: -0.5, y: -0.5, width: film.w, height: film.h });
    this.bones = make("g", { class: "bones" });
    this.box = make("g", {}, ...evidence(where));
    this.svg.append(picture, this.bones, this.box);
    this.root = make("figure", {}, this.svg, make("figcaption", {}, beside ? `compared with ${film.id}` : film.id));
    picture.addEventListener("error", () => this.fault("film"), { once: true });
    this.whole();
    this.pointer();
  }

  async fault(place) {
    const text = await this.ask(`${place}/${this.number}`).then(() => "cannot be shown", (error) => error.message);
    this.root.append(make("p", { class: "fault" }, text));
  }

  set(x, y, w, h) {
    this.view = [x, y, w, h];
    this.svg.setAttribute("viewBox", this.view.join(" "));
    this.letters();
  }

  // Names keep their size on the screen however near one looks.
  letters() {
    const box = this.svg.getBoundingClientRect(), [, , w, h] = this.view;
    if (box.width) this.bones.style.fontSize = `${12 * Math.max(w / box.width, h / box.height)}px`;
  }

  whole() { this.set(-0.5, -0.5, this.film.w, this.film.h); this.near = false; }

  zoom() {
    if (this.near || !this.where) { if (this.near) this.whole(); else this.by(0.5); return; }
    const [x0, y0, x1, y1] = this.where, edge = Math.max(x1 - x0, y1 - y0, 40) * 1.8;
    this.set((x0 + x1 - edge) / 2, (y0 + y1 - edge) / 2, edge, edge);
    this.near = true;
  }

  by(factor, at = null) {
    const [x, y, w, h] = this.view, cx = at ? at.x : x + w / 2, cy = at ? at.y : y + h / 2;
    const least = 24 / Math.max(w, h), most = (2 * Math.max(this.film.w, this.film.h)) / Math.max(w, h);
    const f = Math.min(Math.max(factor, least), most);
    this.set(cx - (cx - x) * f, cy - (cy - y) * f, w * f, h * f);
    this.near = true;
  }

  place(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
  }

  pointer() {
    let from = null;
    this.svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.by(event.deltaY > 0 ? 1.2 : 1 / 1.2, this.place(event));
    }, { passive: false });
    this.svg.addEventListener("pointerdown", (event) => {
      from = this.place(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const here = this.place(event), [x, y, w, h] = this.view;
      this.set(x + from.x - here.x, y + from.y - here.y, w, h);
      this.near = true;
    });
    for (const kind of ["pointerup", "pointercancel"]) this.svg.addEventListener(kind, () => { from = null; });
  }

  async outlines(on) {
    this.bones.style.display = on ? "" : "none";
    this.letters();
    if (!on || this.asked || !this.film.labelled) return;
    this.asked = true;
    try {
      const shapes = await this.ask(`outlines/${this.number}`);
      const names = shapes.map(({ label, at: [x, y] }) => make("text", { x, y }, label));
      this.bones.append(...polygons(shapes, this.classes), ...names);
    } catch (error) {
      this.root.append(make("p", { class: "fault" }, error.message));
    }
  }
}

export class FilmView {
  constructor(state, on) {
    Object.assign(this, { state, on, stages: [], item: null });
    this.root = $("film");
    const clicks = { accept: () => on.decide("accepted"), reject: () => on.decide("rejected"),
      previous: () => on.move(-1), next: () => on.move(1), close: () => this.root.close(), zoom: () => this.zoom() };
    for (const [id, work] of Object.entries(clicks)) $(id).addEventListener("click", work);
    for (const id of ["show-bones", "show-evidence"]) $(id).addEventListener("change", () => this.layers());
    this.root.addEventListener("close", () => { $("stages").replaceChildren(); this.item = null; on.left(); });
  }

  get open() { return this.root.open; }

  enter() {
    if (this.open) return;
    this.root.showModal();
    this.root.focus(); // and not a button: a second Enter must not decide
  }

  toggle(id) { if (this.open && !$(id).disabled) { $(id).checked = !$(id).checked; this.layers(); } }

  zoom() { if (this.open) this.stages.forEach((stage) => stage.zoom()); }

  layers() {
    const bones = $("show-bones").checked;
    for (const stage of this.stages) {
      stage.outlines(bones);
      stage.box.style.display = $("show-evidence").checked ? "" : "none";
    }
  }

  show(item, at, of) {
    if (!this.open) return;
    if (!item) { this.root.close(); return; }
    const fresh = item !== this.item;
    this.item = item;
    const { films, classes } = this.state, film = films[item.film];
    if (fresh) {
      this.stages = [new Stage(film, item.film, item.where, this.on.ask, classes, false)];
      if (item.partner !== null) {
        this.stages.push(new Stage(films[item.partner], item.partner, null, this.on.ask, classes, true));
      }
      $("stages").replaceChildren(...this.stages.map((stage) => stage.root));
      const next = this.state.shown[at + 1];
      if (next) new Image().src = `film/${next.film}`; // the next one is there when it is asked for
    }
    if (item.name.startsWith("label-") && fresh) $("show-bones").checked = true;
    $("show-bones").disabled = !this.stages.some((stage) => stage.film.labelled);
    $("film-count").textContent = `${at + 1} of ${of} shown`;
    $("film-title").textContent = item.name;
    const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("i"), make("b"));
    bar.firstChild.style.width = `${100 * item.score}%`;
    bar.lastChild.style.left = `${100 * item.threshold}%`;
    $("film-score").replaceChildren(`score ${item.score.toFixed(2)}, raised from ${item.threshold}`, bar);
    $("film-why").textContent = item.why;
    const facts = [["film", film.id], ["patient", film.group], ["fold", film.fold], ["side", film.side || "unknown"],
      ["size", `${film.w} × ${film.h}`], ["labels", film.labelled ? "yes" : "none"], ["file", film.image || "none"]];
    $("film-facts").replaceChildren(...facts.flatMap(([a, b]) => [make("dt", {}, a), make("dd", {}, b)]));
    $("film-others").replaceChildren(...this.state.items
      .filter((other) => other.film === item.film && other !== item)
      .map((other) => {
        const button = make("button", { type: "button" },
          `also ${other.name} ${other.score.toFixed(2)} (${other.outcome})`);
        button.addEventListener("click", () => this.on.jump(other));
        return make("li", {}, button);
      }));
    this.refresh(item);
    this.layers();
  }

  refresh(item) {
    if (!this.open || item !== this.item) return;
    const said = item.saving ? ", saving" : item.outcome === "undecided" ? "" : `, ${item.by}, ${item.at}`;
    $("film-outcome").className = `outcome ${item.outcome}`;
    $("film-outcome").textContent = `${MARKS[item.outcome]} ${item.outcome}${said}`
      + (item.stale ? `; an older answer was ${item.stale}: look again` : "");
    $("accept").setAttribute("aria-pressed", item.outcome === "accepted");
    $("reject").setAttribute("aria-pressed", item.outcome === "rejected");
  }
}
