/** Cron expressions as Temporal's schedules take them: checked where they are written, before anything is stored. */
import { usageError } from './errors.js';

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Names of the values from `min` on, of which the first letters are enough. */
  readonly names?: readonly string[];
  readonly lettersMin?: number;
}

const SECOND: Field = { name: 'second', min: 0, max: 59 };
const YEAR: Field = { name: 'year', min: 2000, max: 2100 };
const FIVE: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  {
    ...{ name: 'month', min: 1, max: 12, lettersMin: 3 },
    names: 'january february march april may june july august september october november december'.split(' '),
  },
  {
    ...{ name: 'day of week', min: 0, max: 7, lettersMin: 2 },
    names: 'sunday monday tuesday wednesday thursday friday saturday'.split(' '),
  },
];
/** Fields by their number: Temporal adds the year behind the usual five, then the second before them. */
const FIELDS: Readonly<Record<number, readonly Field[]>> = {
  5: FIVE,
  6: [...FIVE, YEAR],
  7: [SECOND, ...FIVE, YEAR],
};
const PREDEFINED = '@yearly @annually @monthly @weekly @daily @midnight @hourly'.split(' ');
const DURATION = String.raw`(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+`;
const EVERY = new RegExp(`^@every +${DURATION}(?:/${DURATION})?$`);

/**
 * The expression itself, when Temporal would take it: 5 to 7 fields of `*`, values, `from-to`, `/step` and lists,
 * months and days by name too, a `TZ=Area/City ` in front, a predefined `@daily` or `@every 6h`. The grammar is that of
 * temporalio/temporal, service/worker/scheduler/calendar.go.
 * @throws usage error `InvalidCron`, which names the field
 */
export function checkedCron(text: string): string {
  const refuse = (why: string) =>
    usageError({
      type: 'InvalidCron',
      message: why,
      expected: 'a cron expression of five fields, for example "0 6 * * *"',
      got: text,
    });
  const zone = /^(?:CRON_)?TZ=(\S+) (.*)$/.exec(text);
  if (zone !== null && !isTimeZone(zone[1])) throw refuse(`no time zone ${zone[1]}`);
  const expression = (zone?.[2] ?? text).trim();
  if (PREDEFINED.includes(expression) || EVERY.test(expression)) return text;
  const parts = expression.split(/\s+/).filter((part) => part !== '');
  if (FIELDS[parts.length] === undefined) throw refuse(`found ${parts.length} fields in ${JSON.stringify(text)}`);
  for (const [index, field] of FIELDS[parts.length].entries()) {
    const wrong = parts[index].split(',').find((part) => !isRange(part, field));
    if (wrong !== undefined)
      throw refuse(`${JSON.stringify(wrong)} is no ${field.name} from ${field.min} to ${field.max}`);
  }
  return text;
}

/** `*`, `value`, `from-to`, each with `/step`. */
function isRange(part: string, field: Field): boolean {
  const [range, step, ...more] = part.split('/');
  if (more.length > 0 || (step !== undefined && !/^0*[1-9]\d*$/.test(step))) return false;
  if (range === '*') return true;
  const values = range.split('-').map((value) => valueOf(value, field));
  return values.length <= 2 && values.every((value) => value !== null) && values[0] <= values.at(-1)!;
}

/** The number of a value or a name; null: neither, or out of the field's range. */
function valueOf(text: string, { min, max, names = [], lettersMin = Infinity }: Field): number | null {
  const named = text.length >= lettersMin ? names.findIndex((name) => name.startsWith(text.toLowerCase())) : -1;
  const value = named !== -1 ? min + named : /^\+?\d+$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : null;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
