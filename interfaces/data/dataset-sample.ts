/** What the rows of a dataset look like, counted as those of a delivered file are. */
import type { DatasetSampleAsk } from '../../activities/ports.js';
import { SAMPLE_ROWS_MAX, type Sample } from '../../domain/quality/sample.js';
import { columnNamed } from './columns.js';
import { arrivedSql, predicateColumns, scanNeed, whereSql, type DatasetScope } from './dataset-scope.js';
import type { Session } from './engine.js';
import { Bindings } from './predicate-sql.js';
import { rankSql } from './ranked-pool.js';
import { sampleSlice } from './slice-files.js';

/**
 * A sample of the rows that match and have arrived: the same content gives the same one.
 * @throws BalanceError `UnknownColumn`, `TypeMismatch`
 */
export async function sampleDataset(
  at: DatasetScope,
  { fields, where, moving }: DatasetSampleAsk,
  session: Session,
): Promise<Sample> {
  const { columns } = at.open;
  const looked = fields.map((name) => columnNamed(columns, name));
  const aliases = looked.map(({ alias }) => alias);
  const bindings = new Bindings();
  const matching = whereSql(where, at, bindings);
  const scan = await at.open.scan(scanNeed(at, [...looked, ...predicateColumns(columns, where)], [where], true));
  await session.run(
    `CREATE TEMP TABLE slice AS SELECT ${[...aliases, '1 AS w'].join(', ')}
     FROM ${scan} WHERE ${arrivedSql(at)} AND ${matching}
     ORDER BY ${[rankSql(0), 'id', ...aliases].join(', ')} LIMIT ${SAMPLE_ROWS_MAX}`,
    bindings.values,
  );
  return (await sampleSlice(session, looked, { fields, moving, reference: null })).own;
}
