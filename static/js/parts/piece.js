// The piece of a long list that is drawn. It follows the newest end, or stays where one reads; it goes on by steps, and what
// is far away on its other side is left out: a list of 20,000 rows has some hundred items. Pure: no page.

export const PIECE_MAX = 150;
const STEP = 50;

export class Piece {
  #rows = [];
  #from = 0;
  #to = 0;
  #follows = true;

  /** Whether it goes to the newest end, whatever comes there. */
  get follows() {
    return this.#follows;
  }

  /** Whether it has more rows than it needs: `trim` takes them, best at a moment of its own. */
  get isLong() {
    return this.#follows && this.#to - this.#from > PIECE_MAX + STEP;
  }

  /** Take the list as it is now: rows, each with its `key`. Returns those to draw. */
  of(rows) {
    const at = new Map(rows.map(({ key }, number) => [key, number]));
    const drawn = this.#rows.slice(this.#from, this.#to);
    const [first, last] = [drawn.find(({ key }) => at.has(key)), drawn.findLast(({ key }) => at.has(key))];
    if (!first) this.#follows = true;
    this.#rows = rows;
    this.#to = this.#follows ? rows.length : at.get(last.key) + 1;
    // There are enough to fill a window.
    this.#from = Math.max(0, Math.min(first ? at.get(first.key) : this.#to, this.#to - STEP));
    if (this.#follows && this.#to - this.#from > PIECE_MAX + 2 * STEP) this.trim();
    return rows.slice(this.#from, this.#to);
  }

  /** Stay where it is. */
  freeze() {
    this.#follows = false;
  }

  /** Go to the newest end. What is drawn stays, as it would be seen to jump, if anything of it belongs there. */
  follow() {
    if (this.#follows) return;
    this.#follows = true;
    if (this.#rows.length - this.#to >= STEP) this.#from = this.#to = 0;
  }

  trim() {
    this.#from = Math.max(this.#from, this.#to - PIECE_MAX);
  }

  /** Go on to what is before it. Returns whether there is something. */
  back() {
    if (this.#from === 0) return false;
    this.#from = Math.max(0, this.#from - STEP);
    if (this.#to - this.#from > PIECE_MAX) {
      this.#to = this.#from + PIECE_MAX;
      this.#follows = false;
    }
    return true;
  }

  /** Go on to what is after it. */
  forward() {
    this.#to = Math.min(this.#rows.length, this.#to + STEP);
    this.#follows = this.#to === this.#rows.length;
    this.trim();
  }
}
