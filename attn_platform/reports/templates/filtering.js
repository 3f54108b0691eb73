// Puts a field above each sortable table that shows the rows with all of its words; "sharpe > 1" asks for a figure.
(function () {
  "use strict";
  const CONDITION = /^(.+?)\s*(>=|<=|>|<)\s*(-?[\d.]+)\s*(%?)$/;
  const HOLDS = {">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b};

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells, (head) => head.textContent.trim().toLowerCase());
    const rows = Array.from(table.tBodies[0].rows);
    const label = document.createElement("label");
    const field = document.createElement("input");
    const shown = document.createElement("output");
    field.type = "search";
    field.placeholder = "lstm relaxed, sharpe > 1, rankic > 5 %";
    field.style.cssText = "font: inherit; width: min(100%, 26em); margin: 0 0.6em";
    label.append("Filter ", field, shown);

    function holds(row, part) {
      const condition = CONDITION.exec(part);
      if (condition === null) {
        const text = row.textContent.toLowerCase();
        return part.split(/\s+/).every((word) => text.includes(word));
      }
      const [, name, sign, number, percent] = condition;
      const exact = heads.indexOf(name);
      const column = exact >= 0 ? exact : heads.findIndex((head) => head.includes(name));
      const bound = Number(number) / (percent ? 100 : 1);
      return column < 0 || HOLDS[sign](Number(row.cells[column].dataset.order), bound);
    }

    field.addEventListener("input", () => {
      const parts = field.value.toLowerCase().split(",").map((part) => part.trim()).filter(Boolean);
      for (const row of rows) row.hidden = !parts.every((part) => holds(row, part));
      const count = rows.filter((row) => !row.hidden).length;
      shown.textContent = count === rows.length ? "" : count + " of " + rows.length;
    });
    table.parentElement.before(label);
  }
})();
