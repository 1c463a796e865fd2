// What the scripts of the page share.
export const MARKS = { accepted: "✓", rejected: "✕", undecided: "·" };

export function make(tag, about = {}, ...inside) {
  const svg = ["svg", "rect", "path", "g", "image", "title", "text"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(about)) if (value !== null) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

export function describe(item, films) {
  return `${item.name} ${item.score.toFixed(2)}, ${films[item.film].id}, ${item.outcome}`;
}

// A box of the film's own pixels, bright with a dark rim so that it shows on bone and on empty film.
export function evidence(where) {
  if (!where) return [];
  const [x0, y0, x1, y1] = where;
  const about = { x: x0, y: y0, width: Math.max(x1 - x0, 1), height: Math.max(y1 - y0, 1) };
  return [make("rect", { class: "halo", ...about }), make("rect", { class: "where", ...about })];
}

// Outlines in the colours of their classes: hues a golden angle apart, so that neighbours in the list differ.
export function polygons(shapes, classes) {
  return shapes.map(({ label, path }) => {
    const hue = (Math.max(0, classes.indexOf(label)) * 222.5) % 360;
    return make("path", { d: path, stroke: `hsl(${hue} 90% 62%)` }, make("title", {}, label));
  });
}
