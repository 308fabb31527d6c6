/**
 * Reads single values against the declared facts of their column: what breaks them, and what was probably meant.
 * Works on distinct values, so its cost does not grow with repeats.
 */
import { isBlank, isMissingSpelling } from './cell-table.js';
import type { ColumnRule } from './contract.js';
import { compileFormat, type MomentFormat, type MomentParts } from './format.js';

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

/** Formats tried when a declared one does not fit, commonest first. Day-first readings only where month-first fails. */
const KNOWN_DATES = [
  ...['YYYY-MM-DD', 'M/D/YYYY', 'MM/DD/YYYY', 'M/D/YY', 'MM/DD/YY', 'YYYY/MM/DD'],
  ...['D MMMM YYYY', 'MMMM D, YYYY', 'MMMM D YYYY', 'D MMM YYYY', 'MMM D, YYYY', 'MMM D YYYY', 'MMM DD YYYY'],
  ...['D.M.YYYY', 'DD.MM.YYYY', 'D/M/YYYY', 'DD/MM/YYYY', 'D/M/YY', 'DD/MM/YY', 'M-D-YYYY', 'MM-DD-YYYY'],
  ...['D-M-YYYY', 'DD-MM-YYYY', 'MMM-YY', 'D-MMM-YY', 'D-MMM-YYYY', 'DD-MMM-YYYY', 'YYYY.MM.DD', 'YYYYMMDD'],
].map(compileFormat);
const KNOWN_TIMES = [
  ...['HH:mm', 'H:mm', 'HH:mm:ss', 'H:mm:ss', 'h:mm a.m.', 'hh:mm a.m.', 'h:mm:ss a.m.'],
  ...['h:mm AM', 'hh:mm AM', 'h:mm:ss AM', 'hh:mm:ss AM', 'h:mmam'],
].map(compileFormat);
const KNOWN_DATETIMES = [
  ...['YYYY-MM-DD HH:mm:ss', 'YYYY-MM-DDTHH:mm:ss', 'YYYY-MM-DDTHH:mm:ssZ', 'YYYY-MM-DDTHH:mm:ss.SSSZ'],
  ...['YYYY-MM-DD HH:mm', 'YYYY-MM-DDTHH:mm', 'YYYY-MM-DD HH:mm:ssZ', 'YYYY-MM-DD HH:mm:ss.SSS', 'YYYY/MM/DD HH:mm:ss'],
  ...['M/D/YYYY H:mm', 'M/D/YY H:mm', 'M/D/YYYY HH:mm', 'MM/DD/YYYY HH:mm', 'MM/DD/YYYY HH:mm:ss', 'M/D/YYYY h:mm AM'],
  ...['M/D/YYYY h:mm:ss AM', 'DD.MM.YYYY HH:mm', 'DD/MM/YYYY HH:mm', 'YYYY-MM-DD'],
].map(compileFormat);
/** A time of day somewhere in longer text, as in `12/01/2011 7:10 a.m.` */
const TIME_WITHIN = /(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap])?\.?\s*(?:m\b\.?)?/i;

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

