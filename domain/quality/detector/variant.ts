/**
 * Other spellings of a value that the column also holds: another letter case, other separators or white space
 * (`pale ale` beside `Pale Ale`), other decimals (`8.10` beside `8.1`), or foreign marks at an end (`Salem-*`).
 */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import type { Signal } from './signal.js';

/** The usual spelling must outnumber the other by this factor: two spellings in like use are a matter of taste. */
const LEAD = 3;
/** An affix is foreign if at most this share of the rows carries it: it marks a few values, not the column. */
const AFFIX_SHARE = 0.2;
const AFFIX_ROWS = 3;
const SCORE = 0.85;

type Found = Omit<Signal, 'row' | 'column'>;

/** One signal for each cell spelled in another than the usual way. */
export function variantSignals(column: CellColumn, index: number): Signal[] {
  const byCode = new Map<number, Found>();
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
  for (const codes of groups.values()) {
    if (codes.length < 2) continue;
    const usual = codes.reduce((best, code) => (column.counts[code] > column.counts[best] ? code : best));
    for (const code of codes) {
      if (code === usual || column.counts[usual] < LEAD * column.counts[code]) continue;
      const suggested = column.values[usual];
      byCode.set(code, { kind: 'variant', score: SCORE, evidence: `usually written "${suggested}"`, suggested });
    }
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
