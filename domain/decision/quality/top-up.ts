/** Further rows of the same draw in the place of rows that a correction drops. */
import type { ClassCounts } from '../../analyzers/analyzer.js';
import { countOf } from '../../analyzers/balance.js';

/** How many rows a slice was drawn with: in all, or of each class. */
export interface Draw {
  readonly rows: number | null;
  readonly quotas: Readonly<Record<string, number>> | null;
}

/** What is known of a slice that lost rows before more are looked for. */
export interface Drawn {
  /** What was asked for first, and the draw that the slice is made of by now. */
  readonly wanted: Draw;
  readonly drawn: Draw;
  /** Rows that the first read gave. */
  readonly found: number;
  /** Rows that match, where they were counted; a bound or an estimate says nothing here. */
  readonly counted: number | undefined;
}

/** Whether no further row can be there: the draw has as many as were counted, or the first read came short of its own. */
export function isExhausted({ wanted, drawn, found, counted }: Drawn): boolean {
  if (wanted.quotas === null && wanted.rows !== null && found < wanted.rows) return true;
  return counted !== undefined && drawn.rows !== null && counted <= drawn.rows;
}

/** Most rows of a longer draw for each that was wanted: half of them are left at least, so twice as many do, but for chance. */
export const OVERDRAW_MAX = 3;
/** Standard errors of the number of sound rows that a draw is longer by: one in forty comes short. */
const SPARE_Z = 2;

/**
 * The draw that has as many sound rows as were wanted, if as many of its rows are sound as of the one that was made. Rows are
 * picked by a hash: the longer draw begins with the rows of the shorter, so that replacing is going on.
 *
 * @param wanted what was drawn first
 * @param drawn the draw that the slice was made of
 * @param left the slice when rows have been dropped
 * @param exhausted classes of which every row was drawn
 * @returns null where nothing is missing, or no further row can be drawn
 */
export function longerDraw(
  wanted: Draw,
  drawn: Draw,
  left: { readonly rows: number; readonly classCounts: ClassCounts | null },
  exhausted: readonly string[],
): Draw | null {
  const { quotas, rows } = wanted;
  if (quotas === null) {
    const longer = rows === null || drawn.rows === null ? null : longerBy(rows, drawn.rows, left.rows);
    return longer === null || longer <= drawn.rows! ? null : { rows: longer, quotas: null };
  }
  if (drawn.quotas === null || left.classCounts === null) return null;
  const of = drawn.quotas;
  const longer = Object.fromEntries(
    Object.keys(quotas).map((name) => {
      const more = exhausted.includes(name) ? 0 : longerBy(quotas[name], of[name], countOf(left.classCounts!, name));
      return [name, Math.max(of[name], more)];
    }),
  );
  if (Object.keys(longer).every((name) => longer[name] === of[name])) return null;
  return { rows: Object.values(longer).reduce((sum, quota) => sum + quota, 0), quotas: longer };
}

/** Of `drawn` rows `left` are sound, a share s: n have n s of them, with a deviation of sqrt(n s (1 - s)) (binomial). */
function longerBy(wanted: number, drawn: number, left: number): number {
  if (left >= wanted) return drawn;
  const share = Math.min(1, left / Math.max(1, drawn));
  const most = OVERDRAW_MAX * wanted;
  if (share === 0) return most;
  return Math.min(most, Math.ceil((wanted + SPARE_Z * Math.sqrt(wanted * (1 - share))) / share));
}
