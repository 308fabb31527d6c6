/**
 * Systematic errors: about half of a table's columns have one habit each of a source that writes otherwise (another
 * date format, a unit, a lost zero, blanks around, another code page, values of the wrong row), in 1 to 30 % of the rows.
 */
import { compileFormat } from '../domain/quality/format.js';
import {
  FOREIGN_FORMATS,
  misread,
  misspell,
  type CleanTable,
  type DirtyTable,
  type ErrorKind,
} from './error-injection.js';

type Random = () => number;
type Change = (text: string) => string | undefined;
type Habit = readonly [kind: ErrorKind, change: Change, most?: number];

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];
const SHARE_MIN = 0.01;
const SHARE_MAX = 0.3;
/** A column whose every cell is as likely wrong as right tells nothing: lies and typing errors stay rarer. */
const LIES_MAX = 0.08;

function habitsOf(table: CleanTable, column: number, values: readonly string[], random: Random): Habit[] {
  const nature = table.natures[column];
  const nullWord = pick(random, ['N/A', 'NULL', '-', 'unknown', 'None']);
  const habits: Habit[] = [['null word', () => nullWord]];
  if (table.decided.includes(table.columns[column]))
    habits.push(['dependency', () => pick(random, values), LIES_MAX], ['null word', () => '']);
  switch (nature.is) {
    case 'date':
    case 'time':
    case 'datetime': {
      const own = compileFormat(nature.format);
      const foreign = compileFormat(
        pick(
          random,
          FOREIGN_FORMATS[nature.is].filter((f) => f !== nature.format),
        ),
      );
      const rewrite: Change = (text) => foreign.render(own.parse(text) ?? own.parseLoosely(text) ?? {});
      return [...habits, ['format', rewrite], ['format', rewrite]];
    }
    case 'number': {
      const scale = pick(random, [10, 100, 1000]);
      const unit = nature.unit ?? pick(random, ['kg', '%', 'EUR', 'km']);
      const gap = pick(random, [' ', '']);
      return [
        ...habits,
        ['unit', (text) => text + gap + unit],
        ['format', (text) => (text.includes('.') ? text.replace('.', ',') : undefined)],
        ['format', (text) => (Math.abs(Number(text)) >= 1000 ? Number(text).toLocaleString('en-US') : undefined)],
        [
          'outlier',
          (text) => (Number(text) === 0 ? undefined : String(Number((Number(text) * scale).toPrecision(12)))),
          0.02,
        ],
        ['sentinel', () => '-999'],
      ];
    }
    case 'code':
      return [
        ...habits,
        ['format', (text) => text.replace(/[^\p{L}\p{N}]/gu, '')],
        ['format', (text) => `#${text}`],
        ['format', (text) => (/^0\d*$/.test(text) ? text.replace(/^0+/, '') : undefined)],
      ];
    default:
      return [
        ...habits,
        ['case', (text) => text.toLowerCase()],
        ['case', (text) => text.toUpperCase()],
        ['space', (text) => `${text} `],
        ['encoding', misread],
        ['format', (text) => `${text}*`],
        ['typo', (text) => misspell(text, random), LIES_MAX],
      ];
  }
}

/** The table after its sources' habits; every changed cell is known by its kind. */
export function injectHabits(table: CleanTable, random: Random): DirtyTable {
  const errors = new Map<number, ErrorKind>();
  const rows = table.rows.map((row) => [...row]);
  table.columns.forEach((_, column) => {
    if (random() < 0.5) return;
    const values = [...new Set(table.rows.map((row) => row[column]))].filter((text) => text !== '');
    const [kind, change, most = SHARE_MAX] = pick(random, habitsOf(table, column, values, random));
    const share = SHARE_MIN * (most / SHARE_MIN) ** random();
    rows.forEach((row, at) => {
      if (row[column] === '' || random() >= share) return;
      const wrong = change(row[column]);
      if (wrong === undefined || wrong === row[column]) return;
      row[column] = wrong;
      errors.set(at * table.columns.length + column, kind);
    });
  });
  return { rows, errors };
}