function numberChecker(
  type: 'integer' | 'number',
  unit: string | undefined,
  values: readonly string[],
): (text: string) => ValueFault | undefined {
  const fits = type === 'integer' ? INTEGER : NUMBER;
  // Trailing zeros are dropped from a suggestion unless the column's own plain numbers carry them.
  const keepsZeros = values.some((text) => NUMBER.test(text) && /\.\d*0$/.test(text));
  return (text) => {
    if (fits.test(text)) return undefined;
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

/**
 * A decimal of 15 or more significant digits that 12 digits write much shorter is a binary fraction printed in full
 * (0.055999999999999994 for 0.056): doubles carry 15 to 17 decimal digits, so the tail says nothing.
 */
function withoutFloatNoise(plain: string): string {
  const digits = plain.replace(/^[+-]?0*\.?0*|\./g, '');
  if (!plain.includes('.') || digits.length < 15) return plain;
  const short = String(Number(Number(plain).toPrecision(12)));
  return short.length + 3 <= plain.length ? short : plain;
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

function momentChecker(
  type: 'date' | 'time' | 'datetime',
  source: string | undefined,
  values: readonly string[],
  counts: ArrayLike<number>,
): (text: string) => ValueFault | undefined {
  const format = source === undefined ? commonestFormat(type, values, counts) : compileFormat(source);
  if (format === undefined) return () => undefined;
  const isStrict = padsAsDeclared(format, values, counts);
  return (text) => {
    const parts = format.parseLoosely(text);
    if (parts !== undefined && (!isStrict || format.parse(text) !== undefined)) return undefined;
    const suggested = format.render(parts ?? readMoment(type, text) ?? {});
    return {
      kind: 'format',
      evidence: `not written as ${format.source}`,
      ...(suggested === undefined || suggested === text ? {} : { suggested }),
    };
  };
}

/**
 * Whether most values that show it are padded with zeros as the format says. A declared `MM/DD/YY` over data written
 * `M/D/YY` is a loosely written contract, not a column of errors.
 */
function padsAsDeclared(format: MomentFormat, values: readonly string[], counts: ArrayLike<number>): boolean {
  const bare = (text: string | undefined): string => (text ?? '').replace(/(?<!\d)0(?=\d)/g, '');
  let [declared, other] = [0, 0];
  values.forEach((text, code) => {
    const parts = format.parseLoosely(text);
    if (parts === undefined) return;
    if (format.parse(text) !== undefined) declared += format.showsPadding(parts) ? counts[code] : 0;
    else if (bare(format.render(parts)) === bare(text)) other += counts[code];
  });
  return declared >= other;
}

/** Of the well-known formats of the type, the one that fits most rows; `undefined` if none fits any. */
function commonestFormat(
  type: 'date' | 'time' | 'datetime',
  values: readonly string[],
  counts: ArrayLike<number>,
): MomentFormat | undefined {
  const known = { date: KNOWN_DATES, time: KNOWN_TIMES, datetime: KNOWN_DATETIMES }[type];
  let best: MomentFormat | undefined;
  let most = 0;
  for (const format of known) {
    const rows = values.reduce((sum, text, code) => sum + (format.parse(text) === undefined ? 0 : counts[code]), 0);
    if (rows > most) [best, most] = [format, rows];
  }
  return best;
}

/** Reads a date or time written in any well-known way. */
function readMoment(type: 'date' | 'time' | 'datetime', text: string): MomentParts | undefined {
  if (type !== 'time') {
    for (const format of KNOWN_DATES) {
      const parts = format.parseLoosely(text);
      if (parts !== undefined) return parts;
    }
    if (type === 'date') return undefined;
  }
  const match = TIME_WITHIN.exec(text);
  if (match === null) return undefined;
  const half = (match[4] as string | undefined)?.toLowerCase();
  const clock = Number(match[1]);
  const hour = half === undefined ? clock : (clock % 12) + (half === 'p' ? 12 : 0);
  if (hour > 23 || Number(match[2]) > 59 || (half !== undefined && clock > 12)) return undefined;
  return { hour, minute: Number(match[2]), second: Number((match[3] as string | undefined) ?? 0) };
}

function rangeChecker(rule: ColumnRule, type: ColumnRule['type']): (text: string) => ValueFault | undefined {
  if (rule.min === undefined && rule.max === undefined) return () => undefined;
  const isMoment = type === 'date' || type === 'datetime' || type === 'time';
  const own = rule.format === undefined ? [] : [compileFormat(rule.format)];
  const rank = (value: number | string): number =>
    isMoment ? momentRank(String(value), [...own, ...KNOWN_DATES, ...KNOWN_TIMES, ...KNOWN_DATETIMES]) : Number(value);
  const low = rule.min === undefined ? -Infinity : rank(rule.min);
  const high = rule.max === undefined ? Infinity : rank(rule.max);
  return (text) => {
    const value = rank(text);
    // A bound or a value that cannot be ranked cannot be compared; the type check has already spoken about it.
    if (!(value < low) && !(value > high)) return undefined;
    return { kind: 'range', evidence: `outside [${String(rule.min ?? '-inf')}, ${String(rule.max ?? 'inf')}]` };
  };
}

/** Reads a date as days since 1970, in the declared format or any well-known one; NaN where none fits. */
export function momentReader(format: string | undefined): (text: string) => number {
  const own = format === undefined ? [] : [compileFormat(format)];
  const formats = [...own, ...KNOWN_DATES, ...KNOWN_DATETIMES];
  return (text) => momentRank(text, formats) / 86_400_000;
}

/**
 * Reads the moments of a column for comparison: in the declared format, else the one that fits most of its rows, else
 * any well-known one. Milliseconds since 1970, of times since midnight; NaN where none fits.
 */
export function momentRanker(
  type: 'date' | 'time' | 'datetime',
  format: string | undefined,
  values: readonly string[],
  counts: ArrayLike<number>,
): (text: string) => number {
  const own = format === undefined ? commonestFormat(type, values, counts) : compileFormat(format);
  const formats = [...(own === undefined ? [] : [own]), ...KNOWN_DATES, ...KNOWN_TIMES, ...KNOWN_DATETIMES];
  return (text) => momentRank(text, formats);
}

/** Milliseconds of a moment read in the first format that fits; absent parts as on 1 January 1970, 00:00. */
function momentRank(text: string, formats: readonly MomentFormat[]): number {
  for (const format of formats) {
    const parts = format.parseLoosely(text);
    if (parts === undefined) continue;
    const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second);
  }
  return NaN;
}
