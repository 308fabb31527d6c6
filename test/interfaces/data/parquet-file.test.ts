import { mkdtempSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sourceColumns } from '../../../interfaces/data/columns.js';
import { openEngine, quoteText } from '../../../interfaces/data/engine.js';
import { isWritable, parquetFile } from '../../../interfaces/data/parquet-file.js';
import { noAbort } from './plane-kit.js';

const folder = mkdtempSync(join(tmpdir(), 'balance-parquet-'));
const engine = await openEngine({ tempDir: folder });
afterAll(() => engine.close());

/** Values of each type that can be written from memory: the extremes, what is easily lost, and NULL. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  BOOLEAN: ['true', 'false'],
  TINYINT: ['-128', '127'],
  SMALLINT: ['-32768', '32767'],
  INTEGER: ['-2147483648', '2147483647'],
  BIGINT: ['-9223372036854775808', '9223372036854775807'],
  UTINYINT: ['0', '255'],
  USMALLINT: ['0', '65535'],
  UINTEGER: ['0', '4294967295'],
  UBIGINT: ['0', '18446744073709551615'],
  FLOAT: ['0.1', '-0.0', '0.0', 'nan', 'inf', '-inf', '3.4e38'],
  DOUBLE: ['0.1', '-0.0', '0.0', 'nan', 'inf', '-inf', '5e-324', '1.7976931348623157e308'],
  'DECIMAL(4,2)': ['-99.99', '0.01'],
  'DECIMAL(9,0)': ['999999999'],
  'DECIMAL(18,4)': ['99999999999999.9999', '-0.0001'],
  VARCHAR: ['', 'a', "it's", 'Zürich', '🌍', 'line\nbreak'],
  DATE: ['0001-01-01', '1969-12-31', '9999-12-31', 'infinity'],
  TIMESTAMP: ['1969-12-31 23:59:59.999999', '2026-02-28 12:00:00.000001', 'infinity'],
  TIMESTAMP_MS: ['1969-12-31 23:59:59.999', '2026-02-28 12:00:00.001'],
  TIMESTAMP_NS: ['1969-12-31 23:59:59.999999999', '2026-02-28 12:00:00.000000001'],
  'TIMESTAMP WITH TIME ZONE': ['1969-12-31 23:59:59.999999+00', '2026-02-28 12:00:00.000001+05:30'],
  UUID: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'],
};

/** Writes a query's result in both ways; gives the two files' schemas and rows. */
function bothWays(query: string) {
  return engine.session(noAbort, async (session) => {
    const described = await session.rows(`DESCRIBE ${query}`);
    const columns = sourceColumns(
      described.map((row) => ({ name: String(row.column_name), type: String(row.column_type) })),
    );
    // Names of their own: the engine remembers what a file of a name held.
    const [theirs, ours] = ['theirs', 'ours'].map((name) => join(folder, `${name}-${randomUUID()}.parquet`));
    await session.run(`COPY (${query}) TO ${quoteText(theirs)} (FORMAT parquet)`);
    const content = parquetFile(columns, await session.columns(query));
    writeFileSync(ours, content);
    const seen = async (path: string) => ({
      schema: await session.rows(
        `SELECT name, type, type_length, repetition_type, converted_type, logical_type, precision, scale, duckdb_type
         FROM parquet_schema(${quoteText(path)}) OFFSET 1`,
      ),
      rows: await session.rows(`SELECT COLUMNS(*)::VARCHAR FROM read_parquet(${quoteText(path)})`),
    });
    return { columns, content, theirs: await seen(theirs), ours: await seen(ours) };
  });
}

describe('a Parquet file written from memory', () => {
  it.each(Object.entries(VALUES))('holds %s as the engine would have written it', async (type, values) => {
    const cells = [...values.map((value) => `CAST(${quoteText(value)} AS ${type})`), `CAST(NULL AS ${type})`];
    const { columns, theirs, ours } = await bothWays(`SELECT unnest([${cells.join(', ')}]) AS "the value"`);
    expect(isWritable(columns)).toBe(true);
    expect(ours).toEqual(theirs);
    expect(ours.rows).toHaveLength(cells.length);
  });

  it.each(['HUGEINT', 'DECIMAL(30,4)', 'BLOB', 'INTEGER[]', 'STRUCT(a INTEGER)', 'TIME', 'INTERVAL', "ENUM('a')"])(
    'leaves %s to the engine',
    (type) => {
      expect(isWritable(sourceColumns([{ name: 'a', type }]))).toBe(false);
    },
  );

  it('holds a table without rows, and one of nothing but NULL', async () => {
    for (const query of ['SELECT 1 AS a, NULL::VARCHAR AS b LIMIT 0', 'SELECT NULL::BIGINT AS a, NULL::DATE AS b']) {
      const { theirs, ours } = await bothWays(query);
      expect(ours).toEqual(theirs);
    }
  });

  it('has the same bytes for the same rows, and only for them', async () => {
    const query = (last: number): string => `SELECT i, i / 7 AS x, 'row ' || i AS t FROM range(1000, ${last}) r(i)`;
    const [first, again, other] = [
      await bothWays(query(1500)),
      await bothWays(query(1500)),
      await bothWays(query(1499)),
    ];
    expect(Buffer.from(again.content)).toEqual(Buffer.from(first.content));
    expect(Buffer.from(other.content)).not.toEqual(Buffer.from(first.content));
  });
});
