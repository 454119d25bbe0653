// Lists of the admin on a phone: each row is a block of its fields, and each field says what it is (admin.css).

for (const table of document.querySelectorAll("#result_list")) {
  const labels = Array.from(table.tHead.rows[0].cells, (cell) => cell.querySelector(".text")?.textContent.trim() ?? "");
  for (const row of table.tBodies[0].rows) {
    for (const [at, cell] of Array.from(row.cells).entries()) cell.dataset.label = labels[at];
  }
}
