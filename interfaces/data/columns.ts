/** Columns of a source: their kinds, how they are looked up by name, and the SQL forms that all readers share. */
import type { ColumnState } from '../../activities/ports.js';
import { usageError } from '../../domain/types/errors.js';

export interface SourceColumn {
  readonly name: string;
  /** The engine's name of the type, for example `BIGINT`. */
  readonly type: string;
  readonly kind: ColumnState['kind'];
  /** How statements over a scan call it: `c0`, `c1`, ... No user text becomes an identifier there. */
  readonly alias: string;
}

const KINDS: readonly [RegExp, ColumnState['kind']][] = [
  [/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/, 'number'],
  [/^(DATE|TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE)$/, 'time'],
  [/^(VARCHAR|UUID|ENUM\(.*\))$/s, 'string'],
  [/^BOOLEAN$/, 'boolean'],
];

/** The kind of an engine type; lists, structs, blobs, times of day and intervals are `other`. */
export function kindOf(type: string): ColumnState['kind'] {
  return KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? 'other';
}

/** Columns in order, from names and engine types. */
export function sourceColumns(described: readonly { readonly name: string; readonly type: string }[]): SourceColumn[] {
  return described.map(({ name, type }, index) => ({ name, type, kind: kindOf(type), alias: `c${index}` }));
}

/** The column of exactly this name. Names are case-sensitive: `Date` and `date` are two columns. Throws `UnknownColumn`. */
export function columnNamed(columns: readonly SourceColumn[], name: string): SourceColumn {
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const near = columns.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  throw usageError({
    type: 'UnknownColumn',
    message: `no column ${JSON.stringify(name)}`,
    expected: `one of ${columns.map((candidate) => JSON.stringify(candidate.name)).join(', ')}`,
    got: JSON.stringify(name),
    ...(near === undefined ? {} : { hint: `Did you mean ${JSON.stringify(near.name)}? Names are case-sensitive.` }),
  });
}

/** SQL of a column's event time as a UTC TIMESTAMP. Text that is no time gives NULL, as does a missing value. */
export function eventTimeSql(column: SourceColumn): string {
  if (column.kind !== 'time') return `(TRY_CAST(${column.alias} AS TIMESTAMP WITH TIME ZONE) AT TIME ZONE 'UTC')`;
  return `CAST(${column.alias} AS TIMESTAMP)`;
}

/** Logical bytes of every cell of a column: 8 for a number or a time, 1 for a boolean; null: each has its own. */
export function cellBytes(column: SourceColumn): number | null {
  if (column.kind === 'number' || column.kind === 'time') return 8;
  return column.kind === 'boolean' ? 1 : null;
}

/** SQL of the logical bytes of one cell: as above, else its text length (UTF-8; NULL 0). */
export function cellBytesSql(column: SourceColumn): string {
  return String(cellBytes(column) ?? `coalesce(strlen(CAST(${column.alias} AS VARCHAR)), 0)`);
}

/** Text form of a class value. */
export function classSql(column: SourceColumn): string {
  return `CAST(${column.alias} AS VARCHAR)`;
}
