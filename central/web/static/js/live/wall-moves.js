// Tiles change places: dragged, or taken up by their button and put down on the place pressed next (WCAG 2.5.7), or by keys.
import { _ } from '../words.js';

const SOURCE = 'text/zhixing-source', PLACE = 'text/zhixing-place';

export class Moves {
  /** `wall` has cells, put(place, id) and swap(from, to); `grid` holds the tiles, `told` takes words for who waits. */
  constructor(wall, grid, told) {
    Object.assign(this, { wall, grid, told, lifted: null });
    addEventListener('dragstart', (event) => this.begin(event));
    addEventListener('dragend', () => this.mark(null));
    grid.addEventListener('dragover', (event) => this.offer(event));
    grid.addEventListener('dragleave', (event) => { if (!grid.contains(event.relatedTarget)) this.mark(null); });
    grid.addEventListener('drop', (event) => this.drop(event));
    addEventListener('keydown', (event) => { if (event.key === 'Escape' && this.cancel()) event.preventDefault(); });
  }

  /** Take up the tile at place `number`, or leave it where it is when it was taken up already. */
  lift(number) {
    this.lifted = this.lifted === number ? null : number;
    this.show();
    this.wall.setFocus(number);
  }

  /** Put down on place `number` what was taken up; false: nothing was. */
  putDown(number) {
    if (this.lifted === null) return false;
    const from = this.lifted;
    this.cancel();
    if (from !== number) this.wall.swap(from, number);
    return true;
  }

  /** Leave everything where it is; false: nothing was taken up. */
  cancel() {
    const wasLifted = this.lifted !== null;
    this.lifted = null;
    if (wasLifted) this.show();
    return wasLifted;
  }

  show() {
    this.grid.classList.toggle('is-moving', this.lifted !== null);
    this.wall.cells.forEach((cell, place) => cell.element.classList.toggle('is-lifted', place === this.lifted));
    this.told.textContent = this.lifted === null ? '' : _('正在移动第 %(n)s 格：点按目标格，或用方向键选定后按回车；Esc 取消', { n: this.lifted + 1 });
  }

  begin(event) {
    const row = event.target.closest?.('[data-source]'), cell = event.target.closest?.('.cell');
    if (!row && !cell?.draggable) return;
    this.cancel();
    event.dataTransfer.effectAllowed = 'move';
    if (row) event.dataTransfer.setData(SOURCE, row.dataset.source);
    else event.dataTransfer.setData(PLACE, cell.dataset.number);
  }

  /** Whoever drags sees where it would go. */
  offer(event) {
    const cell = event.target.closest('.cell');
    if (!cell || !event.dataTransfer.types.some((type) => type === SOURCE || type === PLACE)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'move';
    this.mark(cell);
  }

  drop(event) {
    const cell = event.target.closest('.cell');
    this.mark(null);
    if (!cell) return;
    event.preventDefault();
    const id = event.dataTransfer.getData(SOURCE), from = event.dataTransfer.getData(PLACE), number = Number(cell.dataset.number);
    if (id) this.wall.put(number, id);
    else if (from !== '') this.wall.swap(Number(from), number);
  }

  mark(target) { for (const { element } of this.wall.cells) element.classList.toggle('is-target', element === target); }
}
