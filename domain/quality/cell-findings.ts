/**
 * Suspected cells of one table: runs the detectors in an order in which each sees what the earlier ones mended, and
 * joins what they say about a cell into one finding.
 *
 *   1. the contract (types, formats, units, domains) and values in the wrong field, on the text as it is;
 *   2. dependencies, misspellings and unusual shapes, on the text after the repairs of step 1, so that
 *      `12/01/2011 7:10 a.m.` votes as `7:10 a.m.` and `San Francisco CA` as `San Francisco`;
 *   3. step 2 again after its own certain repairs, so that a wrong cell no longer speaks against its neighbours.
 */
import { CUSTOM_SHARE, spellsMissing, valueChecker } from './cell-contract.js';
import { momentReader } from './cell-moment.js';
import { groupsThousands, impliedType, presentValues } from './column-summary.js';
import { isBlank, isMissingSpelling, encodeColumn, type CellColumn, type CellTable } from './cell-table.js';
import type { ColumnRule } from './column-rule.js';
import type { QualityContract } from './contract.js';
import { mineDependencies, type Dependency } from './dependency.js';
import { isMissingByCause } from './missing-cause.js';
import { firstRepeated } from './repeated-rows.js';
import { dependencySignals, type DependencyVerdict } from './detector/dependency-votes.js';
import { exchangedSignals } from './detector/exchanged.js';
import { extremeSignals } from './detector/extreme.js';
import { misplacedSignals } from './detector/misplaced.js';
import { orphanSignals, type OrphanVerdict } from './detector/orphan.js';
import { judgeRules, ruleSignals, type RuleVerdict } from './detector/rule.js';
import { shapeSignals } from './detector/shape.js';
import type { Signal, SignalKind } from './detector/signal.js';
import { spreadsheetSignals } from './detector/spreadsheet.js';
import { typoSignals } from './detector/typo.js';
import { variantSignals } from './detector/variant.js';
import { nearVectorSignals } from './near-vectors.js';
import { emptyTextSignals, lengthSignals } from './text.js';
import { vectorDimension, vectorSignals } from './vectors.js';

/** One suspected cell. `score` is the probability that it is wrong. */
export interface CellFinding {
  readonly row: number;
  readonly column: string;
  readonly kind: SignalKind;
  readonly score: number;
  readonly evidence: string;
  readonly suggested?: string;
}

/** A cell is reported when it is more likely wrong than right. */
export const REPORT_SCORE = 0.5;

/** A repair this probable is taken before the others are judged. */
const MEND_SCORE = 0.8;

/** How sure each kind of breach of the contract is: what was declared is the owner's word. */
const CONTRACT_SCORE = 0.95;

export interface CellSignals {
  readonly signals: readonly Signal[];
  readonly dependencies: readonly Dependency[];
  readonly rules: readonly RuleVerdict[];
}

/**
 * Runs every detector. The contract's names must be the table's (see `bindContract`).
 *
 * @param references what became of the contract's references, found elsewhere
 */
export function collectSignals(
  table: CellTable,
  contract: QualityContract,
  references: readonly OrphanVerdict[] = [],
): CellSignals {
  const names = table.columns.map((column) => column.name);
  const told = contract.dependencies.map(({ from, to }) => ({
    from: from.map((name) => names.indexOf(name)).sort((a, b) => a - b),
    to: names.indexOf(to),
  }));
  const declared = [
    ...contractSignals(table, contract),
    ...uniqueSignals(table, contract),
    ...orphanSignals(table, references),
  ];
  const afterContract = applySuggestions(table, declared);
  const misplaced = [...misplacedSignals(afterContract), ...exchangedSignals(afterContract)];
  const mended = applySuggestions(afterContract, misplaced);

  const first = dependencySignals(mended, mineDependencies(mended, told));
  const certain = [...first.signals, ...lookSignals(mended, contract, first)].filter(
    (signal) => signal.score >= MEND_SCORE && signal.suggested !== undefined,
  );
  const settled = applySuggestions(mended, certain);
  const dependencies = mineDependencies(settled, told);
  const votes = dependencySignals(settled, dependencies);
  const looks = lookSignals(settled, contract, votes);
  const voted = soundVotes(settled, votes.signals, looks);
  const signals = [...declared, ...misplaced, ...certain, ...voted, ...looks];
  // Rules are judged on what the cells mean: `12 oz` compares as 12.
  const rules = judgeRules(afterContract, contract);
  return { signals: [...signals, ...ruleSignals(table, rules, signals)], dependencies, rules };
}

/** Votes for a value that looks wrong wherever it stands are no votes: the rows that cast them share an error. */
function soundVotes(table: CellTable, votes: readonly Signal[], looks: readonly Signal[]): readonly Signal[] {
  const wrong = table.columns.map(() => new Set<string>());
  for (const { row, column, score } of looks) {
    const { values, codes } = table.columns[column];
    if (score >= REPORT_SCORE) wrong[column].add(values[codes[row]]);
  }
  return votes.filter(({ column, suggested }) => suggested === undefined || !wrong[column].has(suggested));
}

