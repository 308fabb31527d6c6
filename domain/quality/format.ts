/**
 * Date and time formats as people write them (`M/D/YY`, `h:mm a.m.`, `YYYY-MM-DD`) or as strftime (`%m/%d/%y`):
 * compiled once, then used to test, to read and to write values.
 */
import { usageError } from '../types/errors.js';

/** The parts of a moment; absent where the format has no place for them. `hour` is 0-23, `month` 1-12. */
export interface MomentParts {
  readonly year?: number;
  readonly month?: number;
  readonly day?: number;
  readonly hour?: number;
  readonly minute?: number;
  readonly second?: number;
}

export interface MomentFormat {
  readonly source: string;
  /** Reads a value written exactly so; `undefined` if it is not, or if it names no real moment (31 February). */
  readonly parse: (text: string) => MomentParts | undefined;
  /** Like `parse`, but with or without leading zeros, in any letter case. */
  readonly parseLoosely: (text: string) => MomentParts | undefined;
  /** Regular expression of what `parseLoosely` reads, for engines that have no other way; letter case does not count. */
  readonly loosePattern: string;
  /** Writes the parts so; `undefined` if a part that the format needs is absent. */
  readonly render: (parts: MomentParts) => string | undefined;
  /**
   * Whether a value with these parts, written so, shows if the format pads with zeros: a month, day or hour below 10
   * stands in digits. Always true for a format without such a field.
   */
  readonly showsPadding: (parts: MomentParts) => boolean;
}

export const MONTH_NAMES = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
/** Two-digit years below this are 20xx, the others 19xx: the POSIX strptime rule. */
const PIVOT_YEAR = 69;

type Field = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'meridiem' | 'ignored';

