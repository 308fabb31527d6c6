/** Whether the cells of a text column can be read as what they were declared to be, as SQL of the engine. */
import { BOOLEAN, INTEGER, NUMBER } from '../../domain/quality/cell-contract.js';
import { compileFormat } from '../../domain/quality/format.js';
import type { DatasetDefinition } from '../../domain/types/pool.js';
import type { SourceColumn } from './columns.js';
import type { Bindings } from './predicate-sql.js';

type ColumnContract = DatasetDefinition['columns'][string];

/** The type that a column was declared to have: a unit is of numbers, a format of times. */
export function declaredType({ type, unit, format }: ColumnContract): ColumnContract['type'] {
  return type ?? (unit !== undefined ? 'number' : format !== undefined ? 'datetime' : undefined);
}

/** Condition of a cell that fits its declared type or is blank; null where nothing was declared, or the column's own type says enough. */
export function fitsTypeSql(column: SourceColumn, contract: ColumnContract, bindings: Bindings): string | null {
  const type = declaredType(contract);
  const { alias, kind } = column;
  if (kind === 'number' && type === 'integer') return `${alias} = floor(${alias})`;
  if (kind !== 'string' || type === undefined || type === 'string') return null;
  const matches = (pattern: string, options = ''): string =>
    `regexp_full_match(${alias}, CAST(${bindings.bind(pattern)} AS VARCHAR)${options})`;
  const fits = (): string => {
    if (type === 'number') return matches(NUMBER.source);
    if (type === 'integer') return matches(INTEGER.source);
    if (type === 'boolean') return matches(BOOLEAN.source, ", 'i'");
    if (contract.format !== undefined) return matches(compileFormat(contract.format).loosePattern, ", 'i'");
    return `TRY_CAST(${alias} AS ${type === 'time' ? 'TIME' : 'TIMESTAMP'}) IS NOT NULL`;
  };
  return `(trim(${alias}) = '' OR ${fits()})`;
}
