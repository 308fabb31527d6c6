/** Character patterns: what a value looks like once its letters and digits are forgotten. */

/**
 * The value with every run of digits written `#`. Values that differ in their numbers alone share a template.
 */
export function digitTemplate(text: string): string {
  return text.replace(/\d+/g, '#');
}

/**
 * The shape of a value: a number, or a run of digits, is `9`, a run of words is `a`, everything else stays.
 * `Acute care hospitals` is `a`, `1 Main St.` is `9 a.`, `2011-12-01` is `9-9-9`, `-1.5` is `9`.
 */
export function shapeOf(text: string): string {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return '9';
  return text.replace(/\p{L}+(?: +\p{L}+)*/gu, 'a').replace(/\d+/g, '9');
}

export type LetterCase = 'lower' | 'upper' | 'mixed';

/** The letter case of a text; without letters it is `lower`. */
export function styleOf(text: string): LetterCase {
  if (text === text.toLowerCase()) return 'lower';
  return text === text.toUpperCase() ? 'upper' : 'mixed';
}

/**
 * Edit distance (Levenshtein 1966: insert, delete, substitute, each 1), or `limit + 1` as soon as it must exceed
 * `limit`. O(limit * length) time, two rows of memory.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const low = Math.max(1, i - limit);
    const high = Math.min(b.length, i + limit);
    const current: number[] = new Array<number>(b.length + 1).fill(limit + 1);
    if (i <= limit) current[0] = i;
    let least = current[0];
    for (let j = low; j <= high; j++) {
      const substituted = previous[j - 1] + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1);
      current[j] = Math.min(substituted, previous[j] + 1, current[j - 1] + 1);
      least = Math.min(least, current[j]);
    }
    if (least > limit) return limit + 1;
    previous = current;
  }
  return Math.min(previous[b.length], limit + 1);
}
