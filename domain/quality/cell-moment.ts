/**
 * Dates and times of one column as text: what its own format is, what was meant by values in another, and where a value
 * lies on the line of time. Works on distinct values with their row counts.
 */
import { isBlank, isMissingSpelling } from './cell-table.js';
import { compileFormat, type MomentFormat, type MomentParts } from './format.js';

/** A value in another format, and how it would be written if it can be read. */
export interface FormatFault {
  readonly kind: 'format';
  readonly evidence: string;
  readonly suggested?: string;
}

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

/**
 * Builds the check of a column of dates or times: the fault of a value that is not written in the declared format, else
 * in the commonest; `undefined` for one that is.
 */
export function momentChecker(
  type: 'date' | 'time' | 'datetime',
  source: string | undefined,
  values: readonly string[],
  counts: ArrayLike<number>,
): (text: string) => FormatFault | undefined {
  const format = source === undefined ? commonestFormat(type, values, counts) : compileFormat(source);
  if (format === undefined) return () => undefined;
  const isStrict = padsAsDeclared(format, values, counts);
  const read = foreignReader(type, values);
  return (text) => {
    const parts = format.parseLoosely(text);
    if (parts !== undefined && (!isStrict || format.parse(text) !== undefined)) return undefined;
    const suggested = format.render(parts ?? read(text) ?? {});
    return {
      kind: 'format',
      evidence: `not written as ${format.source}`,
      ...(suggested === undefined || suggested === text ? {} : { suggested }),
    };
  };
}

/** Two small numbers and a year: day and month, or month and day. */
const TWO_WAYS = /^\s*(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d{2})(?!\d)/;

/**
 * Reads moments in formats other than the declared one. `5/6/2020` can be read in two ways: as those of the column's
 * values in this form that can be read in one way only, and not at all where there are none or they disagree.
 */
function foreignReader(
  type: 'date' | 'time' | 'datetime',
  values: readonly string[],
): (text: string) => MomentParts | undefined {
  const orderOf = (text: string): 'day' | 'month' | 'either' | undefined => {
    const [, first, , second] = TWO_WAYS.exec(text) ?? [];
    if (first === undefined) return undefined;
    if (Number(first) > 12) return 'day';
    return Number(second) > 12 ? 'month' : 'either';
  };
  const orders = new Set(values.map(orderOf));
  const order = orders.has('day') === orders.has('month') ? undefined : orders.has('day') ? 'day' : 'month';
  return (text) => {
    if (type === 'time' || orderOf(text) !== 'either') return readMoment(type, text);
    const [, first, mark, second, year] = TWO_WAYS.exec(text)!;
    if (order === undefined && first !== second) return undefined;
    const rest = text.trimStart().slice(first.length + second.length + year.length + 2);
    return readMoment(type, order === 'day' ? [second, mark, first, mark, year, rest].join('') : text);
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

/**
 * The type and commonest format of an undeclared column whose values are nearly all dates or times of well-known formats:
 * at least 95 % of its present rows, two in three of them in that one format. `undefined` for any other.
 */
export function impliedMoment(
  values: readonly string[],
  counts: ArrayLike<number>,
): 'date' | 'time' | 'datetime' | undefined {
  const present = values.flatMap((text, code) =>
    counts[code] === 0 || isBlank(text) || isMissingSpelling(text) ? [] : [{ text, rows: counts[code] }],
  );
  // Only what has digits and marks between them is tried, and a few values first: a format is costly to try.
  if (present.length < MOMENTS_MIN) return undefined;
  const step = Math.ceil(present.length / MOMENTS_TRIED);
  const tried = present.filter((_, at) => at % step === 0);
  const total = present.reduce((sum, { rows }) => sum + rows, 0);
  for (const type of ['date', 'time', 'datetime'] as const) {
    const known = { date: KNOWN_DATES, time: KNOWN_TIMES, datetime: KNOWN_DATETIMES }[type];
    const reads = ({ text }: { text: string }): boolean =>
      known.some((format) => format.parseLoosely(text) !== undefined);
    if (tried.filter(reads).length < COMMON_FORMAT_SHARE * tried.length) continue;
    const readable = present.filter(reads);
    if (rowsOf(readable) < READABLE_SHARE * total) continue;
    const most = Math.max(
      ...known.map((format) => rowsOf(readable.filter(({ text }) => format.parseLoosely(text) !== undefined))),
    );
    if (most >= COMMON_FORMAT_SHARE * total) return type;
  }
  return undefined;
}

/** Different moments that a column has at least, and how many values are tried before all are. */
const MOMENTS_MIN = 8;
const MOMENTS_TRIED = 60;
/** Share of the rows in the column's own format (it leads all others by two to one), and of those that can be read at all. */
const COMMON_FORMAT_SHARE = 2 / 3;
const READABLE_SHARE = 0.95;

const rowsOf = (entries: readonly { readonly rows: number }[]): number =>
  entries.reduce((sum, { rows }) => sum + rows, 0);

/** Reads a date or time written in any well-known way. */
function readMoment(type: 'date' | 'time' | 'datetime', text: string): MomentParts | undefined {
  if (type !== 'time') {
    for (const format of KNOWN_DATES) {
      const parts = format.parseLoosely(text);
      if (parts !== undefined) return parts;
    }
    if (type === 'date') return undefined;
    for (const format of KNOWN_DATETIMES) {
      const parts = format.parseLoosely(text);
      if (parts !== undefined) return parts;
    }
  }
  const match = TIME_WITHIN.exec(text);
  if (match === null) return undefined;
  const half = (match[4] as string | undefined)?.toLowerCase();
  const clock = Number(match[1]);
  const hour = half === undefined ? clock : (clock % 12) + (half === 'p' ? 12 : 0);
  if (hour > 23 || Number(match[2]) > 59 || (half !== undefined && clock > 12)) return undefined;
  return { hour, minute: Number(match[2]), second: Number((match[3] as string | undefined) ?? 0) };
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

/** Reads a moment in the declared format or any well-known one; milliseconds as of `momentRanker`. */
export function momentPlacer(format: string | undefined): (text: string) => number {
  const own = format === undefined ? [] : [compileFormat(format)];
  const formats = [...own, ...KNOWN_DATES, ...KNOWN_TIMES, ...KNOWN_DATETIMES];
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
