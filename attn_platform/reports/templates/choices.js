// Fills the table under each choice with the rows of what the reader has chosen.
(function () {
  "use strict";
  for (const choice of document.querySelectorAll("select[data-choice]")) {
    const rows = window.page.tables[choice.id];
    const table = choice.closest(".part").querySelector("table[data-text-columns]");
    const texts = new Set(table.dataset.textColumns.split(" ").map(Number));
    const show = () => table.tBodies[0].replaceChildren(...rows[choice.value].map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text, column) => {
        const cell = document.createElement(column === 0 ? "th" : "td");
        cell.textContent = text;
        if (column === 0) cell.scope = "row";
        if (texts.has(column)) cell.className = "text";
        return cell;
      }));
      return row;
    }));
    choice.addEventListener("change", show);
    show();
  }
})();
