/** A scan as fast as its source's limits allow: piece by piece into a table, each piece once the one before it is paid for. */
import { cellBytesSql, type SourceColumn } from './columns.js';
import type { DuckDBValue } from '@duckdb/node-api';
import type { ReadPace } from '../../activities/ports.js';
import type { Session } from './engine.js';

/** How a scan is paced. */
export interface ScanPace extends Pick<ReadPace, 'onward'> {
  /** Columns whose cells count as bytes. */
  readonly counted: readonly SourceColumn[];
  /** The part of the scanned rows that is handed out, by how many they are: which of them is known at the end only. */
  readonly part: (matching: () => Promise<number>) => Promise<number>;
}

/**
 * @param all whether every row that is scanned is handed out; else as many as are foreseen, spread evenly over the scan as
 *   they are picked by a hash
 */
export function scanPace({ rows, onward }: ReadPace, counted: readonly SourceColumn[], all: boolean): ScanPace {
  const part = async (matching: () => Promise<number>): Promise<number> =>
    all ? 1 : Math.min(1, rows / Math.max(1, await matching()));
  return { onward, counted, part };
}

/** Makes a table of a query's rows, of which each piece that has left the source is told, and the next one waited for. Gives their number. */
export async function pacedTable(
  table: string,
  from: string,
  values: readonly DuckDBValue[],
  session: Session,
  { onward, counted, part }: ScanPace,
): Promise<number> {
  const share = await part(async () => {
    const [{ n }] = await session.rows(`SELECT count(*) AS n ${from}`, values);
    return Number(n);
  });
  const width = counted.map(cellBytesSql).join(' + ') || '0';
  const query = `SELECT *, CAST(${width} AS BIGINT) AS cell_bytes ${from}`;
  await session.run(`CREATE OR REPLACE TEMP TABLE ${table} AS ${query} LIMIT 0`, values);
  const appender = await session.connection.createAppender(table);
  let total = 0;
  try {
    for await (const piece of session.stream(query, values)) {
      const bytes = piece.getColumnValues(piece.columnCount - 1).reduce<number>((sum, one) => sum + Number(one), 0);
      appender.appendDataChunk(piece);
      total += piece.rowCount;
      await onward(piece.rowCount * share, bytes * share);
    }
  } finally {
    appender.closeSync();
  }
  return total;
}
