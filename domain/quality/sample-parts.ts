/** What a sample keeps of values that hardly repeat: views of them, as small as a column of numbers or of categories. */
import { hashText } from './sketch.js';
import { LANGUAGE_LETTERS_MIN, languageOf, LOOKS } from './text.js';

interface Held<Value> {
  readonly value: Value;
  readonly rows: number;
}

/** One view of a column's values. */
export type View =
  | { readonly name: string; readonly kind: 'number'; readonly values: readonly Held<number>[] }
  | { readonly name: string; readonly kind: 'category'; readonly values: readonly Held<string>[] };

/** A view over its own bins or values; a later one is counted over the same. Bins are as those of a number column. */
export type SampledPart = { readonly name: string; readonly present: number; readonly counts: readonly number[] } & (
  | { readonly kind: 'number'; readonly edges: readonly number[] }
  | { readonly kind: 'category'; readonly values: readonly string[] }
);

/** Bins of a part: a shift of one row in twenty still shows. A column of vectors has seventeen of them. */
const BINS = 32;
/** Values of a part that are counted by name. */
const NAMED_MAX = 100;
/** Texts whose language is asked for: each takes a quarter of a millisecond, and everybody waits for it. */
const LANGUAGE_TEXTS_MAX = 100;

export function samplePart(view: View): SampledPart {
  const { name } = view;
  const present = rowsOf(view.values);
  if (view.kind === 'category') {
    const values = [...countsOf(view.values)]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .slice(0, NAMED_MAX)
      .map(([value]) => value);
    return { name, kind: 'category', present, values, counts: countOver({ kind: 'category', values }, view) };
  }
  const sorted = [...view.values].sort((a, b) => a.value - b.value);
  const edges: number[] = [];
  let below = 0;
  for (const { value, rows } of sorted) {
    below += rows;
    // The last bin is open: the greatest value is no edge.
    while (edges.length < BINS - 1 && below >= ((edges.length + 1) * present) / BINS) edges.push(value);
  }
  const distinct = [...new Set(edges)];
  return {
    name,
    kind: 'number',
    present,
    edges: distinct,
    counts: countOver({ kind: 'number', edges: distinct }, view),
  };
}

/** A later view over the bins or values of an earlier one. A view that there is no more has no rows. */
export function recountPart(
  part: SampledPart,
  view: View | undefined,
): { readonly counts: number[]; readonly present: number } {
  if (view?.kind !== part.kind) return { counts: part.counts.map(() => 0), present: 0 };
  return { counts: countOver(part, view), present: rowsOf(view.values) };
}

type Bins =
  | { readonly kind: 'number'; readonly edges: readonly number[] }
  | { readonly kind: 'category'; readonly values: readonly string[] };

function countOver(bins: Bins, view: View): number[] {
  if (bins.kind === 'category') {
    const counts = countsOf(view.values as readonly Held<string>[]);
    return bins.values.map((value) => counts.get(value) ?? 0);
  }
  const counts = new Array<number>(bins.edges.length + 1).fill(0);
  for (const { value, rows } of view.values as readonly Held<number>[]) {
    let [low, high] = [0, bins.edges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= bins.edges[middle]) high = middle;
      else low = middle + 1;
    }
    counts[low] += rows;
  }
  return counts;
}

function rowsOf(values: readonly Held<unknown>[]): number {
  return values.reduce((sum, { rows }) => sum + rows, 0);
}

function countsOf<Value>(values: readonly Held<Value>[]): Map<Value, number> {
  const counts = new Map<Value, number>();
  for (const { value, rows } of values) counts.set(value, (counts.get(value) ?? 0) + rows);
  return counts;
}

/** Whether most rows hold a text that no other row has: then what it looks like is compared. */
export function hardlyRepeat(texts: readonly Held<string>[]): boolean {
  return 2 * rowsOf(texts.filter(({ rows }) => rows > 1)) < rowsOf(texts);
}

/** Kinds of characters, lengths, and languages of a hundred longer texts; as `balance drift` compares them. */
export function textViews(texts: readonly Held<string>[]): View[] {
  const looks = texts.map(({ value, rows }) => ({ value: lookOf(value), rows }));
  const lengths = texts.map(({ value, rows }) => ({ value: value.length, rows }));
  const drawn = texts
    .filter(({ value }) => value.length >= LANGUAGE_LETTERS_MIN)
    .map(({ value }) => ({ value, rank: hashText(value).high }))
    .sort((a, b) => a.rank - b.rank || (a.value < b.value ? -1 : 1))
    .slice(0, LANGUAGE_TEXTS_MAX);
  const languages = drawn.flatMap(({ value }) => {
    const language = languageOf(value);
    return language === null ? [] : [{ value: language, rows: 1 }];
  });
  return [
    { name: 'look', kind: 'category', values: looks },
    { name: 'length', kind: 'number', values: lengths },
    { name: 'language', kind: 'category', values: languages },
  ];
}

const MARKS = Object.entries(LOOKS).map(([mark, pattern]) => [mark, new RegExp(pattern)] as const);

function lookOf(text: string): string {
  return MARKS.reduce((look, [mark, pattern]) => (pattern.test(text) ? look + mark : look), '');
}

/** Norms, and cosines with some fixed directions, of vectors of one dimension; dimensions of all. */
export function vectorViews(
  dimensions: readonly Held<number>[],
  norms: readonly Held<number>[],
  cosines: readonly (readonly Held<number>[])[],
): View[] {
  return [
    {
      name: 'dimension',
      kind: 'category',
      values: dimensions.map(({ value, rows }) => ({ value: String(value), rows })),
    },
    { name: 'norm', kind: 'number', values: norms },
    ...cosines.map((values, at): View => ({ name: `direction ${at + 1}`, kind: 'number', values })),
  ];
}
