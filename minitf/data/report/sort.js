// Sort the rows of a table by the column whose heading is pressed: first downwards, then upwards.
const value = (text) => parseFloat(text.replace(/[^0-9.eE+-]/g, "")) || 0;
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), body = heading.closest("table").tBodies[0];
    const sign = heading.getAttribute("aria-sort") === "descending" ? 1 : -1;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const keyed = [...body.rows].map((row) => [row.cells[heading.cellIndex].textContent, row]);
    const compare = heading.classList.contains("text")
      ? ([a], [b]) => a.localeCompare(b, undefined, { numeric: true })
      : ([a], [b]) => value(a) - value(b);
    body.append(...keyed.sort((a, b) => sign * compare(a, b)).map(([, row]) => row));
  });
}
