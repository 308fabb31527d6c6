/** What the made tables of the error benchmark are built of: natures of columns, draws, words, and the table itself. */
import type { CleanTable, ColumnNature } from './error-injection.js';

export type Random = () => number;
export type Field = readonly [name: string, nature: ColumnNature, declared?: object];

export const text: ColumnNature = { is: 'text' };
export const kind: ColumnNature = { is: 'class' };
export const code: ColumnNature = { is: 'code' };
export const number: ColumnNature = { is: 'number' };
export const whole: ColumnNature = { is: 'number', whole: true };
export const of = (is: 'date' | 'time' | 'datetime', format: string): ColumnNature => ({ is, format });

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];
/** Early entries are common, late ones rare: real categories are skewed. */
export const skewed = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() ** 2 * from.length)];
export const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));
export const pad = (value: number, width: number): string => String(value).padStart(width, '0');
export const digits = (random: Random, count: number): string =>
  Array.from({ length: count }, () => integer(random, 0, 9)).join('');
export const letters = (random: Random, count: number): string =>
  Array.from({ length: count }, () => pick(random, Array.from('ABCDEFGHJKLMNPRSTUVWXYZ'))).join('');
export const hex = (random: Random, count: number): string =>
  Array.from({ length: count }, () => integer(random, 0, 15).toString(16)).join('');
/** A sum of twelve uniforms less six: nearly normal. */
export const normal = (random: Random): number => Array.from({ length: 12 }, random).reduce((a, b) => a + b, -6);
export const many = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
export const DAY_MS = 86_400_000;

const SYLLABLES = 'ba be bo ca co da de do fa fi ga go ha ka ki la le li lo ma me mi mo na ne no pa pe ra re ri ro sa se si ta te ti to va vi'.split(' '); // prettier-ignore
export const word = (random: Random): string => {
  const made = many(integer(random, 2, 3), () => pick(random, SYLLABLES)).join('') + pick(random, ['', 'n', 'r', 's']);
  return made[0].toUpperCase() + made.slice(1);
};
export const phrase = (random: Random, least: number, most: number): string =>
  many(integer(random, least, most), () => word(random)).join(' ');

export function table(
  name: string,
  fields: readonly Field[],
  rows: readonly (readonly (string | number)[])[],
  more: Partial<CleanTable> = {},
): CleanTable {
  return {
    name: `${name} (made)`,
    columns: fields.map(([column]) => column),
    natures: fields.map(([, nature]) => nature),
    rows: rows.map((row) => row.map(String)),
    declared: Object.fromEntries(fields.flatMap(([column, , rule]) => (rule === undefined ? [] : [[column, rule]]))),
    decided: [],
    ...more,
  };
}
