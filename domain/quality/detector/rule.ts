/**
 * Rows that break a declared rule, and which of their cells is to blame.
 *
 * Values are compared as in the data plane (`rule-sql.ts`): two columns as what one of them holds, numbers, else
 * times, else text; a blank or a spelled-out null is missing, what cannot be read is unknown, and neither breaks a rule.
 */
import { momentRanker } from '../cell-moment.js';
import { isBlank, isMissingSpelling, type CellColumn, type CellTable } from '../cell-table.js';
import { impliedType } from '../column-summary.js';
import type { ColumnRule } from '../column-rule.js';
import type { QualityContract } from '../contract.js';
import type { Literal } from '../../types/predicate.js';
import { conditionColumns, type RowRule, type RuleCondition } from '../../types/rule.js';
import type { Signal } from './signal.js';

/** What the rows of a table say about one rule. */
export interface RuleVerdict {
  readonly rule: RowRule;
  /** Rows that the rule speaks about and that can be judged. */
  readonly judged: number;
  /** Rows that break it, ascending. */
  readonly broken: readonly number[];
  /** Columns of the conditions that row `broken[i]` does not meet. */
  readonly blamed: readonly (readonly number[])[];
}

/** True, false, or unknown. */
type Truth = boolean | undefined;
type Kind = 'number' | 'moment' | 'text';

/** Judges every rule of a contract whose names are the table's. */
export function judgeRules(table: CellTable, contract: QualityContract): RuleVerdict[] {
  return (contract.rules ?? []).map((rule) => {
    const columns = new Map(table.columns.map((column, index) => [column.name, { column, index }]));
    const compile = (condition: RuleCondition): ((row: number) => Truth) =>
      compileCondition(condition, (name) => columns.get(name)!.column, contract.columns);
    const when = rule.when.map(compile);
    const then = rule.then.map((condition) => ({
      holds: compile(condition),
      columns: conditionColumns(condition).map((name) => columns.get(name)!.index),
    }));
    let judged = 0;
    const broken: number[] = [];
    const blamed: number[][] = [];
    for (let row = 0; row < table.rows; row++) {
      if (!when.every((holds) => holds(row) === true)) continue;
      const truths = then.map(({ holds }) => holds(row));
      const unmet = then.filter((_, at) => truths[at] === false);
      if (unmet.length === 0 && truths.includes(undefined)) continue;
      judged++;
      if (unmet.length === 0) continue;
      broken.push(row);
      blamed.push([...new Set(unmet.flatMap((condition) => condition.columns))].sort((a, b) => a - b));
    }
    return { rule, judged, broken, blamed };
  });
}

/** How sure a breach is where a single cell can be to blame: what was declared is the owner's word. */
const BREACH_SCORE = 0.95;
/** Chance that a cell is wrong that nothing else speaks against. It cancels out where nothing speaks against its fellows either. */
const BASE_CHANCE = 0.05;

/**
 * One signal for each cell that may be to blame. At least one of the cells of a breach is wrong, so a cell with the
 * chance p of being wrong by itself is so with p / (1 - product of (1 - p)), by Bayes: two cells alike get one half each,
 * and one that other detectors suspect takes the blame from the rest.
 *
 * @param others what the other detectors say
 */
export function ruleSignals(table: CellTable, verdicts: readonly RuleVerdict[], others: readonly Signal[]): Signal[] {
  const width = table.columns.length;
  const sound = new Map<number, number>();
  for (const { row, column, score } of others) {
    const key = row * width + column;
    sound.set(key, (sound.get(key) ?? 1) * (1 - score));
  }
  const chance = (row: number, column: number): number =>
    Math.max(BASE_CHANCE, 1 - (sound.get(row * width + column) ?? 1));
  return verdicts.flatMap(({ rule, broken, blamed }) =>
    broken.flatMap((row, at) => {
      const chances = blamed[at].map((column) => chance(row, column));
      const any = 1 - chances.reduce((product, p) => product * (1 - p), 1);
      return blamed[at].map((column, index): Signal => {
        const score = Math.min(BREACH_SCORE, chances[index] / any);
        return { row, column, kind: 'rule', score, evidence: `the row breaks the rule ${rule.text}` };
      });
    }),
  );
}

