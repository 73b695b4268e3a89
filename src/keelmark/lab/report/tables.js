"use strict";

/* Tables that sort, and cases that open to their working. */

/** Rows of a table, each with whatever detail belongs to it: one `tbody` each, or one `tr` each. */
function groups(table) {
  const bodies = [...table.tBodies];
  return bodies.length > 1 || table.dataset.grouped !== undefined ? bodies : [...bodies[0].rows];
}

function sortKey(group, column) {
  const row = group.rows ? group.rows[0] : group;
  const cell = row.cells[column];
  const number = cell.dataset.sort;
  return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
}

function sortBy(table, header) {
  const column = header.cellIndex;
  const before = header.getAttribute("aria-sort");
  const rows = groups(table);
  const numeric = rows.length > 0 && typeof sortKey(rows[0], column) === "number";
  const down = before ? before !== "descending" : numeric;
  const parent = rows[0]?.parentNode;
  const keyed = rows.map((row) => [sortKey(row, column), row]);
  const order = (a, b) => (Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : a < b ? -1 : a > b ? 1 : 0);
  keyed.sort(([a], [b]) =>
    down && !Number.isNaN(a) && !Number.isNaN(b) ? order(b, a) : order(a, b),
  );
  keyed.forEach(([, row]) => parent.append(row));
  for (const other of table.tHead.querySelectorAll("[aria-sort]"))
    other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
}

for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => sortBy(button.closest("table"), button.closest("th")));
}

function open(button, wanted) {
  button.setAttribute("aria-expanded", String(wanted));
  document.getElementById(button.getAttribute("aria-controls")).hidden = !wanted;
}

for (const button of document.querySelectorAll("button[aria-controls]")) {
  open(button, false);
  button.addEventListener("click", () =>
    open(button, button.getAttribute("aria-expanded") !== "true"),
  );
}
