/** Constants in `balance.yaml` that cannot be values of the columns that they are compared with, as far as these are declared. */
import type { Literal } from '../../domain/types/predicate.js';
import type { DatasetDefinition } from '../../domain/types/pool.js';
import type { RuleCondition } from '../../domain/types/rule.js';
import type { ConfigIssue } from './issues.js';

type Columns = DatasetDefinition['columns'];

/**
 * What a column is stored as is known to the source alone, and told at the first read; what it is declared to be is known
 * here. Formats and units of their own are left to the source.
 */
export function checkLiterals(
  path: readonly string[],
  conditions: readonly RuleCondition[],
  columns: Columns,
): ConfigIssue[] {
  return conditions.flatMap((condition) => {
    const { column } = condition;
    if (!Object.hasOwn(columns, column)) return [];
    const { type, format, unit } = columns[column];
    if (type === undefined || format !== undefined || unit !== undefined) return [];
    const { fits, expected } = RULES[type];
    return literalsOf(condition)
      .filter((literal) => !fits(literal))
      .map((literal) => ({
        ...{ path, got: JSON.stringify(literal) },
        expected: `${expected} to compare ${column} with, which is declared to be of type ${type}`,
      }));
  });
}

function literalsOf(condition: RuleCondition): readonly Literal[] {
  if ('values' in condition) return condition.values;
  if ('low' in condition) return [condition.low, condition.high];
  return 'value' in condition ? [condition.value] : [];
}

const isNumber = (literal: Literal): boolean =>
  typeof literal === 'number' ||
  (typeof literal === 'string' && literal.trim() !== '' && Number.isFinite(Number(literal)));
const isDay = (literal: Literal): boolean =>
  typeof literal === 'string' && /^\d{4}-\d{2}-\d{2}/.test(literal) && !Number.isNaN(Date.parse(literal));
/** Truth is stored as a word or a number, and times of day in many ways: only the source can tell. */
const ANY = { fits: () => true, expected: '' };

const RULES: Readonly<
  Record<
    NonNullable<Columns[string]['type']>,
    { readonly fits: (literal: Literal) => boolean; readonly expected: string }
  >
> = {
  integer: { fits: isNumber, expected: 'a number' },
  number: { fits: isNumber, expected: 'a number' },
  date: { fits: isDay, expected: "an ISO 8601 date in quotes, for example '2001-01-08'," },
  datetime: { fits: isDay, expected: "an ISO 8601 time in quotes, for example '2001-01-08T00:00:00Z'," },
  string: { fits: (literal) => typeof literal !== 'boolean', expected: 'text in quotes' },
  ...{ boolean: ANY, time: ANY },
};
