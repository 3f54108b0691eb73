// Sorts a table by the column whose head is clicked: numbers largest first, then the other way round; missing last.
(function () {
  "use strict";
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.order === undefined ? cell.textContent : Number(cell.dataset.order);
  };
  const compare = (a, b) => (typeof a === "string" ? b.localeCompare(a) : a - b);

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const isText = typeof key(table.tBodies[0].rows[0], column) === "string";
      const first = isText ? "ascending" : "descending";
      const other = isText ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = (order === first ? -1 : 1);
      const rows = Array.from(table.tBodies[0].rows);
      rows.sort((one, two) => {
        const a = key(one, column), b = key(two, column);
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
        return sign * compare(a, b);
      });
      table.tBodies[0].append(...rows);
    }));
  }
})();
