/**
 * The texts of a column as a state that merges exactly: their lengths, how many are empty, and a sample of distinct ones,
 * told apart by a digest, so that no text is kept. Any split, order and grouping of the rows gives the same.
 */
import { z } from 'zod';
import { parseState } from './encoded-state.js';
import { bucketOf, quantileOf } from './sketch.js';
import { languageOf, WORDS_MIN, wordsOf } from './text.js';

export const TEXT_STATE_VERSION = 1;
/** Distinct texts that are looked at: a share of them is known to within 2 % (one standard error). */
export const TEXT_SAMPLE_MAX = 500;

/** A text of the sample: the lowest by digest of all that the column has. */
export interface SampledText {
  /** Hexadecimal digits of a digest of the whole text. */
  readonly digest: string;
  readonly rows: number;
  readonly wordy: boolean;
  /** ISO 639-3; null where it cannot be told. */
  readonly language: string | null;
}

export interface TextState {
  readonly rows: number;
  /** Rows without a letter or digit, the missing ones among them. */
  readonly empty: number;
  /** Rows by logarithmic bucket of the length in characters. */
  readonly lengths: ReadonlyMap<number, number>;
  /** By digest. */
  readonly sample: readonly SampledText[];
}

export const EMPTY_TEXTS: TextState = { rows: 0, empty: 0, lengths: new Map(), sample: [] };

/**
 * Measures rows by what was counted of them.
 *
 * @param empty rows without a letter or digit
 * @param lengths rows by length of the others
 * @param texts distinct texts of the others, at least the `TEXT_SAMPLE_MAX` lowest by digest, with all their rows
 */
export function measureTexts(
  empty: number,
  lengths: Iterable<readonly [length: number, rows: number]>,
  texts: readonly { readonly digest: string; readonly text: string; readonly rows: number }[],
): TextState {
  const buckets = new Map<number, number>();
  let rows = empty;
  for (const [length, count] of lengths) {
    rows += count;
    buckets.set(bucketOf(length), (buckets.get(bucketOf(length)) ?? 0) + count);
  }
  const lowest = keepLowest(texts);
  const sample = lowest.map(({ digest, text, rows: held }) => ({
    ...{ digest, rows: held, wordy: wordsOf(text) >= WORDS_MIN, language: languageOf(text) },
  }));
  return { rows, empty, lengths: buckets, sample };
}

/** A text among the lowest of all is among the lowest of every part, so that its rows are counted in full. */
function keepLowest<Entry extends { readonly digest: string }>(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => (a.digest < b.digest ? -1 : 1)).slice(0, TEXT_SAMPLE_MAX);
}

/** The state of all rows of both. */
export function mergeTexts(a: TextState, b: TextState): TextState {
  const lengths = new Map(a.lengths);
  for (const [bucket, rows] of b.lengths) lengths.set(bucket, (lengths.get(bucket) ?? 0) + rows);
  const sample = new Map(a.sample.map((entry) => [entry.digest, entry]));
  for (const entry of b.sample) {
    const known = sample.get(entry.digest);
    sample.set(entry.digest, known === undefined ? entry : { ...known, rows: known.rows + entry.rows });
  }
  return { rows: a.rows + b.rows, empty: a.empty + b.empty, lengths, sample: keepLowest([...sample.values()]) };
}

/** What a state says of a column of free text. */
export interface TextFacts {
  readonly rows: number;
  readonly empty: number;
  /** Quantiles of the lengths of those that are not empty, each within 1 %. */
  readonly lengths: Readonly<Record<'p05' | 'p50' | 'p95', number | null>>;
  /** Texts of the sample whose language can be told. */
  readonly languageTexts: number;
  /** Those by language, the most frequent first. */
  readonly languages: readonly { readonly language: string; readonly texts: number }[];
}

/** Whether half of the rows hold texts of several words, and half one that no other row has: of the sample, as of all. */
export function isFreeTextState({ sample }: TextState): boolean {
  const sum = (of: (entry: SampledText) => boolean): number =>
    sample.reduce((rows, entry) => rows + (of(entry) ? entry.rows : 0), 0);
  const all = sum(() => true);
  return all > 0 && 2 * sum(({ wordy }) => wordy) >= all && 2 * sum(({ rows }) => rows === 1) >= all;
}

export function summarizeTextState({ rows, empty, lengths, sample }: TextState): TextFacts {
  const buckets = [...lengths].sort(([a], [b]) => a - b);
  const told = new Map<string, number>();
  for (const { language } of sample) if (language !== null) told.set(language, (told.get(language) ?? 0) + 1);
  return {
    rows,
    empty,
    lengths: { p05: quantileOf(buckets, 0.05), p50: quantileOf(buckets, 0.5), p95: quantileOf(buckets, 0.95) },
    languageTexts: [...told.values()].reduce((sum, texts) => sum + texts, 0),
    languages: [...told]
      .map(([language, texts]) => ({ language, texts }))
      .sort((a, b) => b.texts - a.texts || (a.language < b.language ? -1 : 1)),
  };
}

const count = z.int().nonnegative();
const encoded = z.strictObject({
  version: z.literal(TEXT_STATE_VERSION),
  rows: count,
  empty: count,
  lengths: z.array(z.tuple([z.int(), count])),
  sample: z.array(z.tuple([z.string(), count, z.boolean(), z.string().nullable()])),
});

/** The state as JSON text; equal states have equal text. About 20 KB at most. */
export function encodeTexts({ rows, empty, lengths, sample }: TextState): string {
  const plain: z.infer<typeof encoded> = {
    ...{ version: TEXT_STATE_VERSION, rows, empty },
    lengths: [...lengths].sort(([a], [b]) => a - b),
    sample: sample.map(({ digest, rows: held, wordy, language }) => [digest, held, wordy, language]),
  };
  return JSON.stringify(plain);
}

/**
 * Reads back what `encodeTexts` wrote.
 *
 * @throws BalanceError `CorruptState` for anything else
 */
export function decodeTexts(text: string): TextState {
  const { rows, empty, lengths, sample } = parseState(encoded, text, {
    message: 'the state of a text column cannot be read',
    expected: `text of a text state of version ${TEXT_STATE_VERSION}`,
  });
  return {
    ...{ rows, empty, lengths: new Map(lengths) },
    sample: sample.map(([digest, held, wordy, language]) => ({ digest, rows: held, wordy, language })),
  };
}
