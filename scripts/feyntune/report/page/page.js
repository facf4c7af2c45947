"use strict";
// A click on a column's title sorts the table: by number where both cells begin with one, else by text; dashes come last.
function numberIn(text) {
  const found = text.replace(/,/g, "").match(/^<?\s*[-−]?\d+(\.\d+)?/);
  return found ? parseFloat(found[0].replace("−", "-").replace("<", "")) : NaN;
}
function compare(one, other) {
  const [a, b] = [numberIn(one), numberIn(other)];
  if (!isNaN(a) && !isNaN(b)) return a - b;
  return one.localeCompare(other);
}
function sortBy(table, header, column) {
  const falling = header.getAttribute("aria-sort") === "ascending";
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const text = (row) => row.cells[column].textContent.trim();
  const missing = (row) => text(row) === "–";
  rows.sort((one, other) =>
    missing(one) - missing(other) || (falling ? -1 : 1) * compare(text(one), text(other)));
  body.append(...rows);
}
for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, header, column));
    header.append(button);
  });
}
