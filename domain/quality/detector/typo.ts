/**
 * Rare values that look like a frequent value of the same column.
 *
 * Being similar proves nothing in a column whose right values are similar to each other (measure codes, state codes).
 * So similarity is judged by its excess: if a fraction f of the rare values has a frequent value nearby, and a
 * fraction f0 of the frequent values has *another* frequent value nearby, then a right value would be similar with
 * probability f0 and the share of errors among the similar rare ones is (f - f0) / f.
 * Digits are compared as templates (`37 patients` is `# patients`): numbers differ legitimately.
 */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import { digitTemplate, editDistance } from '../pattern.js';
import type { Signal } from './signal.js';

/** A value is frequent from this many rows on, and must outnumber its misspelling by this factor. */
const FREQUENT_ROWS = 5;
/** One typing error per this many characters, at least one. */
const CHARACTERS_PER_ERROR = 5;
/** Bound on comparisons for one column; beyond it the column has too many values for misspellings to be told. */
const MAX_COMPARISONS = 4_000_000;

interface Template {
  readonly text: string;
  rows: number;
  readonly codes: number[];
}

/** One signal for each cell whose value is a probable misspelling. */
export function typoSignals(column: CellColumn, index: number): Signal[] {
  const templates = collectTemplates(column);
  const frequent = templates.filter((template) => template.rows >= FREQUENT_ROWS);
  const rare = templates.filter(
    (template) => template.rows < Math.max(FREQUENT_ROWS, (frequent[0]?.rows ?? 0) / FREQUENT_ROWS),
  );
  if (frequent.length === 0 || rare.length * frequent.length > MAX_COMPARISONS) return [];
  const meant = new Map<Template, Template>();
  for (const template of rare) {
    const near = nearest(template, frequent);
    if (near !== undefined) meant.set(template, near);
  }
  if (meant.size === 0) return [];
  const right = frequent.filter((template) => !meant.has(template));
  const alike = right.filter((template) => nearest(template, right, 0) !== undefined).length;
  const byChance = (alike + 1) / (right.length + 2);
  const share = meant.size / rare.length;
  const excess = Math.max(0, 1 - byChance / share);
  const scoreOf = new Map<number, { score: number; meant: string; exact: boolean }>();
  for (const [template, near] of meant) {
    for (const code of template.codes) {
      scoreOf.set(code, { score: excess, meant: near.text, exact: !near.text.includes('#') });
    }
  }
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const found = scoreOf.get(code);
    if (found === undefined) return;
    const evidence = `rare, and close to the frequent "${found.meant}"`;
    signals.push({
      row,
      column: index,
      kind: 'typo',
      score: found.score,
      evidence,
      ...(found.exact ? { suggested: found.meant } : {}),
    });
  });
  return signals;
}

/** Templates of present values, most frequent first. */
function collectTemplates(column: CellColumn): Template[] {
  const byText = new Map<string, Template>();
  column.values.forEach((value, code) => {
    // Numbers differ legitimately; only text is misspelled.
    if (isBlank(value) || isMissingSpelling(value) || Number.isFinite(Number(value))) return;
    const text = digitTemplate(value);
    const template = byText.get(text) ?? { text, rows: 0, codes: [] };
    template.rows += column.counts[code];
    template.codes.push(code);
    byText.set(text, template);
  });
  return [...byText.values()].sort((a, b) => b.rows - a.rows || (a.text < b.text ? -1 : 1));
}

/** The most frequent template within typing distance that outnumbers this one by `factor`. */
function nearest(template: Template, frequent: readonly Template[], factor = FREQUENT_ROWS): Template | undefined {
  const limit = Math.max(1, Math.floor(template.text.length / CHARACTERS_PER_ERROR));
  let best: Template | undefined;
  let least = limit + 1;
  for (const other of frequent) {
    if (other === template || other.rows < factor * template.rows) continue;
    // With nothing of the value left to agree on, closeness says nothing.
    if (limit >= Math.max(template.text.length, other.text.length)) continue;
    const distance = editDistance(template.text, other.text, least - 1);
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}
