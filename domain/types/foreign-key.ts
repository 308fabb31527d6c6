/** References between datasets: which columns of a row name a row of another dataset. */
import { usageError } from './errors.js';

export interface ForeignKey {
  /** The canonical text: the reference's name in findings and figures. */
  readonly text: string;
  /** Columns of the referring dataset. */
  readonly columns: readonly string[];
  /** The dataset that is referred to. */
  readonly dataset: string;
  /** Its columns, one for each of `columns`. */
  readonly keys: readonly string[];
}

/**
 * Reads `customer_id -> customers.id`, or `shop, day -> openings(shop, day)`. The last dot parts a dataset from its
 * column.
 * @throws usage error `InvalidReference`
 */
export function parseForeignKey(text: string): ForeignKey {
  const [left, right, ...more] = text.split('->').map((side) => side.trim());
  const columns = namesOf(left);
  const called = /^([^()]+)\(([^()]*)\)$/.exec(right ?? '');
  const dotted = /^(.+)\.([^.()]+)$/.exec(right ?? '');
  const dataset = (called ?? dotted)?.[1].trim() ?? '';
  const keys = called !== null ? namesOf(called[2]) : dotted !== null ? namesOf(dotted[2]) : [];
  const fits = more.length === 0 && dataset !== '' && columns.length > 0 && columns.length === keys.length;
  if (!fits || [...columns, ...keys].includes('')) {
    throw usageError({
      type: 'InvalidReference',
      message: `the reference ${JSON.stringify(text)} cannot be read`,
      expected: 'COLUMN -> DATASET.COLUMN, or COLUMN, COLUMN -> DATASET(COLUMN, COLUMN)',
      got: JSON.stringify(text),
    });
  }
  return namedForeignKey({ columns, dataset, keys });
}

/** The reference under its canonical text. */
export function namedForeignKey({ columns, dataset, keys }: Omit<ForeignKey, 'text'>): ForeignKey {
  const target =
    keys.length === 1 && !keys[0].includes('.') ? `${dataset}.${keys[0]}` : `${dataset}(${keys.join(', ')})`;
  return { text: `${columns.join(', ')} -> ${target}`, columns, dataset, keys };
}

function namesOf(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}