interface Token {
  readonly field: Field | null;
  /** Written in letters. */
  readonly isWord?: boolean;
  /** Pattern of an exact value, and of one with any padding. */
  readonly strict: string;
  readonly loose: string;
  readonly read: (text: string) => number;
  readonly write: (parts: MomentParts) => string | undefined;
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');
const capital = (word: string): string => word[0].toUpperCase() + word.slice(1);

function numeric(
  field: Exclude<Field, 'meridiem' | 'ignored'>,
  width: 1 | 2 | 4,
  read: (text: string) => number = Number,
): Token {
  const strict = width === 1 ? '(?:0|[1-9]\\d?)' : `\\d{${width}}`;
  return {
    field,
    strict,
    loose: width === 4 ? '\\d{4}' : '\\d{1,2}',
    read,
    write: (parts) => {
      const value = parts[field];
      return value === undefined ? undefined : pad(width === 2 ? value % 100 : value, width);
    },
  };
}

function hour12(width: 1 | 2): Token {
  return {
    ...numeric('hour', width),
    write: ({ hour }) => (hour === undefined ? undefined : pad(hour % 12 === 0 ? 12 : hour % 12, width)),
  };
}

function monthName(short: boolean): Token {
  const names = MONTH_NAMES.map((name) => (short ? name.slice(0, 3) : name));
  return {
    field: 'month',
    isWord: true,
    strict: `(?:${names.map(capital).join('|')})`,
    loose: `(?:${MONTH_NAMES.map((name) => `${name}|${name.slice(0, 3)}`).join('|')})\\.?`,
    read: (text) => MONTH_NAMES.findIndex((name) => name.startsWith(text.toLowerCase().slice(0, 3))) + 1,
    write: ({ month }) => (month === undefined ? undefined : capital(names[month - 1])),
  };
}

function weekday(short: boolean): Token {
  const names = WEEKDAYS.map((name) => (short ? name.slice(0, 3) : name));
  return {
    field: 'ignored',
    strict: `(?:${names.map(capital).join('|')})`,
    loose: `(?:${names.join('|')})`,
    read: () => 0,
    write: ({ year, month, day }) =>
      year === undefined || month === undefined || day === undefined
        ? undefined
        : capital(names[new Date(Date.UTC(year, month - 1, day)).getUTCDay()]),
  };
}

function meridiem(sample: string): Token {
  const write = (half: 'a' | 'p'): string => {
    const dots = sample.includes('.');
    const text = sample.length === 1 ? half : dots ? `${half}.m.` : `${half}m`;
    return /[AP]/.test(sample) ? text.toUpperCase() : text;
  };
  return {
    field: 'meridiem',
    strict: `(?:${[write('a'), write('p')].map(escapePattern).join('|')})`,
    loose: '[ap]\\.?(?:m\\.?)?',
    read: (text) => (/^p/i.test(text) ? 12 : 0),
    write: ({ hour }) => (hour === undefined ? undefined : write(hour < 12 ? 'a' : 'p')),
  };
}

/** A fraction of a second in `digits` digits; it is checked, not kept. */
function fraction(digits: number): Token {
  return {
    field: 'ignored',
    strict: `\\d{${digits}}`,
    loose: '\\d{1,9}',
    read: () => 0,
    write: () => '0'.repeat(digits),
  };
}

/** `Z` or an offset from UTC; it is checked, not kept. */
function zone(): Token {
  const pattern = '(?:Z|[+-]\\d{2}(?::?\\d{2})?)';
  return { field: 'ignored', strict: pattern, loose: pattern, read: () => 0, write: () => 'Z' };
}

function literal(text: string): Token {
  const pattern = escapePattern(text);
  return {
    field: null,
    strict: pattern,
    loose: /^\s+$/.test(text) ? '\\s*' : pattern,
    read: () => 0,
    write: () => text,
  };
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

const STRFTIME: ReadonlyMap<string, () => Token> = new Map(
  Object.entries({
    Y: () => numeric('year', 4),
    y: () => numeric('year', 2, readShortYear),
    m: () => numeric('month', 2),
    '-m': () => numeric('month', 1),
    d: () => numeric('day', 2),
    '-d': () => numeric('day', 1),
    e: () => numeric('day', 1),
    H: () => numeric('hour', 2),
    '-H': () => numeric('hour', 1),
    I: () => hour12(2),
    '-I': () => hour12(1),
    M: () => numeric('minute', 2),
    S: () => numeric('second', 2),
    p: () => meridiem('AM'),
    P: () => meridiem('am'),
    b: () => monthName(true),
    B: () => monthName(false),
    a: () => weekday(true),
    A: () => weekday(false),
    f: () => fraction(6),
    z: () => zone(),
  }),
);

function readShortYear(text: string): number {
  return text.length > 2 ? Number(text) : Number(text) + (Number(text) < PIVOT_YEAR ? 2000 : 1900);
}

function tokenizeStrftime(source: string): Token[] {
  const expanded = source
    .replace(/%F/g, '%Y-%m-%d')
    .replace(/%T/g, '%H:%M:%S')
    .replace(/%R/g, '%H:%M')
    .replace(/%D/g, '%m/%d/%y');
  const tokens: Token[] = [];
  for (const [piece] of expanded.matchAll(/%-?[A-Za-z%]|[^%]+|%/g)) {
    const directive = STRFTIME.get(piece.slice(1));
    if (!piece.startsWith('%')) tokens.push(literal(piece));
    else if (piece === '%%') tokens.push(literal('%'));
    else if (directive === undefined) throw badFormat(source, piece);
    else tokens.push(directive());
  }
  return tokens;
}

/**
 * Letters of a written format. `m` is minutes after an hour, months otherwise; a capital `M` is minutes only directly
 * after `:` (people write `HH:MM`). `a.m.`, `am`, `AM`, `a`, `tt` stand for the half of the day; `[...]` and `'...'`
 * quote literal text; `SSS` is a fraction of a second; `X`, or `Z` at the end of the time, is `Z` or an offset.
 */
function tokenizeWritten(source: string): Token[] {
  const lexer =
    /\[[^\]]*\]|'[^']*'|X{1,3}|S{3,9}|(?<=[s.\d])Z{1,2}(?![a-z])|[ap]\.m\.(?:\/[ap]\.m\.)?|[ap]m(?:\/[ap]m)?|tt|(?<![a-z])[ap](?![a-z])|y{4}|y{2}|m{1,4}|d{1,4}|h{1,2}|s{1,2}|[^a-z['\d]+|./gi;
  const isHalf = (piece: string): boolean =>
    /^(?:[ap]|[ap]m|[ap]\.m\.|tt|[ap]m\/[ap]m|[ap]\.m\.\/[ap]\.m\.)$/i.test(piece);
  const pieces = [...source.matchAll(lexer)].map(([piece]) => piece);
  const half = pieces.some(isHalf);
  let hourSeen = false;
  return pieces.map((piece, at) => {
    if (/^[['].*[\]']$/.test(piece)) return literal(piece.slice(1, -1));
    if (/^(?:X{1,3}|Z{1,2})$/.test(piece)) return zone();
    if (/^S{3,9}$/.test(piece)) return fraction(piece.length);
    if (isHalf(piece)) return meridiem(piece === 'tt' ? 'AM' : piece.split('/')[0]);
    if (!/^(?:y{4}|y{2}|m{1,4}|d{1,4}|h{1,2}|s{1,2})$/i.test(piece)) return literal(piece);
    hourSeen ||= /^h/i.test(piece);
    const isMinute = hourSeen && (piece.startsWith('m') || (at > 0 && pieces[at - 1] === ':'));
    return writtenField(piece, isMinute, half);
  });
}

