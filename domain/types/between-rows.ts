/** What a dataset promises between its rows: columns that decide others, and columns whose values together occur once. */
import { usageError } from './errors.js';

/** Rows that agree on every column of `from` agree on `to`. */
export interface ColumnDependency {
  readonly kind: 'dependency';
  /** The canonical text: its name in findings and figures. */
  readonly text: string;
  readonly from: readonly string[];
  readonly to: string;
}
/** No two rows have the same values of these columns. */
export interface UniqueColumns {
  readonly kind: 'unique';
  readonly text: string;
  readonly columns: readonly string[];
}
export type BetweenRows = ColumnDependency | UniqueColumns;

/**
 * Reads `a, b -> c, d`: one dependency for each column on the right.
 * @throws usage error `InvalidDependency`
 */
export function parseDependencies(text: string): ColumnDependency[] {
  const sides = text.split('->').map((side) => side.split(',').map((name) => name.trim()));
  const [from, to = []] = sides;
  if (sides.length !== 2 || [...from, ...to].includes('') || to.some((name) => from.includes(name))) {
    throw usageError({
      type: 'InvalidDependency',
      message: `the dependency ${JSON.stringify(text)} cannot be read`,
      expected: 'COLUMN, COLUMN -> COLUMN, no column on both sides',
      got: JSON.stringify(text),
    });
  }
  return to.map((name) => ({ kind: 'dependency', text: `${from.join(', ')} -> ${name}`, from, to: name }));
}

export function uniqueColumns(columns: readonly string[]): UniqueColumns {
  return { kind: 'unique', text: `unique ${columns.join(', ')}`, columns };
}

/** Those that can be judged of rows with these columns. */
export function betweenRowsWithin(
  {
    dependencies = [],
    unique = [],
  }: { readonly dependencies?: readonly ColumnDependency[]; readonly unique?: readonly UniqueColumns[] },
  fields: readonly string[],
): BetweenRows[] {
  return [...dependencies, ...unique].filter((one) => columnsOf(one).every((name) => fields.includes(name)));
}

export function columnsOf(one: BetweenRows): readonly string[] {
  return one.kind === 'unique' ? one.columns : [...one.from, one.to];
}
