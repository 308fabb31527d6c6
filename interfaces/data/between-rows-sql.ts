/**
 * Rows that break what is promised between rows, counted and named in SQL. A row without one of the values breaks nothing, nor
 * does one that spells out that it has none (`N/A`): many rows that say so are no group, and none of them contradicts another.
 */
import { MISSING_SPELLINGS } from '../../domain/quality/cell-table.js';
import type { BetweenRows } from '../../domain/types/between-rows.js';
import { columnsOf } from '../../domain/types/between-rows.js';
import { columnNamed, type SourceColumn } from './columns.js';
import type { DatasetScope } from './dataset-scope.js';
import { quoteText, type Session } from './engine.js';

/**
 * Rows at fault of each slice, told apart by the SQL `nth`: of a dependency those that differ from what most rows of their
 * group hold, of a unique set those after the first of the same values.
 */
export async function countBetweenRows(
  promise: BetweenRows,
  { table, nth }: { readonly table: string; readonly nth: string },
  at: DatasetScope,
  session: Session,
): Promise<ReadonlyMap<number, number>> {
  const { names, present } = valuesOf(promise, at);
  const from = names.slice(0, -1).join(', ');
  const query =
    promise.kind === 'unique'
      ? `SELECT nth, sum(n - 1) AS bad FROM (SELECT ${nth} AS nth, ${names.join(', ')}, count(*) AS n FROM ${table} WHERE ${present} GROUP BY ALL) GROUP BY nth`
      : `SELECT nth, sum(n - most) AS bad FROM (
          SELECT nth, ${from}, sum(n) AS n, max(n) AS most FROM (
            SELECT ${nth} AS nth, ${names.join(', ')}, count(*) AS n FROM ${table} WHERE ${present} GROUP BY ALL
          ) GROUP BY ALL
        ) GROUP BY nth`;
  const rows = await session.rows(query);
  return new Map(rows.map((row) => [Number(row.nth), Number(row.bad)]));
}

/**
 * Condition of a row of `pool` that is at fault: never NULL. Where two values of a group are held by as many rows, nothing
 * tells which is wrong, and both are at fault.
 */
export function atFaultSql(promise: BetweenRows, at: DatasetScope): string {
  const { names, present } = valuesOf(promise, at);
  if (promise.kind === 'unique')
    return `pos IN (SELECT pos FROM pool WHERE ${present} QUALIFY row_number() OVER (PARTITION BY ${names.join(', ')} ORDER BY pos) > 1)`;
  const from = names.slice(0, -1).join(', ');
  const held = `SELECT ${names.join(', ')}, count(*) AS n FROM pool WHERE ${present} GROUP BY ALL`;
  const most = `SELECT * FROM (${held}) QUALIFY rank() OVER (PARTITION BY ${from} ORDER BY n DESC) = 1`;
  const leaders = `SELECT * FROM (${most}) QUALIFY count(*) OVER (PARTITION BY ${from}) = 1`;
  return `pos NOT IN (SELECT pos FROM pool JOIN (${leaders}) USING (${names.join(', ')})) AND ${present}`;
}

/** The columns of a promise, and the condition of a row that has a value in each of them: never NULL. */
function valuesOf(promise: BetweenRows, at: DatasetScope): { readonly names: string[]; readonly present: string } {
  const columns = columnsOf(promise).map((name) => columnNamed(at.open.columns, name));
  return {
    names: columns.map(({ alias }) => alias),
    present: columns.map((column) => hasValueSql(column, at)).join(' AND '),
  };
}

const SPELLINGS = [...MISSING_SPELLINGS].map(quoteText).join(', ');

/** What is declared to be a value is one, whatever it spells. */
function hasValueSql({ name, alias, kind }: SourceColumn, { dataset }: DatasetScope): string {
  const given = `${alias} IS NOT NULL`;
  if (kind !== 'string') return given;
  const text = `CAST(${alias} AS VARCHAR)`;
  const { columns } = dataset.definition;
  const declared = Object.hasOwn(columns, name) ? (columns[name].values ?? []) : [];
  const spelled = `lower(trim(${text}, E' \\t\\r\\n')) IN (${SPELLINGS})`;
  const listed = declared.map((value) => quoteText(String(value))).join(', ');
  const isValue = listed === '' ? `NOT (${spelled})` : `(${text} IN (${listed}) OR NOT (${spelled}))`;
  return `coalesce(${given} AND ${isValue}, FALSE)`;
}
