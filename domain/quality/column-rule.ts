/** What is declared of one column, in whatever form it was written, and whether its parts agree. */
import { usageError } from '../types/errors.js';
import { compileFormat } from './format.js';

export type ColumnType = 'string' | 'integer' | 'number' | 'boolean' | 'date' | 'time' | 'datetime';

/** Declared facts of one column; absent means nothing was said. */
export interface ColumnRule {
  readonly type?: ColumnType;
  readonly required?: boolean;
  readonly min?: number | string;
  readonly max?: number | string;
  /** Regular expression that the whole value matches. */
  readonly pattern?: string;
  /** Date or time format as people write it, or strftime. */
  readonly format?: string;
  /** The only values allowed. */
  readonly values?: readonly string[];
  /** Values are plain numbers in this unit. */
  readonly unit?: string;
}

const MOMENTS: ReadonlySet<string | undefined> = new Set(['date', 'time', 'datetime']);
const NUMBERS: ReadonlySet<string | undefined> = new Set(['integer', 'number']);

/**
 * Refuses a rule that nothing could meet, or whose parts speak of different types.
 * @throws BalanceError `InvalidContract`, `InvalidFormat`
 */
export function checkRule(name: string, rule: ColumnRule): void {
  const { type, min, max, pattern, format, values, unit } = rule;
  const refuse = (message: string, expected: string, got: unknown): never => {
    throw usageError({
      type: 'InvalidContract',
      message: `column ${name}: ${message}`,
      expected,
      got: typeof got === 'string' ? got : JSON.stringify(got),
    });
  };
  try {
    if (pattern !== undefined) new RegExp(pattern, 'u');
  } catch (cause) {
    refuse(
      `the pattern is no regular expression: ${(cause as Error).message}`,
      'a JavaScript regular expression',
      pattern,
    );
  }
  if (format !== undefined) {
    compileFormat(format);
    if (type !== undefined && type !== 'string' && !MOMENTS.has(type))
      refuse('a format is of dates and times', 'type: date, time or datetime', { type, format });
  }
  if (unit !== undefined && type !== undefined && !NUMBERS.has(type))
    refuse('a unit is of plain numbers', 'type: integer or number', { type, unit });
  if (NUMBERS.has(type)) {
    const unread = [min, max, ...(values ?? [])].find(
      (value) => value !== undefined && !Number.isFinite(Number(value)),
    );
    if (unread !== undefined)
      refuse(`min, max and values are of the declared type`, `values of type ${type ?? ''}`, unread);
  }
  if (min === undefined || max === undefined || MOMENTS.has(type)) return;
  if (Number(min) > Number(max)) refuse('min is above max: no value fits', 'min at most max', { min, max });
}

/** Whether values of a type are moments: days, times of day, or both. */
export function isMoment(type: string | undefined): boolean {
  return MOMENTS.has(type);
}
