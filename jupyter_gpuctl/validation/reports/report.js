'use strict';
(() => {
  const table = document.querySelector('table.notebooks');
  if (!table) {
    return;
  }
  const bodies = [...table.tBodies];
  const status = document.querySelector('[role="status"]');

  // Filter
  const filters = [...document.querySelectorAll('button[data-filter]')];
  for (const button of filters) {
    button.addEventListener('click', () => {
      const wanted = button.dataset.filter;
      for (const other of filters) {
        other.setAttribute('aria-pressed', String(other === button));
      }
      let shown = 0;
      for (const body of bodies) {
        body.hidden = wanted !== '' && body.dataset.verdict !== wanted;
        shown += body.hidden ? 0 : 1;
      }
      status.textContent = `${shown} of ${bodies.length} notebooks shown.`;
    });
  }

  // Fold
  const fold = document.querySelector('button[data-fold]');
  fold.addEventListener('click', () => {
    const open = fold.getAttribute('aria-pressed') !== 'true';
    fold.setAttribute('aria-pressed', String(open));
    for (const detail of table.querySelectorAll('details')) {
      detail.open = open;
    }
  });

  // Sort
  const heads = [...table.querySelectorAll('th[data-sort]')];
  for (const head of heads) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const key = head.dataset.sort;
      const before = head.getAttribute('aria-sort');
      // What matters is at the other end of times, memory and verdicts than of the course's order.
      const first = key === 'number' ? 'ascending' : 'descending';
      const second = key === 'number' ? 'descending' : 'ascending';
      const direction = before === first ? second : first;
      for (const other of heads) {
        other.removeAttribute('aria-sort');
      }
      head.setAttribute('aria-sort', direction);
      const sign = direction === 'ascending' ? 1 : -1;
      bodies.sort(
        (a, b) =>
          sign * (Number(a.dataset[key]) - Number(b.dataset[key])) ||
          Number(a.dataset.number) - Number(b.dataset.number)
      );
      table.append(...bodies);
      status.textContent = `Sorted by ${button.textContent}, ${direction}.`;
    });
  }
  document.querySelector('.tools').hidden = false;
})();
