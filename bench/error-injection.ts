/** Seeded errors of the kinds that real tables carry, put into a clean table; every changed cell is known by its kind. */
import { compileFormat } from '../domain/quality/format.js';

/** What one column holds, for the errors that suit it and for the contract that its owner would write. */
export type ColumnNature =
  | { readonly is: 'text' }
  /** Values of few kinds (a state, a genre). */
  | { readonly is: 'class' }
  /** An identifier written in digits and marks. */
  | { readonly is: 'code' }
  | { readonly is: 'number'; readonly whole?: boolean; readonly unit?: string }
  | { readonly is: 'date' | 'time' | 'datetime'; readonly format: string };

export interface CleanTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly natures: readonly ColumnNature[];
  /** Columns that others decide: the errors of kind `dependency` go there. */
  readonly decided: readonly string[];
  /** Columns whose cells may be exchanged within a row. */
  readonly exchanged?: readonly [string, string];
  /** Dependencies that the owner would declare. */
  readonly dependencies?: readonly string[];
  /** Further facts that the owner would declare, by column: patterns, ranges, values. */
  readonly declared?: Readonly<Record<string, object>>;
  readonly unique?: readonly (readonly string[])[];
  readonly rules?: readonly string[];
}

export const ERROR_KINDS = [
  'typo',
  'case',
  'space',
  'null word',
  'sentinel',
  'format',
  'unit',
  'outlier',
  'dependency',
  'swap',
  'encoding',
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface DirtyTable {
  readonly rows: readonly (readonly string[])[];
  /** Kind of each changed cell by `row * columns + column`. */
  readonly errors: ReadonlyMap<number, ErrorKind>;
}

type Random = () => number;
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';

/** One slip of the keyboard (Damerau 1964): a letter replaced, lost, doubled in, or two exchanged. */
export function misspell(text: string, random: Random): string {
  const places = Array.from(text).flatMap((letter, at) => (/\p{L}/u.test(letter) ? [at] : []));
  if (places.length < 4) return text;
  const at = pick(random, places);
  const letter = pick(random, Array.from(ALPHABET));
  switch (Math.floor(random() * 4)) {
    case 0:
      return text.slice(0, at) + letter + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + letter + text.slice(at);
    default:
      return text.slice(0, at) + (text[at + 1] ?? '') + text[at] + text.slice(at + 2);
  }
}

/** UTF-8 read as Latin-1. */
export function misread(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
}

export const FOREIGN_FORMATS = {
  datetime: [
    'YYYY-MM-DD HH:mm:ss',
    'M/D/YYYY H:mm',
    'YYYY-MM-DDTHH:mm:ssZ',
    'DD.MM.YYYY HH:mm',
    'MM/DD/YYYY hh:mm:ss AM',
  ],
  date: ['YYYY/MM/DD', 'D MMMM YYYY', 'M/D/YYYY', 'D.M.YYYY', 'MMMM D, YYYY', 'YYYY-MM-DD'],
  time: ['HH:mm', 'h:mm a.m.', 'h:mm AM'],
};

function reformat(text: string, nature: ColumnNature, random: Random): string {
  if (nature.is === 'number') {
    if (Math.abs(Number(text)) >= 1000) return Number(text).toLocaleString('en-US', { maximumFractionDigits: 6 });
    return random() < 0.5 ? `$${text}` : `${text}?`;
  }
  if (nature.is === 'code') return random() < 0.5 ? `(${text})` : text.replace(/[-\d]$/, (last) => `/${last}`);
  if (nature.is === 'text' || nature.is === 'class') return text;
  const parts = compileFormat(nature.format).parseLoosely(text);
  const foreign = FOREIGN_FORMATS[nature.is].filter((format) => format !== nature.format);
  return (parts && compileFormat(pick(random, foreign)).render(parts)) ?? text;
}

function sentinel(nature: ColumnNature, random: Random): string | undefined {
  if (nature.is === 'number') return pick(random, ['999', '-1', '9999', '-999', '99999']);
  if (nature.is === 'date') return compileFormat(nature.format).render({ year: 1900, month: 1, day: 1 });
  return undefined;
}

function outlier(text: string, random: Random): string {
  const value = Number(text);
  if (!(Math.abs(value) > 0)) return text;
  const wrong = pick(random, [value * 10, value * 100, -value, value * 1000]);
  return String(Number(wrong.toPrecision(12)));
}

/** The cell after one error of this kind; the same text where the kind does not suit it. */
function corrupt(
  kind: ErrorKind,
  table: CleanTable,
  row: readonly string[],
  column: number,
  values: readonly string[],
  random: Random,
): string {
  const text = row[column];
  const nature = table.natures[column];
  const isWords = nature.is === 'text' || nature.is === 'class';
  if (text === '') return text;
  switch (kind) {
    case 'typo':
      return isWords ? misspell(text, random) : text;
    case 'case':
      return isWords ? (random() < 0.5 ? text.toUpperCase() : text.toLowerCase()) : text;
    case 'space':
      return isWords ? pick(random, [` ${text}`, `${text} `, text.replace(' ', '  ')]) : text;
    case 'null word':
      return pick(random, ['N/A', '-', 'unknown', '?', 'NULL', 'nan']);
    case 'sentinel':
      return sentinel(nature, random) ?? text;
    case 'format':
      return reformat(text, nature, random);
    case 'unit':
      return nature.is === 'number' ? `${text}${pick(random, [' ', ''])}${nature.unit ?? 'units'}` : text;
    case 'outlier':
      return nature.is === 'number' ? outlier(text, random) : text;
    case 'dependency':
      return table.decided.includes(table.columns[column]) ? pick(random, values) : text;
    case 'swap':
      return text;
    case 'encoding':
      return misread(text);
  }
}

/**
 * @param share cells of the table that go wrong, spread evenly over the kinds that suit the table
 */
export function injectErrors(table: CleanTable, share: number, random: Random): DirtyTable {
  const rows = table.rows.map((row) => [...row]);
  const width = table.columns.length;
  const errors = new Map<number, ErrorKind>();
  const valuesOf = table.columns.map((_, index) => [...new Set(rows.map((row) => row[index]))].filter((v) => v !== ''));
  const perKind = Math.ceil((share * rows.length * width) / ERROR_KINDS.length);
  for (const kind of ERROR_KINDS) {
    let made = 0;
    for (let attempt = 0; attempt < 40 * perKind && made < perKind; attempt++) {
      const at = Math.floor(random() * rows.length);
      if (kind === 'swap') {
        if (table.exchanged === undefined) break;
        const [a, b] = table.exchanged.map((name) => table.columns.indexOf(name));
        const row = rows[at];
        if (errors.has(at * width + a) || errors.has(at * width + b) || row[a] === row[b]) continue;
        [row[a], row[b]] = [row[b], row[a]];
        errors.set(at * width + a, kind).set(at * width + b, kind);
        made += 2;
        continue;
      }
      const column = Math.floor(random() * width);
      if (errors.has(at * width + column)) continue;
      const wrong = corrupt(kind, table, rows[at], column, valuesOf[column], random);
      if (wrong === rows[at][column]) continue;
      rows[at][column] = wrong;
      errors.set(at * width + column, kind);
      made++;
    }
  }
  return { rows, errors };
}

/** The contract that the table's owner would write: types, formats, units, nothing that needs a look at the errors. */
export function ownersContract(table: CleanTable): object {
  const rule = (nature: ColumnNature): object => {
    switch (nature.is) {
      case 'number':
        return { type: nature.whole ? 'integer' : 'number', ...(nature.unit ? { unit: nature.unit } : {}) };
      case 'date':
      case 'time':
      case 'datetime':
        return { type: nature.is, format: nature.format };
      default:
        return { type: 'string' };
    }
  };
  return {
    columns: Object.fromEntries(
      table.columns.map((name, index) => [name, { ...rule(table.natures[index]), ...table.declared?.[name] }]),
    ),
    dependencies: table.dependencies ?? [],
    unique: table.unique ?? [],
    rules: table.rules ?? [],
  };
}
