/**
 * Columns of free text, told from categories: how long the texts are, which are empty, in which languages they are.
 */
import { francAll } from 'franc-min';
import { isBlank, isMissingSpelling, type CellColumn } from './cell-table.js';
import { extremeSignals } from './detector/extreme.js';
import type { Signal } from './detector/signal.js';

export interface TextSummary {
  /** Quantiles of the lengths of the texts that are not empty, counted as `minLength` is. */
  readonly lengths: Readonly<Record<'p05' | 'p25' | 'p50' | 'p75' | 'p95', number>>;
  /** Rows without a letter or digit: blank, or nothing but marks. */
  readonly empty: number;
  /** Texts of a sample whose language can be told. */
  readonly languageTexts: number;
  /** Their languages (ISO 639-3), the most frequent first. */
  readonly languages: readonly { readonly language: string; readonly share: number }[];
  /** First rows of the sample in another language than nearly all others. A note: a quotation is no error. */
  readonly otherLanguageRows: readonly number[];
}

/** From this many words on a value is a sentence or a title rather than a name or a class. */
export const WORDS_MIN = 3;
/** Letters of writing without spaces count as a word each. */
const WORDS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|\p{L}[\p{L}\p{M}'’]+/gu;
const HAS_CONTENT = /[\p{L}\p{N}]/u;

/** Texts whose language is asked for: the share of a language is then known to within 2 % (one standard error). */
const LANGUAGE_TEXTS_MAX = 500;
/** Trigrams of shorter texts do not tell languages apart: of English titles they name 72 % right, from here on 98 %. */
export const LANGUAGE_LETTERS_MIN = 40;
/** The runner-up must be clearly behind (scores are relative to the best). */
const RUNNER_UP_MAX = 0.9;
/** A language that so many texts have is the column's. */
const LANGUAGE_SHARE = 0.98;
const LISTED = 5;

/** Kinds of characters that make the look of a text: small and capital letters, digits, blanks, and common marks. */
export const LOOKS: Readonly<Record<string, string>> = {
  a: '[a-z]',
  A: '[A-Z]',
  9: '[0-9]',
  ' ': '\\s',
  '-': '-',
  _: '_',
  '/': '/',
  '.': '[.]',
  ',': ',',
  ':': ':',
  '@': '@',
  '+': '[+]',
};

/** Words of a text. */
export function wordsOf(text: string): number {
  return text.match(WORDS)?.length ?? 0;
}

/** Whether half of the present rows hold texts of several words, and half hold one that no other row has. */
export function isFreeText(column: CellColumn): boolean {
  let [present, wordy, single] = [0, 0, 0];
  column.values.forEach((value, code) => {
    const rows = column.counts[code];
    if (rows === 0 || isBlank(value) || isMissingSpelling(value)) return;
    present += rows;
    if (rows === 1) single++;
    if (wordsOf(value) >= WORDS_MIN) wordy += rows;
  });
  return present > 0 && 2 * wordy >= present && 2 * single >= present;
}

/** Summarises a column of free text; `null` for any other. */
export function summarizeText(column: CellColumn): TextSummary | null {
  if (!isFreeText(column)) return null;
  const full = column.values.map((value) => HAS_CONTENT.test(value));
  const lengths = column.values
    .flatMap((value, code) => (full[code] ? [{ length: value.length, rows: column.counts[code] }] : []))
    .sort((a, b) => a.length - b.length);
  const rows = lengths.reduce((sum, entry) => sum + entry.rows, 0);
  const quantile = (q: number): number => {
    let below = 0;
    return lengths.find((entry) => (below += entry.rows) >= q * rows)?.length ?? 0;
  };
  return {
    lengths: { p05: quantile(0.05), p25: quantile(0.25), p50: quantile(0.5), p75: quantile(0.75), p95: quantile(0.95) },
    empty: column.codes.length - rows,
    ...languagesOf(column),
  };
}

/** The languages of at most `LANGUAGE_TEXTS_MAX` long texts, taken evenly over the column. */
function languagesOf(column: CellColumn): Pick<TextSummary, 'languageTexts' | 'languages' | 'otherLanguageRows'> {
  const long: number[] = [];
  column.codes.forEach((code, row) => {
    if (column.values[code].length >= LANGUAGE_LETTERS_MIN) long.push(row);
  });
  const step = Math.max(1, long.length / LANGUAGE_TEXTS_MAX);
  const sample = Array.from(
    { length: Math.min(long.length, LANGUAGE_TEXTS_MAX) },
    (_, at) => long[Math.floor(at * step)],
  );
  const told = sample.flatMap((row) => {
    const language = languageOf(column.values[column.codes[row]]);
    return language === null ? [] : [{ row, language }];
  });
  const counts = new Map<string, number>();
  for (const { language } of told) counts.set(language, (counts.get(language) ?? 0) + 1);
  const languages = [...counts]
    .map(([language, texts]) => ({ language, share: texts / told.length }))
    .sort((a, b) => b.share - a.share || (a.language < b.language ? -1 : 1));
  const own = languages[0]?.share >= LANGUAGE_SHARE ? languages[0].language : null;
  const others = own === null ? [] : told.filter(({ language }) => language !== own);
  return {
    languageTexts: told.length,
    languages: languages.slice(0, LISTED),
    otherLanguageRows: others.slice(0, LISTED).map(({ row }) => row),
  };
}

/** The language of a text (ISO 639-3) by its trigrams (Cavnar & Trenkle 1994); `null` where it cannot be told. */
export function languageOf(text: string): string | null {
  if (text.length < LANGUAGE_LETTERS_MIN) return null;
  const [[language], runnerUp] = francAll(text);
  const isClear = language !== 'und' && (runnerUp === undefined || runnerUp[1] <= RUNNER_UP_MAX);
  return isClear ? language : null;
}

/** A text column that has a text in all but this share of its rows is else full. */
const EMPTY_SHARE_MAX = 0.01;
/** How sure it is that an exception is an error, as for other spellings of missing values. */
const EMPTY_SCORE = 0.6;

/** Rows without a text where nearly all others have one. */
export function emptyTextSignals(column: CellColumn, index: number): Signal[] {
  if (!isFreeText(column)) return [];
  const empty = column.values.map((value) => !HAS_CONTENT.test(value));
  const rows: number[] = [];
  column.codes.forEach((code, row) => {
    if (empty[code]) rows.push(row);
  });
  if (rows.length > EMPTY_SHARE_MAX * column.codes.length) return [];
  const evidence = 'no text where nearly all other rows have one';
  return rows.map((row) => ({ row, column: index, kind: 'empty-text', score: EMPTY_SCORE, evidence }));
}

/** Half of the texts that lie so far apart are cut short or run together: the others are just short or long. */
const LENGTH_SCORE = 0.5;
/** Texts of much the same length are no measure of each other: twice as long is nothing strange, four times as long or short is. */
const LENGTH_FACTOR = 4;

/** Texts much shorter or longer than all others, by the rule for outliers on the logarithms of the lengths. */
export function lengthSignals(column: CellColumn, index: number): Signal[] {
  if (!isFreeText(column)) return [];
  const { lengths } = summarizeText(column)!;
  return extremeSignals(column, index, (text) => Math.log(text.length)).flatMap(({ row }) => {
    const text = column.values[column.codes[row]];
    if (Math.max(text.length / lengths.p50, lengths.p50 / text.length) < LENGTH_FACTOR) return [];
    const evidence = `${text.length} characters where half of the texts have ${lengths.p25} to ${lengths.p75}`;
    return [{ row, column: index, kind: 'text-length', score: LENGTH_SCORE, evidence }];
  });
}