function writtenField(letters: string, isMinute: boolean, half: boolean): Token {
  const width = letters.length === 1 ? 1 : 2;
  switch (letters[0].toLowerCase()) {
    case 'y':
      return letters.length === 4 ? numeric('year', 4) : numeric('year', 2, readShortYear);
    case 'd':
      return letters.length > 2 ? weekday(letters.length === 3) : numeric('day', width);
    case 'h':
      return half ? hour12(width) : numeric('hour', width);
    case 's':
      return numeric('second', width);
    default:
      if (letters.length > 2) return monthName(letters.length === 3);
      return isMinute ? numeric('minute', width) : numeric('month', width);
  }
}

function badFormat(source: string, piece: string): Error {
  return usageError({
    type: 'InvalidFormat',
    message: `the format "${source}" cannot be read at "${piece}"`,
    expected: 'a format such as M/D/YY, YYYY-MM-DD, h:mm a.m. or strftime such as %m/%d/%y',
    got: source,
  });
}

/**
 * Compiles a format.
 *
 * @param source as written by a person, or strftime if it contains `%`
 * @throws BalanceError `InvalidFormat` if it holds no date or time field, or an unknown strftime directive
 */
export function compileFormat(source: string): MomentFormat {
  const tokens = source.includes('%') ? tokenizeStrftime(source) : tokenizeWritten(source);
  if (!tokens.some((token) => token.field !== null)) throw badFormat(source, source);
  const padded = tokens.filter(({ field, isWord }) => !isWord && ['month', 'day', 'hour'].includes(field ?? ''));
  const strict = new RegExp(`^${tokens.map((token) => `(${token.strict})`).join('')}$`);
  const loose = new RegExp(`^\\s*${tokens.map((token) => `(${token.loose})`).join('\\s*')}\\s*$`, 'i');
  return {
    source,
    parse: (text) => readParts(tokens, strict.exec(text)),
    loosePattern: loose.source,
    parseLoosely: (text) => readParts(tokens, loose.exec(text)),
    render: (parts) => {
      const pieces = tokens.map((token) => token.write(parts));
      return pieces.includes(undefined) ? undefined : pieces.join('');
    },
    showsPadding: (parts) => padded.length === 0 || padded.some((token) => /^0?\d$/.test(token.write(parts) ?? '')),
  };
}

function readParts(tokens: readonly Token[], match: RegExpExecArray | null): MomentParts | undefined {
  if (match === null) return undefined;
  const parts: Record<string, number> = {};
  let half: number | undefined;
  tokens.forEach((token, index) => {
    if (token.field === 'meridiem') half = token.read(match[index + 1]);
    else if (token.field !== null && token.field !== 'ignored') parts[token.field] = token.read(match[index + 1]);
  });
  if (half !== undefined && 'hour' in parts) {
    if (parts.hour < 1 || parts.hour > 12) return undefined;
    parts.hour = (parts.hour % 12) + half;
  }
  return isRealMoment(parts) ? parts : undefined;
}

function isRealMoment({ year, month, day, hour, minute, second }: MomentParts): boolean {
  if (month !== undefined && (month < 1 || month > 12)) return false;
  // Without a year, 29 February may be real: 2000 is a leap year.
  const daysInMonth = month === undefined ? 31 : new Date(Date.UTC(year ?? 2000, month, 0)).getUTCDate();
  if (day !== undefined && (day < 1 || day > daysInMonth)) return false;
  return (hour ?? 0) < 24 && (minute ?? 0) < 60 && (second ?? 0) <= 60;
}