function isMissing(text: string): boolean {
  return isBlank(text) || isMissingSpelling(text);
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const readNumber = (text: string): number => (NUMBER.test(text.trim()) ? Number(text) : NaN);

/** A column's kind, and how its texts are ranked among their like: by a number (NaN: unreadable), or the text itself. */
interface Reading {
  readonly kind: Kind;
  readonly rank: (text: string) => number | string;
}

function readingOf(column: CellColumn, rule: ColumnRule | undefined): Reading {
  const type = rule?.type ?? (rule?.unit === undefined ? impliedType(column)?.type : 'number');
  if (type === 'integer' || type === 'number') return { kind: 'number', rank: readNumber };
  if (type !== 'date' && type !== 'time' && type !== 'datetime') return { kind: 'text', rank: (text) => text };
  return { kind: 'moment', rank: momentRanker(type, rule?.format, column.values, column.counts) };
}

function compare(left: number | string, op: string, right: number | string): Truth {
  if (left !== left || right !== right) return undefined;
  switch (op) {
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}

function compileCondition(
  condition: RuleCondition,
  columnOf: (name: string) => CellColumn,
  rules: Readonly<Record<string, ColumnRule | undefined>>,
): (row: number) => Truth {
  const column = columnOf(condition.column);
  const ruleOf = (name: string): ColumnRule | undefined => (Object.hasOwn(rules, name) ? rules[name] : undefined);
  const own = readingOf(column, ruleOf(column.name));
  if (!('other' in condition)) {
    const truths = column.values.map((text) => judgeValue(text, condition, own));
    return (row) => truths[column.codes[row]];
  }
  const other = columnOf(condition.other);
  const theirs = readingOf(other, ruleOf(other.name));
  const kind = (['number', 'moment', 'text'] as const).find((one) => one === own.kind || one === theirs.kind)!;
  // A column of another kind is read as its fellow is.
  const left = ranksOf(column, own.kind === kind ? own.rank : theirs.rank);
  const right = ranksOf(other, theirs.kind === kind ? theirs.rank : own.rank);
  return (row) => {
    const [a, b] = [left[column.codes[row]], right[other.codes[row]]];
    return a === undefined || b === undefined ? undefined : compare(a, condition.op, b);
  };
}

/** The rank of each distinct value; `undefined` for a missing one. */
function ranksOf(column: CellColumn, rank: (text: string) => number | string): (number | string | undefined)[] {
  return column.values.map((text) => (isMissing(text) ? undefined : rank(text)));
}

const TRUE = /^(?:true|t|yes|y|1)$/i;
const FALSE = /^(?:false|f|no|n|0)$/i;

/** One value against one literal: as truth values or numbers by the literal's type, times where both are some, else as text. */
function compareLiteral(text: string, op: string, literal: Literal, { kind, rank }: Reading): Truth {
  if (typeof literal === 'boolean') {
    const own = TRUE.test(text) ? 1 : FALSE.test(text) ? 0 : NaN;
    return compare(own, op, literal ? 1 : 0);
  }
  if (typeof literal === 'number') return compare(readNumber(text), op, literal);
  if (kind === 'number' && NUMBER.test(literal)) return compare(readNumber(text), op, Number(literal));
  const isMoment = kind === 'moment' && !Number.isNaN(rank(literal));
  return isMoment ? compare(rank(text), op, rank(literal)) : compare(text, op, literal);
}

type Plain = Exclude<RuleCondition, { readonly other: string }>;

function judgeValue(text: string, condition: Plain, reading: Reading): Truth {
  const against = (op: string, literal: Literal): Truth => compareLiteral(text, op, literal, reading);
  switch (condition.op) {
    case 'is-null':
      return isMissing(text);
    case 'is-not-null':
      return !isMissing(text);
  }
  // A word for "missing" that the rule itself names is a value.
  const named = condition.op === 'in' ? condition.values : condition.op === 'between' ? [] : [condition.value];
  if (isMissing(text) && !named.includes(text)) return undefined;
  if (condition.op === 'in') return anyOf(condition.values.map((value) => against('=', value)));
  if (condition.op === 'between') return allOf([against('>=', condition.low), against('<=', condition.high)]);
  return against(condition.op, condition.value);
}

function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true;
  return truths.includes(undefined) ? undefined : false;
}

function allOf(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(undefined) ? undefined : true;
}
