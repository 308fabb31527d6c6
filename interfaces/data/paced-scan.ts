/** A scan as fast as its source's limits allow: piece by piece into a table, each piece once the one before it is paid for. */
import { cellBytesSql, type SourceColumn } from './columns.js';
import type { DuckDBValue } from '@duckdb/node-api';
import type { ReadPace } from '../../activities/ports.js';
import type { Session } from './engine.js';

/** How a scan is paced. */
export interface ScanPace {
  /** Columns whose cells count as bytes. */
  readonly counted: readonly SourceColumn[];
  /**
   * Before the scan. What it gives is told of each piece that was scanned, and resolves when the next one may be.
   * @param count how many rows there are to scan: asked where some of them are not handed out
   */
  readonly begin: (count: () => Promise<number>) => Promise<(rows: number, bytes: number) => Promise<void>>;
}

/**
 * @param all whether every row that is scanned is handed out; else as many rows and bytes as are foreseen, spread evenly over
 *   the scan as rows are picked by a hash: which ones is known at the end only
 */
export function scanPace({ rows, bytes, onward }: ReadPace, counted: readonly SourceColumn[], all: boolean): ScanPace {
  const begin: ScanPace['begin'] = async (count) => {
    const matching = all ? null : Math.max(1, await count());
    let [scannedRows, scannedBytes, toldRows, toldBytes] = [0, 0, 0, 0];
    return async (moreRows, moreBytes) => {
      scannedRows += moreRows;
      scannedBytes += moreBytes;
      // As many as are foreseen of all, at this point of the scan.
      const most = (foreseen: number): number => (matching === null ? Infinity : (foreseen * scannedRows) / matching);
      const left = { rows: Math.min(scannedRows, most(rows)), bytes: Math.min(scannedBytes, most(bytes)) };
      const told = [toldRows, toldBytes];
      [toldRows, toldBytes] = [left.rows, left.bytes];
      await onward(left.rows - told[0], left.bytes - told[1]);
    };
  };
  return { counted, begin };
}

/** Makes a table of a query's rows, of which each piece that has left the source is told, and the next one waited for. Gives their number. */
export async function pacedTable(
  table: string,
  from: string,
  values: readonly DuckDBValue[],
  session: Session,
  { counted, begin }: ScanPace,
): Promise<number> {
  const onward = await begin(async () => {
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
      await onward(piece.rowCount, bytes);
    }
  } finally {
    appender.closeSync();
  }
  return total;
}
