/** Repairs that are certain: what a cell means is beyond doubt, given what its column was declared to be. */
import { isSameUnit, valueChecker } from './cell-contract.js';
import type { ColumnRule } from './column-rule.js';

/** A number, written plainly or with thousands, alone or before its unit: no brackets (-5 in accounts), no currency sign. */
const MEASURED = /^\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?)\s*(\D*)$/u;
/** Two small numbers and a year between slashes or hyphens: day and month, or month and day. */
const TWO_WAYS = /^\s*(\d{1,2})[-/](\d{1,2})[-/](?:\d{4}|\d{2})(?!\d)/;

/**
 * The cells of a column that can be repaired with certainty.
 *
 * Certain are: a number with the declared unit behind it; one with thousands separators that cannot be decimal commas; a
 * date or time in another well-known format that can be read in one way only; a declared value in another letter case; a
 * spelled-out null where a value may be missing.
 *
 * @param values distinct values of the column with their row counts: they show how the format is really meant
 * @returns the value meant by value; `null` where the cell is to be missing
 */
export function certainRepairs(
  rule: ColumnRule,
  values: readonly string[],
  counts: readonly number[],
): ReadonlyMap<string, string | null> {
  const check = valueChecker(rule, values, counts);
  const usesPoints = values.some((text) => /^[+-]?\d+\.\d+$/.test(text));
  const repairs = new Map<string, string | null>();
  for (const text of values) {
    const fault = check(text);
    if (fault === undefined) continue;
    const { suggested: meant, kind } = fault;
    // What it says is that there is no value, whether or not there was one.
    if (kind === 'implicit-missing') repairs.set(text, null);
    else if (meant !== undefined && check(meant) === undefined && isCertain(text, kind, rule, usesPoints))
      repairs.set(text, meant);
  }
  return repairs;
}

function isCertain(text: string, kind: string, rule: ColumnRule, usesPoints: boolean): boolean {
  if (kind === 'format') {
    const [, first, second] = TWO_WAYS.exec(text) ?? [];
    return first === undefined || first === second || Math.max(Number(first), Number(second)) > 12;
  }
  if (kind !== 'unit' && kind !== 'type') return true;
  const [, number, unit] = MEASURED.exec(text) ?? [];
  if (number === undefined || number === '') return false;
  // 1,200 is 1.2 where commas are decimal.
  if (number.includes(',') && !usesPoints && !/,\d{3}[,.]/.test(number)) return false;
  return unit.trim() === '' || (rule.unit !== undefined && isSameUnit(unit, rule.unit));
}
