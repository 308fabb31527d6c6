/**
 * Predicates as SQL for DuckDB and Postgres. User text never reaches a statement: columns are looked up among the
 * real ones and spelt by the caller, values are checked against the column's type here and then bound.
 */
import type { Literal, Predicate } from '../../domain/types/predicate.js';
import { usageError } from '../../domain/types/errors.js';
import { columnNamed, eventTimeSql, type SourceColumn } from './columns.js';

export type Dialect = 'duckdb' | 'postgres';
export type BoundValue = string | boolean;

/** Values of one statement, in the order of their placeholders. */
export class Bindings {
  readonly values: BoundValue[] = [];
  private readonly placeholders = new Map<string, string>();

  /** The placeholder (`$1`, `$2`, ...) of a value; equal values share one, so repeated predicates stay cheap. */
  bind(value: BoundValue): string {
    const key = `${typeof value}:${value}`;
    let placeholder = this.placeholders.get(key);
    if (placeholder === undefined) {
      placeholder = `$${this.values.push(value)}`;
      this.placeholders.set(key, placeholder);
    }
    return placeholder;
  }
}

export interface PredicateScope {
  readonly dialect: Dialect;
  readonly columns: readonly SourceColumn[];
  readonly bindings: Bindings;
  /** How the statement spells a column. */
  readonly spell: (column: SourceColumn) => string;
  /** The declared event time: where it is kept as text, its order is that of the times and not of the letters. */
  readonly eventColumn?: SourceColumn | null;
}

/**
 * SQL of a conjunction; `TRUE` for the empty one. Never NULL-safe tricks: a NULL cell matches nothing but `is-null`.
 * @throws `UnknownColumn` for a column that does not exist, `TypeMismatch` for a value that the column cannot hold.
 */
export function predicateSql(predicate: Predicate, scope: PredicateScope): string {
  if (predicate.length === 0) return 'TRUE';
  return predicate.map((condition) => conditionSql(condition, scope)).join(' AND ');
}

function conditionSql(condition: Predicate[number], scope: PredicateScope): string {
  const column = columnNamed(scope.columns, condition.column);
  const byTime = column === scope.eventColumn && isTextTime(condition, column);
  const left = byTime ? eventTimeSql(column) : scope.spell(column);
  const value = (literal: Literal): string => valueSql(literal, byTime ? { ...column, kind: 'time' } : column, scope);
  switch (condition.op) {
    case 'is-null':
      return `${left} IS NULL`;
    case 'is-not-null':
      return `${left} IS NOT NULL`;
    case 'in':
      return condition.values.length === 0 ? 'FALSE' : `${left} IN (${condition.values.map(value).join(', ')})`;
    case 'between':
      return `${left} BETWEEN ${value(condition.low)} AND ${value(condition.high)}`;
    case '!=':
      return `${left} <> ${value(condition.value)}`;
    default:
      return `${left} ${condition.op} ${value(condition.value)}`;
  }
}

/** Whether a condition orders texts of event times by a time: both databases would order them by their letters. */
export function isTextTime(condition: Predicate[number], { kind, name }: SourceColumn): boolean {
  if (kind !== 'string' || condition.column !== name) return false;
  const isTime = (literal: Literal): boolean => typeof literal === 'string' && utcTimestamp(literal) !== null;
  if (condition.op === 'between') return isTime(condition.low) && isTime(condition.high);
  return ['<', '<=', '>', '>='].includes(condition.op) && 'value' in condition && isTime(condition.value);
}

function mismatch(column: SourceColumn, literal: Literal, expected: string): Error {
  return usageError({
    type: 'TypeMismatch',
    message: `column ${JSON.stringify(column.name)} (${column.type}) cannot be compared with ${JSON.stringify(literal)}`,
    expected,
    got: JSON.stringify(literal),
  });
}

