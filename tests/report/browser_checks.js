// Put into a copy of the sample page by browser_test.cpp. The first part watches from the start; the second, at the end of the
// body, uses the page as a reader would and leaves what it saw as JSON in the only element that remains.
'use strict';
const seen = {errors: []};
addEventListener('error', event => seen.errors.push('error: ' + event.message), true);
addEventListener('securitypolicyviolation', event => seen.errors.push('request: ' + event.blockedURI));
for (const level of ['error', 'warn', 'log']) console[level] = (...what) => seen.errors.push('console: ' + what.join(' '));

const move = (element, x, y) =>
  element.dispatchEvent(new PointerEvent('pointermove', {clientX: x, clientY: y, bubbles: true}));
const tip = () => {
  const shown = document.getElementById('tip');
  return shown.hidden ? null : shown.textContent;
};

// What the page says with the pointer in the middle of a cell.
function hoverCell(grid, row, column) {
  const point = new DOMPoint(column + 0.5, row + 0.5).matrixTransform(grid.getScreenCTM());
  move(grid.closest('svg'), point.x, point.y);
  return tip();
}

function hovering() {
  const grid = document.querySelector('#s3 .cells');
  const marks = Array.from(document.querySelectorAll('#s2 .hit'));
  const title = marks[0].querySelector('title').textContent;
  const box = marks[0].querySelector('circle').getBoundingClientRect();
  move(marks[0].querySelector('circle'), box.x + 7, box.y + 7);
  const result = {
    cell: hoverCell(grid, 0, 1), missing: hoverCell(grid, 2, 5), last: hoverCell(grid, 7, 63),
    named: hoverCell(document.querySelectorAll('#s2 .cells')[0], 6, 0),
    beside: hoverCell(grid, 8, 1),
  };
  move(marks[0].querySelector('circle'), box.x + 7, box.y + 7);
  result.mark = tip() === title ? title : `${tip()} instead of ${title}`;
  move(document.querySelector('h1'), 5, 5);
  result.elsewhere = tip();
  return result;
}

function sorting() {
  const table = document.querySelector('table');
  const column = at => Array.from(table.tBodies[0].rows, row => row.cells[at].textContent);
  const click = at => {
    table.tHead.rows[0].cells[at].querySelector('button').click();
    return {order: column(at), state: table.tHead.rows[0].cells[at].getAttribute('aria-sort')};
  };
  return {up: click(4), down: click(4), names: click(0), others: table.querySelectorAll('[aria-sort]').length};
}

// Texts that lie over each other or outside of their chart.
function collisions() {
  const found = [];
  for (const svg of document.querySelectorAll('svg.chart')) {
    const frame = svg.getBoundingClientRect();
    const texts = Array.from(svg.querySelectorAll('text'), text => [text.textContent, text.getBoundingClientRect()]);
    texts.forEach(([name, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) {
        found.push(`outside: ${name} in ${svg.ariaLabel}`);
      }
      for (const [other, b] of texts.slice(i + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) found.push(`${name} over ${other} in ${svg.ariaLabel}`);
      }
    });
  }
  return found;
}

// The smallest contrast, as WCAG 2 defines it, of each kind of thing against the page.
function contrasts() {
  const light = color => {
    const [r, g, b] = color.match(/[\d.]+/g).map(c => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor) + 0.05;
  const least = (selector, property) => Math.min(...Array.from(document.querySelectorAll(selector), element => {
    const other = light(getComputedStyle(element)[property]) + 0.05;
    return Math.max(paper, other) / Math.min(paper, other);
  }));
  return {
    words: least('h1,h2,p,td,th,dt,dd,a,summary,figcaption', 'color'), chartText: least('svg text', 'fill'),
    axes: least('.axis', 'stroke'), series: least('[class^=s]:is(g)', 'stroke'),
  };
}

function printing() {
  const folded = () => document.querySelectorAll('details:not([open])').length;
  const before = folded();
  dispatchEvent(new Event('beforeprint'));
  const during = folded();
  dispatchEvent(new Event('afterprint'));
  return {before, during, after: folded()};
}

function finish() {
  const wide = document.querySelectorAll('.scroll')[1];
  seen.cut = wide.scrollWidth - wide.clientWidth;
  for (const part of document.querySelectorAll('details')) part.open = true;
  seen.collisions = collisions();
  for (const part of document.querySelectorAll('details')) part.open = false;
  document.querySelector('#s3').scrollIntoView();
  seen.hover = hovering();
  seen.sort = sorting();
  seen.contrast = contrasts();
  seen.print = printing();
  seen.requests = performance.getEntriesByType('resource').map(entry => entry.name);
  seen.background = getComputedStyle(document.body).backgroundColor;
  seen.title = document.title;
  seen.sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const text = JSON.stringify(seen);
  document.documentElement.replaceChildren(document.createElement('body'));
  document.body.textContent = text;
}
