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
// Any two rows side by side, where they differ most; without scripts the baseline and the best other row stand there.
for (const data of document.querySelectorAll('.answers-data')) {
  const all = JSON.parse(data.textContent);
  const section = data.parentElement;
  const [form, place, fixed] = ['.pair', '.answers', '.static'].map((one) => section.querySelector(one));
  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const side = (row, query) => {
    const made = make('div');
    made.append(make('strong', `${all.rows[row]}: ${query.values[row].toFixed(4)}`));
    if (!all.has_run[row]) made.append(make('p', 'Its ranking is not on this machine.'));
    const list = make('ol');
    query.best[row].forEach(([document_, grade], rank) => {
      const [docId, text] = all.documents[document_];
      const item = make('li', `${rank + 1}. `);
      item.append(make('span', grade === null ? '○' : grade, grade > 0 ? 'grade good' : 'grade'), ' ');
      item.append(make('code', docId), make('br'), text);
      list.append(item);
    });
    made.append(list);
    return made;
  };
  const show = () => {
    const [left, right] = [form.left, form.right].map((select) => Number(select.value));
    const moved = all.queries
      .map((query) => [query.values[right] - query.values[left], query])
      .filter(([difference]) => difference !== 0)
      .sort((a, b) => b[0] - a[0]);
    const better = moved.filter(([difference]) => difference > 0).slice(0, 3);
    const worse = moved.filter(([difference]) => 0 > difference).reverse().slice(0, 3);
    const shown = [...better, ...worse].map(([difference, query], i) => {
      const details = make('details');
      details.open = i === 0;
      const sign = difference > 0 ? '+' : '−';
      const summary = make('summary');
      summary.append(make('code', query.query_id), ` ${query.text} (${sign}${Math.abs(difference).toFixed(4)})`);
      const sides = make('div', undefined, 'sides');
      sides.append(side(left, query), side(right, query));
      details.append(summary, sides);
      return details;
    });
    place.replaceChildren(...(shown.length ? shown : [make('p', `No query tells them apart by ${all.measure}.`)]));
    fixed.style.display = 'none';
  };
  form.hidden = false;
  form.addEventListener('change', show);
}
// Paper shows what a press would open.
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach((one) => { one.open = true; });
});