/** Spelling and shape: what a value looks like, where neither its owner nor rows that agree on it vouch for it. */
function lookSignals(table: CellTable, contract: QualityContract, votes: DependencyVerdict): Signal[] {
  const signals = table.columns.flatMap((column, index) => {
    const rule = ruleOf(contract, column);
    const vectors = vectorSignals(column, index);
    if (vectors !== null) return [...vectors, ...nearVectorSignals(column, index, vectorDimension(column)!)];
    const implied = impliedType(column);
    const type = rule?.type ?? implied?.type;
    const isMoment = type === 'date' || type === 'datetime';
    const isTyped = type !== undefined && type !== 'string';
    const extremes = extremeSignals(column, index, isMoment ? momentReader(rule?.format) : undefined);
    if (restrictsLook(rule)) {
      const isNumber = rule.type === 'integer' || rule.type === 'number';
      return [
        ...(isNumber ? variantSignals(column, index) : []),
        ...nullSpellingSignals(table, index, isTyped),
        ...extremes,
      ];
    }
    return [
      ...variantSignals(column, index),
      ...typoSignals(column, index),
      ...shapeSignals(column, index),
      ...spreadsheetSignals(column, index),
      ...nullSpellingSignals(table, index, isTyped),
      ...impliedSignals(column, index, implied),
      ...emptyTextSignals(column, index),
      ...lengthSignals(column, index),
      ...extremes,
    ];
  });
  return signals.filter(({ row, column }) => !votes.isConfirmed(row, column));
}

/** A declared type other than text, a pattern, a format or a list of values says how every value looks. */
function restrictsLook(rule: ColumnRule | undefined): rule is ColumnRule {
  if (rule === undefined) return false;
  const isText = rule.type === undefined || rule.type === 'string';
  return !isText || [rule.pattern, rule.format, rule.values, rule.unit].some((said) => said !== undefined);
}

function ruleOf(contract: QualityContract, column: CellColumn): ColumnRule | undefined {
  return Object.hasOwn(contract.columns, column.name) ? contract.columns[column.name] : undefined;
}

/** How sure a breach of a type is that only the column's other values show; surer where it can be read as one of them. */
const IMPLIED_SCORE = 0.75;
const READABLE_SCORE = 0.8;

/** Breaches of the type that nearly all values of an undeclared column have. */
function impliedSignals(column: CellColumn, index: number, implied: ReturnType<typeof impliedType>): Signal[] {
  if (implied === undefined) return [];
  const check = valueChecker({ type: implied.type }, column.values, column.counts);
  const grouped = implied.type === 'number' && groupsThousands(presentValues(column));
  const isOwn = (value: string): boolean =>
    isMissingSpelling(value) || (grouped && /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/.test(value));
  const faults = column.values.map((value) => (isOwn(value) ? undefined : check(value)));
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const fault = faults[code];
    if (fault === undefined || (!implied.isSure && fault.suggested === undefined)) return;
    const score = fault.suggested === undefined ? IMPLIED_SCORE : READABLE_SCORE;
    signals.push({ row, column: index, score, ...fault });
  });
  return signals;
}

function contractSignals(table: CellTable, contract: QualityContract): Signal[] {
  return table.columns.flatMap((column, index) => {
    const rule = ruleOf(contract, column);
    if (rule === undefined) return [];
    const check = valueChecker(rule, column.values, column.counts);
    const faults = column.values.map(check);
    const isBlankMeant = faults.some((fault) => fault?.suggested === '') && isMissingByCause(table, index);
    const signals: Signal[] = [];
    column.codes.forEach((code, row) => {
      const fault = faults[code];
      if (fault === undefined) return;
      const { suggested, ...told } = fault;
      const suggestion = suggested === undefined || (suggested === '' && !isBlankMeant) ? {} : { suggested };
      signals.push({ row, column: index, score: CONTRACT_SCORE, ...told, ...suggestion });
    });
    return signals;
  });
}

/**
 * Repeats of a declared key: the first row keeps it, as where repeated rows are counted and dropped. Which column of a
 * key of several is wrong nobody knows; a breach of what was declared is reported all the same.
 */
function uniqueSignals(table: CellTable, contract: QualityContract): Signal[] {
  const names = table.columns.map((column) => column.name);
  return contract.unique.flatMap((key) => {
    const columns = key.map((name) => names.indexOf(name));
    const score = Math.max(REPORT_SCORE, CONTRACT_SCORE / columns.length);
    return firstRepeated(table, columns, 'differs').flatMap((first, row): Signal[] => {
      if (first < 0) return [];
      const evidence = `${key.join(', ')} is declared unique, and row ${first} has the same`;
      return columns.map((column) => ({ row, column, kind: 'repeated-key', score, evidence }));
    });
  });
}

