/**
 * Small Parquet files from values in memory. The engine's own writer sets up as much for twenty rows as for a million;
 * these take a tenth of it. Column types are those that the engine would write (checked in the tests, type by type).
 */
import type { DuckDBValue } from '@duckdb/node-api';
import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer';
import type { SourceColumn } from './columns.js';

/** A column's physical and logical type, and its values as the writer takes them. */
interface Written {
  readonly element: Omit<SchemaElement, 'name' | 'repetition_type'>;
  readonly value?: (value: NonNullable<DuckDBValue>) => unknown;
}

const whole = (type: 'INT32' | 'INT64', converted: SchemaElement['converted_type']): Written => ({
  element: { type, converted_type: converted },
});
const times = (
  unit: 'MILLIS' | 'MICROS' | 'NANOS',
  isAdjustedToUTC: boolean,
  field: 'millis' | 'micros' | 'nanos',
): Written => ({
  element: {
    type: 'INT64',
    ...(unit === 'NANOS' ? {} : { converted_type: `TIMESTAMP_${unit}` }),
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC, unit },
  },
  value: (time) => (time as unknown as Record<typeof field, bigint>)[field],
});

/** By the engine's name of the type. What is not here (lists, structs, blobs, 128 bits …) is left to the engine. */
const WRITTEN: Readonly<Record<string, Written | undefined>> = {
  BOOLEAN: { element: { type: 'BOOLEAN' } },
  TINYINT: whole('INT32', 'INT_8'),
  SMALLINT: whole('INT32', 'INT_16'),
  INTEGER: whole('INT32', 'INT_32'),
  BIGINT: whole('INT64', 'INT_64'),
  UTINYINT: whole('INT32', 'UINT_8'),
  USMALLINT: whole('INT32', 'UINT_16'),
  UINTEGER: whole('INT32', 'UINT_32'),
  UBIGINT: whole('INT64', 'UINT_64'),
  FLOAT: { element: { type: 'FLOAT' } },
  DOUBLE: { element: { type: 'DOUBLE' } },
  VARCHAR: { element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' } },
  DATE: {
    element: { type: 'INT32', converted_type: 'DATE' },
    value: (date) => (date as unknown as { days: number }).days,
  },
  TIMESTAMP: times('MICROS', false, 'micros'),
  TIMESTAMP_MS: times('MILLIS', false, 'millis'),
  TIMESTAMP_NS: times('NANOS', false, 'nanos'),
  'TIMESTAMP WITH TIME ZONE': times('MICROS', true, 'micros'),
  UUID: {
    element: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
    value: String,
  },
};

function writtenAs({ type }: SourceColumn): Written | null {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal === null) return WRITTEN[type] ?? null;
  const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
  if (precision > 18) return null;
  return {
    element: {
      ...{ type: precision > 9 ? 'INT64' : 'INT32', converted_type: 'DECIMAL', precision, scale },
      logical_type: { type: 'DECIMAL', precision, scale },
    },
    value: (number) => (number as unknown as { value: bigint }).value,
  };
}

/** Whether `parquetFile` can write all these columns. */
export function isWritable(columns: readonly SourceColumn[]): boolean {
  return columns.every((column) => writtenAs(column) !== null);
}

/**
 * The bytes of a Parquet file: plain encoding, uncompressed, one row group; equal values give equal bytes.
 * @param data the columns' values as the engine gives them, one array for each column
 */
export function parquetFile(columns: readonly SourceColumn[], data: readonly (readonly DuckDBValue[])[]): Uint8Array {
  const schema: SchemaElement[] = [
    { name: 'balance', repetition_type: 'REQUIRED', num_children: columns.length },
    ...columns.map((column): SchemaElement => {
      return { name: column.name, repetition_type: 'OPTIONAL', ...writtenAs(column)!.element };
    }),
  ];
  const columnData = columns.map((column, index) => {
    const { value } = writtenAs(column)!;
    const values = value === undefined ? data[index] : data[index].map((one) => (one === null ? null : value(one)));
    // A dictionary would take -0 for 0.
    return { name: column.name, data: values as unknown[], encoding: 'PLAIN' as const };
  });
  const rows = data[0]?.length ?? 0;
  return new Uint8Array(
    parquetWriteBuffer({
      ...{ schema, columnData, codec: 'UNCOMPRESSED', statistics: false, createdBy: 'balance' },
      rowGroupSize: Math.max(1, rows),
    }),
  );
}
