/** Values whose look is out of line with their column: an unusual shape, broken encoding, stray white space. */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import { shapeOf } from '../pattern.js';
import type { Signal, SignalKind } from './signal.js';

/** A shape of at least this share of the rows is usual. */
const USUAL_SHARE = 0.05;
/** Usual shapes must cover this share of the rows, or the column has no usual look. */
const COVERED_SHARE = 0.9;
/** Chance that a rare shape is an error: high in a column of codes and numbers, low in one of words, where punctuation comes and goes. */
const SCORE_IN_CODES = 0.75;
const SCORE_IN_WORDS = 0.2;
const ESTABLISHED_ROWS = 3;
/** UTF-8 read as Latin-1, or a replacement character. */
const BROKEN_ENCODING = /Ã[\u0080-\u00BF]|â€|Â[\u00A0-\u00BF]|\uFFFD/;

/** One signal for each cell that looks out of line. */
export function shapeSignals(column: CellColumn, index: number): Signal[] {
  const byCode = new Map<number, Omit<Signal, 'row' | 'column'>>();
  addUnusualShapes(column, byCode);
  addBrokenText(column, byCode);
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const found = byCode.get(code);
    if (found !== undefined) signals.push({ row, column: index, ...found });
  });
  return signals;
}

function addUnusualShapes(column: CellColumn, byCode: Map<number, Omit<Signal, 'row' | 'column'>>): void {
  const shapes = column.values.map((value) =>
    isBlank(value) || isMissingSpelling(value) ? undefined : shapeOf(value),
  );
  const rowsOf = new Map<string, number>();
  let present = 0;
  shapes.forEach((shape, code) => {
    if (shape === undefined) return;
    rowsOf.set(shape, (rowsOf.get(shape) ?? 0) + column.counts[code]);
    present += column.counts[code];
  });
  const usual = new Set([...rowsOf].filter(([, rows]) => rows >= USUAL_SHARE * present).map(([shape]) => shape));
  const covered = [...usual].reduce((sum, shape) => sum + (rowsOf.get(shape) ?? 0), 0);
  if (covered < COVERED_SHARE * present || covered === present) return;
  const isCodes = [...usual].every((shape) => shape.includes('9'));
  const kind: SignalKind = 'unusual-pattern';
  shapes.forEach((shape, code) => {
    if (shape === undefined || usual.has(shape)) return;
    // A value written the same way time and again is not a slip.
    const isEstablished = column.counts[code] >= ESTABLISHED_ROWS;
    const evidence = `shape "${shape}" in ${rowsOf.get(shape) ?? 0} of ${present} rows; usual: ${[...usual].map((one) => `"${one}"`).join(', ')}`;
    byCode.set(code, { kind, score: isCodes && !isEstablished ? SCORE_IN_CODES : SCORE_IN_WORDS, evidence });
  });
}

function addBrokenText(column: CellColumn, byCode: Map<number, Omit<Signal, 'row' | 'column'>>): void {
  column.values.forEach((value, code) => {
    if (!BROKEN_ENCODING.test(value)) return;
    const bytes = Uint8Array.from(value, (letter) => letter.charCodeAt(0));
    let repaired: string | undefined;
    try {
      // Every character must be a byte for the text to be misread UTF-8.
      if (/^[\u0000-\u00FF]*$/.test(value)) repaired = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      repaired = undefined;
    }
    const suggestion = repaired === undefined ? {} : { suggested: repaired };
    byCode.set(code, {
      kind: 'encoding',
      score: 0.6,
      evidence: 'text decoded with the wrong character set',
      ...suggestion,
    });
  });
}