/** The table after every suggestion was taken. */
function applySuggestions(table: CellTable, signals: readonly Signal[]): CellTable {
  const byColumn = new Map<number, Map<number, string>>();
  for (const { column, row, suggested } of signals) {
    if (suggested === undefined) continue;
    const cells = byColumn.get(column) ?? new Map<number, string>();
    cells.set(row, suggested);
    byColumn.set(column, cells);
  }
  const columns = table.columns.map((column, index) => {
    const cells = byColumn.get(index);
    if (cells === undefined) return column;
    return encodeColumn(
      column.name,
      Array.from(column.codes, (code, row) => cells.get(row) ?? column.values[code]),
    );
  });
  return { rows: table.rows, columns };
}

/** So many rows that spell a missing value in one way are no slips, however large the table. */
const CUSTOM_ROWS = 20;

/**
 * Missing values in another spelling than the column's own. Blank, and a spelling that many rows use, is the column's
 * custom; the rarer spellings are inconsistent. In a column without a custom every spelled-out null is a slip, if there
 * are several spellings or the other values are numbers or dates.
 */
function nullSpellingSignals(table: CellTable, index: number, isTyped: boolean): Signal[] {
  const column = table.columns[index];
  const spellings = column.values
    .map((value, code) => ({ value, code, rows: column.counts[code] }))
    .filter(({ value, rows }) => rows > 0 && (isBlank(value) || isMissingSpelling(value)))
    .sort((a, b) => b.rows - a.rows || a.code - b.code);
  if (spellings.length === 0) return [];
  const [usual] = spellings;
  const isCustom = usual.rows >= Math.min(CUSTOM_SHARE * column.codes.length, CUSTOM_ROWS);
  const hasCustom = spellings.some(({ value }) => isBlank(value)) || isCustom;
  if (!hasCustom && spellings.length === 1 && !isTyped) return [];
  const slips = new Set((hasCustom ? spellings.slice(1) : spellings).map(({ code }) => code));
  const evidence = hasCustom
    ? `missing values are usually written "${usual.value}" here`
    : 'spells a missing value where others have one';
  const isSure = hasCustom && spellsMissing(column.values, column.counts) && isMissingByCause(table, index);
  const suggestion = isSure ? { suggested: usual.value } : {};
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    if (!slips.has(code) || isBlank(column.values[code])) return;
    signals.push({ row, column: index, kind: 'implicit-missing', score: 0.6, evidence, ...suggestion });
  });
  return signals;
}

/** Joins the signals of each cell: independent suspicions add up as 1 - product of (1 - score). */
export function joinSignals(table: CellTable, signals: readonly Signal[]): CellFinding[] {
  const byCell = new Map<number, Signal[]>();
  const width = table.columns.length;
  for (const signal of signals) {
    const key = signal.row * width + signal.column;
    const list = byCell.get(key);
    if (list === undefined) byCell.set(key, [signal]);
    else list.push(signal);
  }
  return [...byCell].sort(([a], [b]) => a - b).map(([, list]) => joinCell(table, list));
}

const LOST_KINDS: ReadonlySet<SignalKind> = new Set(['implicit-missing', 'outlier']);
/** Kinds whose suggestion is the same value in another way of writing. */
const WRITING_KINDS: ReadonlySet<SignalKind> = new Set(['variant', 'format', 'type', 'unit', 'unusual-pattern']);

function joinCell(table: CellTable, list: readonly Signal[]): CellFinding {
  const strongest = list.reduce((best, signal) => (signal.score > best.score ? signal : best));
  const score = 1 - list.reduce((product, signal) => product * (1 - signal.score), 1);
  // What stands where a value was lost (-1, 1 January 1900) is mended by no other way of writing it.
  const isLost = list.some((signal) => LOST_KINDS.has(signal.kind) && signal.score >= REPORT_SCORE);
  const isVote = ({ kind }: Signal): boolean => kind === 'dependency';
  const able = list.filter((signal) =>
    isVote(signal) ? signal.score >= MEND_SCORE : !isLost || !WRITING_KINDS.has(signal.kind),
  );
  // Rows that agree know the value itself; a format only knows how to write what the cell says.
  const byTrust = [...able.filter(isVote), ...able.filter((signal) => signal === strongest), ...able];
  const repair = byTrust.find(({ suggested }) => suggested !== undefined)?.suggested;
  const current = table.columns[strongest.column].values[table.columns[strongest.column].codes[strongest.row]];
  return {
    row: strongest.row,
    column: table.columns[strongest.column].name,
    kind: strongest.kind,
    score,
    evidence: strongest.evidence,
    ...(repair === undefined || repair === current ? {} : { suggested: repair }),
  };
}
