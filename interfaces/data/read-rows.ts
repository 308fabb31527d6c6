/** Rows of a delivered Parquet file as plain objects, streamed. */
import { DuckDBInstance } from '@duckdb/node-api';
import { BalanceError } from '../../domain/types/errors.js';

/** Streams the rows. Numbers that JavaScript holds exactly are numbers, larger ones and times are text. */
export async function* readParquetRows(path: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const result = await connection.stream('select * from read_parquet($1)', [path]).catch((cause: unknown) => {
      throw new BalanceError(
        'usage',
        {
          type: 'DeliveryGone',
          message: `cannot read ${path}: ${(cause as Error).message}`,
          hint: 'Its lease may have ended: ask again.',
        },
        { cause },
      );
    });
    const names = result.columnNames();
    while (true) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      for (const row of chunk.getRows())
        yield Object.fromEntries(names.map((name, index) => [name, plain(row[index])]));
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value === null || typeof value !== 'object') return value;
  // DuckDB's own value types (timestamps, dates, decimals, lists) print themselves.
  return (value as { toString(): string }).toString();
}
