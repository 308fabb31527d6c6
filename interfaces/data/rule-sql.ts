/** Rules about rows as SQL of the engine, over a scan's neutral columns; values are bound as those of predicates are. */
import type { ColumnComparison } from '../../domain/types/predicate.js';
import type { RowRule, RuleCondition } from '../../domain/types/rule.js';
import { usageError } from '../../domain/types/errors.js';
import { columnNamed, eventTimeSql, type SourceColumn } from './columns.js';
import { predicateSql, type Bindings } from './predicate-sql.js';

/** What rules are read over. */
export interface RuleScope {
  readonly columns: readonly SourceColumn[];
  /** The declared event time: kept as text, it is ordered as times are. */
  readonly eventColumn: SourceColumn | null;
}

/**
 * Condition of a row that breaks a rule: true or false, never NULL. What a missing value leaves unknown breaks nothing.
 * @throws `UnknownColumn`, or `TypeMismatch` for a value or a second column that a column cannot be compared with
 */
export function breaksSql(rule: RowRule, scope: RuleScope, bindings: Bindings): string {
  const side = (conditions: readonly RuleCondition[]): string =>
    conditions.map((condition) => `(${conditionSql(condition, scope, bindings)})`).join(' AND ') || 'TRUE';
  return `coalesce((${side(rule.when)}) AND NOT (${side(rule.then)}), FALSE)`;
}

function conditionSql(condition: RuleCondition, scope: RuleScope, bindings: Bindings): string {
  if ('other' in condition) return comparisonSql(condition, scope);
  return predicateSql([condition], { ...scope, dialect: 'duckdb', bindings, spell: cellSql });
}

/** A cell; NaN is a missing value, which the engine would order above all numbers. */
function cellSql({ alias, type }: SourceColumn): string {
  return type === 'FLOAT' || type === 'DOUBLE' ? knownSql(alias) : alias;
}

function knownSql(number: string): string {
  return `CASE WHEN NOT isnan(${number}) THEN ${number} END`;
}

/**
 * Two columns are compared as what one of them holds: numbers, else times, else truth values, else text. A text that
 * cannot be read so is unknown.
 */
function comparisonSql({ column, op, other }: ColumnComparison, { columns, eventColumn }: RuleScope): string {
  const [left, right] = [columnNamed(columns, column), columnNamed(columns, other)];
  const kinds = [left, right].map((one) => (one === eventColumn ? 'time' : one.kind));
  const kind = (['number', 'time', 'boolean', 'string'] as const).find((one) => kinds.includes(one));
  const fits = kind !== undefined && kinds.every((one) => one === kind || one === 'string');
  if (!fits) {
    throw usageError({
      type: 'TypeMismatch',
      message: `columns ${JSON.stringify(column)} (${left.type}) and ${JSON.stringify(other)} (${right.type}) cannot be compared`,
      expected: 'two columns of numbers, of times, of text or of truth values',
      got: `${left.type} and ${right.type}`,
    });
  }
  const sides = [left, right].map((side) => comparable(side, kind));
  // Text may spell a UUID in capitals, the engine does not.
  const uuids = kind === 'string' && [left, right].some(({ type }) => type === 'UUID');
  return (uuids ? sides.map((side) => `lower(${side})`) : sides).join(op === '!=' ? ' <> ' : ` ${op} `);
}

function comparable(column: SourceColumn, kind: SourceColumn['kind']): string {
  const { alias, type } = column;
  if (kind === 'time') return eventTimeSql(column);
  if (kind === 'string') return type === 'VARCHAR' ? alias : `CAST(${alias} AS VARCHAR)`;
  if (column.kind === kind) return cellSql(column);
  return kind === 'number' ? knownSql(`TRY_CAST(${alias} AS DOUBLE)`) : `TRY_CAST(${alias} AS BOOLEAN)`;
}
