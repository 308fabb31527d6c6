/** Rules about rows as SQL of the engine, over a scan's neutral columns; values are bound as those of predicates are. */
import type { ColumnComparison } from '../../domain/types/predicate.js';
import type { RowRule, RuleCondition } from '../../domain/types/rule.js';
import { usageError } from '../../domain/types/errors.js';
import { columnNamed, eventTimeSql, type SourceColumn } from './columns.js';
import { predicateSql, type Bindings } from './predicate-sql.js';

/**
 * Condition of a row that breaks a rule: true or false, never NULL. What a missing value leaves unknown breaks nothing.
 * @throws `UnknownColumn`, or `TypeMismatch` for a value or a second column that a column cannot be compared with
 */
export function breaksSql(rule: RowRule, columns: readonly SourceColumn[], bindings: Bindings): string {
  const side = (conditions: readonly RuleCondition[]): string =>
    conditions.map((condition) => `(${conditionSql(condition, columns, bindings)})`).join(' AND ') || 'TRUE';
  return `coalesce((${side(rule.when)}) AND NOT (${side(rule.then)}), FALSE)`;
}

function conditionSql(condition: RuleCondition, columns: readonly SourceColumn[], bindings: Bindings): string {
  if ('other' in condition) return comparisonSql(condition, columns);
  return predicateSql([condition], { dialect: 'duckdb', columns, bindings, spell: ({ alias }) => alias });
}

/**
 * Two columns are compared as what one of them holds: numbers, else times, else truth values, else text. A text that
 * cannot be read so is unknown.
 */
function comparisonSql({ column, op, other }: ColumnComparison, columns: readonly SourceColumn[]): string {
  const [left, right] = [columnNamed(columns, column), columnNamed(columns, other)];
  const kinds = [left.kind, right.kind];
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
  return sides.join(op === '!=' ? ' <> ' : ` ${op} `);
}

function comparable(column: SourceColumn, kind: SourceColumn['kind']): string {
  if (kind === 'time') return eventTimeSql(column);
  if (column.kind === kind) return column.alias;
  return `TRY_CAST(${column.alias} AS ${kind === 'number' ? 'DOUBLE' : 'BOOLEAN'})`;
}
