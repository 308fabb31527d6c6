/** What the text of two literals proves of their values, whatever the type and collation of their column. */
import type { Literal } from '../types/predicate.js';

const ISO = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

function sameIsoShape(a: string, b: string): boolean {
  if (a.length !== b.length || !ISO.test(a) || !ISO.test(b)) return false;
  // The separators and the offset must be alike: 10:00+02:00 is not after 09:00-05:00.
  return a[10] === b[10] && a.slice(19).replace(/^\.\d+/, '') === b.slice(19).replace(/^\.\d+/, '');
}

/** Order of two literals that holds whatever the column's type and collation: negative, 0, positive; null if unknown. */
export function compareLiterals(a: Literal, b: Literal): number | null {
  if (a === b) return 0;
  if (typeof a !== typeof b) return null;
  if (typeof a === 'string' && !sameIsoShape(a, b as string)) return null;
  return a < b ? -1 : 1;
}

/** Whether two literals surely denote different values (texts that may be numbers or dates may be equal in disguise). */
export function surelyDiffer(a: Literal, b: Literal): boolean {
  if (a === b || typeof a !== typeof b) return false;
  if (typeof a !== 'string') return true;
  return !isAmbiguous(a) || !isAmbiguous(b as string) || sameIsoShape(a, b as string);
}

/** May be a number or a date. */
function isAmbiguous(text: string): boolean {
  return /^\s*[-+.]?\d/.test(text);
}

/** Whether a value surely is none of these. */
export function differsFromAll(value: Literal, others: readonly Literal[]): boolean {
  for (const other of others) if (!surelyDiffer(value, other)) return false;
  return true;
}
