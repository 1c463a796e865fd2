"use strict";
// Sort a table by a column: numbers by data-value, text by what it says; cells without a value stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.querySelector("tbody.rows");
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === (head.dataset.kind === "text" ? "ascending" : null)
      || (head.dataset.kind !== "text" && head.getAttribute("aria-sort") !== "descending");
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => {
      const cell = row.cells[column];
      if (head.dataset.kind === "text") return cell.textContent.trim();
      return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
    };
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([x], [y]) => {
      if (typeof x === "string") return (down ? -1 : 1) * x.localeCompare(y, undefined, { numeric: true });
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return down ? y - x : x - y;
    });
    body.append(...rows.map(([, row]) => row));
  }));
}
