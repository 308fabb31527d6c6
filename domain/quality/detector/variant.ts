/**
 * Other spellings of a value that the column also holds: another letter case, other separators or white space
 * (`pale ale` beside `Pale Ale`), other decimals (`8.10` beside `8.1`), or foreign marks at an end (`Salem-*`).
 */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import { styleOf, type LetterCase } from '../pattern.js';
import type { Signal } from './signal.js';

/** The usual spelling must outnumber the other by this factor: two spellings in like use are a matter of taste. */
const LEAD = 3;
/** One letter case is the column's own if it has this many times the rows of all others together. */
const STYLE_LEAD = 2;
/** An affix is foreign if at most this share of the rows carries it: it marks a few values, not the column. */
const AFFIX_SHARE = 0.2;
const AFFIX_ROWS = 3;
const SCORE = 0.85;

type Found = Omit<Signal, 'row' | 'column'>;

/** One signal for each cell spelled in another than the usual way. */
export function variantSignals(column: CellColumn, index: number): Signal[] {
  const byCode = new Map<number, Found>();
  addPadding(column, byCode);
  addAffixes(column, byCode);
  addSpellings(column, byCode);
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const found = byCode.get(code);
    if (found !== undefined) signals.push({ row, column: index, ...found });
  });
  return signals;
}

/**
 * What all spellings of one value share: a number's value, or a text without its blanks, separators and letter case.
 * Other marks mean something (`>50K` is not `<=50K`, `C++` not `C#`), and so does a sign before a digit.
 */
function spellingKey(value: string): string {
  const trimmed = value.trim();
  if (/^[+-]?\d+(?:\.\d+)?$/.test(trimmed)) return /^[+-]?0\d/.test(trimmed) ? trimmed : `#${Number(trimmed)}`;
  return trimmed
    .toLowerCase()
    .replace(/(?:(?!^-\d)[\s\p{Pd}\p{Pc}\p{Ps}\p{Pe}\p{Pi}\p{Pf}.,;:!?'"/\\*])+/gu, ' ')
    .trim();
}

function addSpellings(column: CellColumn, byCode: Map<number, Found>): void {
  const groups = new Map<string, number[]>();
  column.values.forEach((value, code) => {
    if (isBlank(value) || isMissingSpelling(value)) return;
    const key = spellingKey(value);
    if (key === '') return;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [code]);
    else group.push(code);
  });
  const rivals = [...groups.values()].filter((codes) => codes.length > 1);
  const style = usualStyle(column, rivals);
  for (const codes of rivals) {
    const most = codes.reduce((best, code) => (column.counts[code] > column.counts[best] ? code : best));
    // Where the column as a whole prefers one letter case, a value without a clear leader need not prove it again.
    const isOpen = codes.some((code) => code !== most && column.counts[most] < LEAD * column.counts[code]);
    const styled = isOpen ? codes.find((code) => styleOf(column.values[code]) === style) : undefined;
    const usual = styled ?? most;
    for (const code of codes) {
      const isSettled =
        styled !== undefined && styleOf(column.values[code]) !== style && isSameButCase(column, code, usual);
      if (code === usual || (!isSettled && column.counts[usual] < LEAD * column.counts[code])) continue;
      // White space at an end is nobody's usual spelling where most values have none.
      const suggested = byCode.has(usual) ? column.values[usual].trim() : column.values[usual];
      if (suggested === column.values[code]) continue;
      byCode.set(code, { kind: 'variant', score: SCORE, evidence: `usually written "${suggested}"`, suggested });
    }
  }
}

function isSameButCase(column: CellColumn, a: number, b: number): boolean {
  return column.values[a].toLowerCase() === column.values[b].toLowerCase();
}

/** The letter case that leads all others clearly in the rows of values that are spelled in several; `undefined` for none. */
function usualStyle(column: CellColumn, rivals: readonly (readonly number[])[]): LetterCase | undefined {
  const rows = { lower: 0, upper: 0, mixed: 0 };
  for (const codes of rivals) for (const code of codes) rows[styleOf(column.values[code])] += column.counts[code];
  const [first, second, third] = (Object.keys(rows) as LetterCase[]).sort((a, b) => rows[b] - rows[a]);
  return rows[second] > 0 && rows[first] > STYLE_LEAD * (rows[second] + rows[third]) ? first : undefined;
}

/**
 * White space at an end says nothing: where most values have none it is a slip, however many rows have it. A value that
 * several rows have, and most of them so, may be kept so on purpose: nothing is proposed there.
 */
function addPadding(column: CellColumn, byCode: Map<number, Found>): void {
  let [padded, present] = [0, 0];
  const codes: number[] = [];
  column.values.forEach((value, code) => {
    if (isBlank(value)) return;
    present += column.counts[code];
    if (value === value.trim()) return;
    padded += column.counts[code];
    codes.push(code);
  });
  if (padded * 2 > present) return;
  const codeOf = new Map(column.values.map((value, code) => [value, code]));
  for (const code of codes) {
    const suggested = column.values[code].trim();
    const rows = column.counts[code];
    const isOwn = rows > 1 && rows > (column.counts[codeOf.get(suggested) ?? -1] ?? 0);
    const suggestion = isOwn ? {} : { suggested };
    byCode.set(code, { kind: 'variant', score: SCORE, evidence: 'white space at an end', ...suggestion });
  }
}

/** Marks at the end or start of a few values, most of which the column also holds without them. */
function addAffixes(column: CellColumn, byCode: Map<number, Found>): void {
  const known = new Set(column.values);
  const carriers = new Map<string, number[]>();
  column.values.forEach((value, code) => {
    // The sign of a number is part of it.
    if (Number.isFinite(Number(value))) return;
    const marks = /^([^\p{L}\p{N}\s(]*)(.*?)([^\p{L}\p{N}\s.)]*)$/su.exec(value);
    if (marks === null || marks[2] === '' || (marks[1] === '' && marks[3] === '')) return;
    const key = JSON.stringify([marks[1], marks[3]]);
    const list = carriers.get(key);
    if (list === undefined) carriers.set(key, [code]);
    else list.push(code);
  });
  for (const [key, codes] of carriers) {
    const [prefix, suffix] = JSON.parse(key) as [string, string];
    const bare = (code: number): string => {
      const value = column.values[code];
      return value.slice(prefix.length, value.length - suffix.length);
    };
    const rows = codes.reduce((sum, code) => sum + column.counts[code], 0);
    const held = codes.filter((code) => known.has(bare(code))).length;
    if (rows < AFFIX_ROWS || rows > AFFIX_SHARE * column.codes.length || held * 2 < codes.length) continue;
    for (const code of codes) {
      const evidence = `carries the marks ${[prefix, suffix]
        .filter((mark) => mark !== '')
        .map((mark) => `"${mark}"`)
        .join(' and ')}`;
      byCode.set(code, { kind: 'variant', score: SCORE, evidence, suggested: bare(code) });
    }
  }
}