function valueSql(literal: Literal, column: SourceColumn, scope: PredicateScope): string {
  const { bindings, dialect } = scope;
  switch (column.kind) {
    case 'number': {
      const text = typeof literal === 'number' ? String(literal) : literal;
      if (
        typeof text !== 'string' ||
        !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ||
        !Number.isFinite(Number(text))
      )
        throw mismatch(column, literal, 'a finite number');
      return `CAST(${bindings.bind(text)}${textType(dialect)} AS ${numberType(text, column.type, dialect)})`;
    }
    case 'boolean': {
      const text = String(literal).toLowerCase();
      if (text !== 'true' && text !== 'false') throw mismatch(column, literal, 'true or false');
      return bindings.bind(text === 'true');
    }
    case 'time': {
      const instant = typeof literal === 'string' ? utcTimestamp(literal) : null;
      if (instant === null) throw mismatch(column, literal, "an ISO 8601 time, for example '2001-01-08T00:00:00Z'");
      const zone = column.type === 'TIMESTAMP WITH TIME ZONE';
      return `CAST(${bindings.bind(zone ? `${instant}+00` : instant)}${textType(dialect)} AS ${zone ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP'})`;
    }
    default: {
      if (column.type === 'UUID') return uuidSql(literal, column, scope);
      // A bare number compared with text would lose leading zeros and sort 10 before 9: the user must quote it.
      // NUL: Postgres cannot hold it in a text.
      if (typeof literal !== 'string' || literal.includes('\0'))
        throw mismatch(column, literal, "text in quotes, for example '007'");
      return `CAST(${bindings.bind(literal)} AS ${dialect === 'duckdb' ? 'VARCHAR' : 'text'})`;
    }
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** In lower case, as both databases write it: Postgres compares its text. */
function uuidSql(literal: Literal, column: SourceColumn, { bindings, dialect }: PredicateScope): string {
  if (typeof literal !== 'string' || !UUID.test(literal))
    throw mismatch(column, literal, "a UUID in quotes, for example 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'");
  return `CAST(${bindings.bind(literal.toLowerCase())} AS ${dialect === 'duckdb' ? 'UUID' : 'text'})`;
}

/** Postgres must be told that a placeholder is text before it is cast, or it expects the driver to send the target type. */
function textType(dialect: Dialect): string {
  return dialect === 'postgres' ? '::text' : '';
}

/**
 * The type in which a number is compared. Integers stay exact (a key beyond 2^53 must not match its neighbour);
 * fractions take the column's own floating type, so that 0.1 equals a stored 0.1; others are doubles.
 */
function numberType(text: string, columnType: string, dialect: Dialect): string {
  if (columnType === 'FLOAT') return dialect === 'duckdb' ? 'FLOAT' : 'real';
  if (columnType !== 'DOUBLE' && /^[-+]?\d{1,18}$/.test(text)) return 'BIGINT';
  if (columnType !== 'DOUBLE' && /^[-+]?\d{1,38}$/.test(text))
    return dialect === 'duckdb' ? 'DECIMAL(38,0)' : 'numeric';
  return dialect === 'duckdb' ? 'DOUBLE' : 'double precision';
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[-+]\d{2}(?::?\d{2})?)?)?$/;

/**
 * An ISO 8601 date or time as `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC; null when it is none. Without an offset it is
 * UTC. Both databases ignore an offset when they cast text to a plain timestamp, hence the conversion here.
 */
export function utcTimestamp(text: string): string | null {
  const match = ISO.exec(text) as (string | undefined)[] | null;
  if (match === null) return null;
  const [, date, time = '00:00', seconds = '00', fraction, offset = 'Z'] = match;
  const zone = offset === 'Z' ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`;
  const wall = `${date}T${time}:${seconds}`;
  const ms = Date.parse(wall + zone);
  // Date.parse rolls 2001-02-30 over to March: only a wall time that survives the round trip is one.
  if (Number.isNaN(ms) || !new Date(Date.parse(`${wall}Z`)).toISOString().startsWith(wall)) return null;
  const utc = new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  return fraction === undefined ? utc : `${utc}.${fraction.slice(0, 6)}`;
}
