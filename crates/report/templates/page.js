// Tables sort by a press on a head; without scripts they stand as they are.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const value = (row, column) => {
    const text = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    return text === '' ? NaN : Number(text);
  };
  const compare = (column) => (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (Number.isNaN(x) || Number.isNaN(y)) {
      return a.cells[column].textContent.localeCompare(b.cells[column].textContent);
    }
    return x - y;
  };
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const descending = head.ariaSort ? head.ariaSort === 'ascending' : head.className === 'n';
      heads.forEach((other) => { other.ariaSort = null; });
      head.ariaSort = descending ? 'descending' : 'ascending';
      const rows = Array.from(body.rows).sort(compare(column));
      body.append(...(descending ? rows.reverse() : rows));
    });
  });
}
// Paper shows what a press would open.
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach((one) => { one.open = true; });
});
