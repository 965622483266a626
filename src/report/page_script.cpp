#include "report/page_parts.hpp"

namespace lorry::report {

const std::string_view kPageScript = R"js('use strict';
(() => {
  // What is under the pointer, in words.
  const tip = document.createElement('div');
  tip.id = 'tip';
  tip.hidden = true;
  tip.setAttribute('role', 'status');
  document.body.append(tip);
  const show = (event, text) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const fits = (at, size, end) => Math.max(4, at + 14 + size > end ? at - 10 - size : at + 14);
    tip.style.left = fits(event.clientX, box.width, document.documentElement.clientWidth) + 'px';
    tip.style.top = fits(event.clientY, box.height, document.documentElement.clientHeight) + 'px';
  };

  // Four significant digits, as everywhere in the report.
  const number = value => {
    if (value === 0) return '0';
    const size = Math.abs(value);
    if (size >= 1e-4 && size < 1e6) return size < 1e4 ? value.toPrecision(4) : value.toFixed(0);
    return value.toExponential(3).replace('+', '');
  };
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const valueOf = (data, at) => {
    const code = data.values.slice(3 * at, 3 * at + 3);
    if (code === '...') return null;
    let part = 0;
    for (const digit of code) part = part * 64 + digits.indexOf(digit);
    return +data.low + (part / (64 ** 3 - 1)) * (data.high - data.low);
  };
  const nameOf = (names, label, at) => (label ? label + ' = ' : '') + (names ? names.split('\n')[at] : at + 1);
  const cellAt = (grid, event) => {
    const data = grid.dataset;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(grid.getScreenCTM().inverse());
    const col = Math.floor(point.x);
    const row = Math.floor(point.y);
    if (col < 0 || col >= +data.cols || row < 0 || row >= data.values.length / (3 * data.cols)) return null;
    const value = valueOf(data, row * data.cols + col);
    return nameOf(data.yNames, data.y, row) + ', ' + nameOf(data.xNames, data.x, col) + ': ' +
      (value === null ? 'no value' : number(value));
  };
  const wordsAt = event => {
    const chart = event.target instanceof Element && event.target.closest('svg.chart');
    if (!chart) return null;
    const grid = chart.querySelector('.cells');
    if (grid) return cellAt(grid, event);
    // The browser's own tip would come late and lie over this one.
    for (const title of chart.querySelectorAll('.hit>title')) {
      title.parentNode.setAttribute('aria-label', title.textContent);
      title.remove();
    }
    const hit = event.target.closest('.hit');
    return hit && hit.getAttribute('aria-label');
  };
  const follow = event => {
    const words = wordsAt(event);
    if (words) show(event, words); else tip.hidden = true;
  };
  document.addEventListener('pointermove', follow);
  document.addEventListener('pointerdown', follow);
  document.addEventListener('scroll', () => { tip.hidden = true; }, {capture: true, passive: true});

  // A click on a column's title sorts by it, a second one the other way. What has no value stays below.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent;
    return 'v' in cell.dataset ? +cell.dataset.v : null;
  };
  const sort = (table, column, up) => {
    const numeric = table.tHead.rows[0].cells[column].classList.contains('n');
    const body = table.tBodies[0];
    const order = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, {numeric: true});
    const rows = Array.from(body.rows, row => [key(row, column, numeric), row]);
    rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : up ? order(a, b) : order(b, a));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll('table')) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') !== 'ascending';
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        sort(table, column, up);
      });
    });
  }

  // Paper cannot be clicked.
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = Array.from(document.querySelectorAll('details:not([open])'));
    for (const part of opened) part.open = true;
  });
  addEventListener('afterprint', () => {
    for (const part of opened) part.open = false;
    opened = [];
  });
})();
)js";

}  // namespace lorry::report
