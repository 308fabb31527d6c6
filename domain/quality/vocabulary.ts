/**
 * The values that the deliveries of a need have had in a column, and which of a new delivery look like misspellings of them.
 *
 * A value that nobody had before proves nothing where new values come all the time (names, titles): the column then has more of them
 * than are kept, and is not judged. Where they are a closed list, a misspelling is unknown *and* a typing error away from a
 * value that is frequent. How often that happens by itself is the column's own history (`usual.ts`).
 */
import { isBlank, isMissingSpelling } from './cell-table.js';
import { digitTemplate, editDistance } from './pattern.js';
import type { Sample } from './sample.js';

/** Rows by value of one column; null: it has more values than are kept, and stays so. */
export type ColumnVocabulary = Readonly<Record<string, number>> | null;
export type Vocabulary = Readonly<Record<string, ColumnVocabulary>>;

/** Values of one column that are kept: more are no list that anybody keeps to. About 8 kB. */
export const VOCABULARY_MAX = 500;
/** A value is frequent from this many rows on: as among the cells of a table (`detector/typo.ts`). */
const FREQUENT_ROWS = 5;
/** One typing error per this many characters, at least one. */
const CHARACTERS_PER_ERROR = 5;
/** Shorter values are a typing error away from too many others. */
const LENGTH_MIN = 4;
/** Examples that are told. */
const EXAMPLES_MAX = 3;

/**
 * The vocabulary with what a delivery had. Merging is associative and commutative: values and their rows add up, and a column
 * that has too many stays open.
 */
export function mergeVocabularies(a: Vocabulary, b: Vocabulary): Vocabulary {
  const columns = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(columns.map((name) => [name, mergeColumns(ownOf(a, name), ownOf(b, name))]));
}

function ownOf(of: Vocabulary, name: string): ColumnVocabulary {
  return Object.hasOwn(of, name) ? of[name] : {};
}

function mergeColumns(known: ColumnVocabulary, more: ColumnVocabulary): ColumnVocabulary {
  if (known === null || more === null) return null;
  const counts = new Map(Object.entries(known));
  for (const [value, rows] of Object.entries(more)) counts.set(value, (counts.get(value) ?? 0) + rows);
  if (counts.size > VOCABULARY_MAX) return null;
  return Object.fromEntries([...counts].sort((x, y) => (x[0] < y[0] ? -1 : 1)));
}

/** The vocabulary of one delivery: of its category columns; one that has more values than its sample names is open. */
export function vocabularyOf({ columns }: Sample): Vocabulary {
  return Object.fromEntries(
    Object.entries(columns).flatMap(([name, column]) => {
      if (column.kind !== 'category') return [];
      const { values, counts, listed } = column;
      return [[name, listed === 'all' ? Object.fromEntries(values.map((value, i) => [value, counts[i]])) : null]];
    }),
  );
}

/** Rows of one column that look misspelt, and some of them with what they are near to. */
export interface Misspelt {
  readonly share: number;
  readonly examples: readonly string[];
}

/** The rows of each column with a closed list of values that look misspelt; columns that cannot be judged are left out. */
export function misspelt(known: Vocabulary, sample: Sample): Readonly<Record<string, Misspelt>> {
  const found = Object.entries(vocabularyOf(sample)).flatMap(([name, values]) => {
    const list = Object.hasOwn(known, name) ? known[name] : null;
    if (list === null || values === null || sample.rows === 0) return [];
    return [[name, misspeltOf(list, values, sample.rows)] as const];
  });
  return Object.fromEntries(found);
}

function misspeltOf(
  known: Readonly<Record<string, number>>,
  values: Readonly<Record<string, number>>,
  rows: number,
): Misspelt {
  const frequent = Object.keys(known).filter((value) => isWord(value) && known[value] >= FREQUENT_ROWS);
  const near = Object.keys(values)
    .sort()
    .flatMap((value) => {
      const meant = Object.hasOwn(known, value) || !isWord(value) ? undefined : nearest(value, frequent);
      return meant === undefined ? [] : [{ value, meant, rows: values[value] }];
    });
  return {
    share: near.reduce((sum, one) => sum + one.rows, 0) / rows,
    examples: near
      .slice(0, EXAMPLES_MAX)
      .map(({ value, meant }) => `${JSON.stringify(value)} beside ${JSON.stringify(meant)}`),
  };
}

/** Numbers and codes differ legitimately; only words are misspelt. */
function isWord(value: string): boolean {
  return value.length >= LENGTH_MIN && /\p{L}/u.test(value) && !isBlank(value) && !isMissingSpelling(value);
}

/** The frequent value that a value is a typing error away from, the first by text of the nearest; values that differ in digits alone are none. */
function nearest(value: string, frequent: readonly string[]): string | undefined {
  const text = digitTemplate(value);
  let least = Math.max(1, Math.floor(text.length / CHARACTERS_PER_ERROR)) + 1;
  let best: string | undefined;
  for (const other of frequent) {
    const distance = editDistance(text, digitTemplate(other), least - 1);
    if (distance > 0 && distance < least) [best, least] = [other, distance];
  }
  return best;
}
