/**
 * Reads single values against the declared facts of their column: what breaks them, and what was probably meant.
 * Works on distinct values, so its cost does not grow with repeats.
 */
import { isBlank, isMissingSpelling } from './cell-table.js';
import type { ColumnRule } from './column-rule.js';
import { momentChecker, momentPlacer } from './cell-moment.js';

/** Why a value does not fit, and the value meant if it can be told. */
export interface ValueFault {
  readonly kind: 'missing' | 'implicit-missing' | 'type' | 'unit' | 'format' | 'pattern' | 'domain' | 'range';
  readonly evidence: string;
  readonly suggested?: string;
}

/** What plain values of a type look like. */
export const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
export const INTEGER = /^[+-]?\d+$/;
export const BOOLEAN = /^(?:true|false|yes|no|t|f|y|n|0|1)$/i;
/**
 * A number inside other text: brackets or a currency sign, the number with optional thousands groups, then a unit
 * (`oz.`, `%`, `min`) or the scale it is out of (`/10`).
 */
const DECORATED =
  /^\s*[[('"$€£¥~]*\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[+-]?\.\d+)\s*([\p{L}%°$€£¥][\p{L}%°./ ]*|\/\s*\d+)?\s*[\])'"]*\s*$/u;

/** Unit families: spellings of one unit share a line, so that `ounce` may be dropped where `oz` is declared but `ml` may not. */
const UNITS: readonly (readonly string[])[] = [
  ['oz', 'ounce', 'ounces', 'fl oz', 'fluid ounce'],
  ['ml', 'milliliter', 'millilitre'],
  ['l', 'liter', 'litre'],
  ['g', 'gram', 'grams', 'gr'],
  ['kg', 'kilo', 'kilogram'],
  ['mg', 'milligram'],
  ['lb', 'lbs', 'pound'],
  ['cm', 'centimeter', 'centimetre'],
  ['mm', 'millimeter', 'millimetre'],
  ['m', 'meter', 'metre'],
  ['km', 'kilometer', 'kilometre'],
  ['mi', 'mile'],
  ['ft', 'foot', 'feet'],
  ['in', 'inch', 'inches'],
  ['min', 'minute'],
  ['h', 'hr', 'hour'],
  ['s', 'sec', 'second'],
  ['ms', 'millisecond'],
  ['d', 'day'],
  ['%', 'percent', 'pct'],
];

/**
 * Builds the check of one column.
 *
 * @param rule what was declared
 * @param values the column's distinct values with their row counts: they show how the owner's format is really meant
 *   (padding) and how many decimals plain numbers carry
 * @returns a function from a value to its fault, or `undefined` if it fits. A blank value fits unless the column is
 *   required; a spelled-out null (`N/A`) fits a column of free text, and one of restricted text that always spells
 *   missing values so, unless the column is required.
 */
export function valueChecker(
  rule: ColumnRule,
  values: readonly string[],
  counts: ArrayLike<number>,
): (text: string) => ValueFault | undefined {
  const allowed = rule.values === undefined ? undefined : new Set(rule.values);
  const pattern = rule.pattern === undefined ? undefined : new RegExp(`^(?:${rule.pattern})$`, 'u');
  const type = rule.type ?? (rule.unit === undefined ? undefined : 'number');
  const typeFault = typeChecker({ ...rule, type }, values, counts);
  const custom = customaryNull(values, counts);
  const isCustom = spellsMissing(values, counts);
  const rangeFault = rangeChecker(rule, type);
  const restrictsText = allowed !== undefined || pattern !== undefined;
  return (text) => {
    if (isBlank(text)) {
      return rule.required === true ? { kind: 'missing', evidence: 'the column is required' } : undefined;
    }
    if (allowed?.has(text) === true) return undefined;
    if (isMissingSpelling(text) && pattern?.test(text) !== true) {
      if (rule.required === true) return { kind: 'missing', evidence: `"${text}" spells a missing value` };
      if ((type === undefined || type === 'string') && text === custom) return undefined;
      if (restrictsText || (type !== undefined && type !== 'string')) {
        return {
          kind: 'implicit-missing',
          evidence: `"${text}" spells a missing value`,
          ...(isCustom ? { suggested: '' } : {}),
        };
      }
    }
    const fault = typeFault(text);
    if (fault !== undefined) return fault;
    if (allowed !== undefined) {
      const lower = text.trim().toLowerCase();
      const meant = rule.values?.find((value) => value.toLowerCase() === lower);
      return {
        kind: 'domain',
        evidence: 'not among the declared values',
        ...(meant === undefined ? {} : { suggested: meant }),
      };
    }
    if (pattern !== undefined && !pattern.test(text)) {
      const trimmed = text.trim();
      return {
        kind: 'pattern',
        evidence: `does not match ${rule.pattern ?? ''}`,
        ...(trimmed !== text && pattern.test(trimmed) ? { suggested: trimmed } : {}),
      };
    }
    return rangeFault(text);
  };
}

/** From this share of the rows on, a column's only spelling of a missing value is its custom, not a slip. */
export const CUSTOM_SHARE = 0.01;

/** The one word or mark that a column uses for missing values, if it uses one and leaves no cell blank. */
function customaryNull(values: readonly string[], counts: ArrayLike<number>): string | undefined {
  const missing = values
    .map((text, code) => ({ text, rows: counts[code] }))
    .filter(({ text }) => isBlank(text) || isMissingSpelling(text));
  const rows = Array.from(counts).reduce((sum, count) => sum + count, 0);
  return missing.length === 1 && missing[0].rows >= CUSTOM_SHARE * rows ? missing[0].text : undefined;
}

/**
 * Whether a column spells missing values out: one row in a hundred does. Only there does a spelled-out null surely mean a
 * blank; where hardly any row has one, it may as well stand where a value was lost, which nobody can tell.
 */
export function spellsMissing(values: readonly string[], counts: ArrayLike<number>): boolean {
  let [rows, spelled] = [0, 0];
  for (const [code, text] of values.entries()) {
    rows += counts[code];
    if (!isBlank(text) && isMissingSpelling(text)) spelled += counts[code];
  }
  return spelled > 0 && spelled >= CUSTOM_SHARE * rows;
}

function typeChecker(
  rule: ColumnRule,
  values: readonly string[],
  counts: ArrayLike<number>,
): (text: string) => ValueFault | undefined {
  switch (rule.type) {
    case 'integer':
    case 'number':
      return numberChecker(rule.type, rule.unit, values);
    case 'boolean':
      return (text) => (BOOLEAN.test(text) ? undefined : { kind: 'type', evidence: 'not a boolean' });
    case 'date':
    case 'time':
    case 'datetime':
      return momentChecker(rule.type, rule.format, values, counts);
    default:
      return rule.format === undefined ? () => undefined : momentChecker('datetime', rule.format, values, counts);
  }
}

/** So many of a column's numbers have three decimals if it is one of three: a whole one now and then. */
const DECIMAL_SHARE = 0.9;

function numberChecker(
  type: 'integer' | 'number',
  unit: string | undefined,
  values: readonly string[],
): (text: string) => ValueFault | undefined {
  const fits = type === 'integer' ? INTEGER : NUMBER;
  // Trailing zeros are dropped from a suggestion unless the column's own plain numbers carry them.
  const keepsZeros = values.some((text) => NUMBER.test(text) && /\.\d*0$/.test(text));
  const plainValues = values.filter((text) => NUMBER.test(text));
  // Three digits after one comma are thousands, unless the column's numbers have three decimals.
  const hasThree = plainValues.filter((text) => /\.\d{3}$/.test(text)).length >= DECIMAL_SHARE * plainValues.length;
  const decimalComma = hasThree && plainValues.length > 0 ? /^[+-]?\d+,\d+$/ : /^[+-]?\d+,(?!\d{3}$)\d+$/;
  return (text) => {
    if (fits.test(text)) return undefined;
    if (type === 'number' && decimalComma.test(text))
      return { kind: 'type', evidence: 'written with a decimal comma', suggested: text.replace(',', '.') };
    const match = DECORATED.exec(text);
    if (match === null) return { kind: 'type', evidence: `not ${type === 'integer' ? 'an' : 'a'} ${type}` };
    const suffix = (match[2] as string | undefined)?.trim() ?? '';
    const plain = withoutFloatNoise(match[1].replaceAll(',', ''));
    const short = keepsZeros ? plain : plain.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
    const suggested = type === 'integer' ? plain.replace(/\.0*$/, '') : short;
    const evidence = suffix === '' ? `not a plain ${type}` : `carries the suffix "${suffix}"`;
    // Nothing is more than the scale that it is out of: 47/0 is a slip of another kind.
    const exceedsScale = suffix.startsWith('/') && Number(plain) > Number(suffix.slice(1));
    const certain = fits.test(suggested) && !isOtherUnit(suffix, unit) && !exceedsScale;
    return { kind: suffix === '' ? 'type' : 'unit', evidence, ...(certain ? { suggested } : {}) };
  };
}

/** Of twelve digits the last four are zeros by chance in one number of ten thousand. */
const SHORT_DIGITS = 8;

/**
 * A decimal of 15 or more significant digits that 12 digits write much shorter is a binary fraction printed in full
 * (0.055999999999999994 for 0.056): doubles carry 15 to 17 decimal digits, so the tail says nothing.
 */
function withoutFloatNoise(plain: string): string {
  const digits = plain.replace(/^[+-]?0*\.?0*|\./g, '');
  if (!plain.includes('.') || digits.length < 15) return plain;
  const short = String(Number(Number(plain).toPrecision(12)));
  return short.replace(/^[+-]?0*\.?0*|\./g, '').length <= SHORT_DIGITS ? short : plain;
}

/** Whether the suffix names a unit other than the declared one, so that dropping it would change the quantity. */
function isOtherUnit(suffix: string, unit: string | undefined): boolean {
  if (unit === undefined || suffix === '') return false;
  const found = unitFamily(suffix);
  return found >= 0 && found !== unitFamily(unit);
}

const plainUnit = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/[.\s]+$/, '');

/** Line of `UNITS` that has the name; -1 for none. */
function unitFamily(name: string): number {
  const plain = plainUnit(name);
  return UNITS.findIndex((names) => names.includes(plain) || names.includes(plain.replace(/s$/, '')));
}

/** Whether two names are surely of one unit: spelled alike, or spellings of a known one. */
export function isSameUnit(a: string, b: string): boolean {
  return plainUnit(a) === plainUnit(b) || (unitFamily(a) >= 0 && unitFamily(a) === unitFamily(b));
}

function rangeChecker(rule: ColumnRule, type: ColumnRule['type']): (text: string) => ValueFault | undefined {
  if (rule.min === undefined && rule.max === undefined) return () => undefined;
  const isMoment = type === 'date' || type === 'datetime' || type === 'time';
  const place = momentPlacer(rule.format);
  const rank = (value: number | string): number => (isMoment ? place(String(value)) : Number(value));
  const low = rule.min === undefined ? -Infinity : rank(rule.min);
  const high = rule.max === undefined ? Infinity : rank(rule.max);
  return (text) => {
    const value = rank(text);
    // A bound or a value that cannot be ranked cannot be compared; the type check has already spoken about it.
    if (!(value < low) && !(value > high)) return undefined;
    return { kind: 'range', evidence: `outside [${String(rule.min ?? '-inf')}, ${String(rule.max ?? 'inf')}]` };
  };
}
