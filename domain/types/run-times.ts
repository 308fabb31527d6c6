/** Times at which a run that is not ours begins, in UTC: by a crontab of five fields, or by an interval. What schedules of our own take is in cron.ts. */
import { usageError } from './errors.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const FIELDS = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: WEEKDAYS },
] as const;

export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** With both days restricted, either is enough (IEEE Std 1003.1, crontab). */
  readonly eitherDay: boolean;
}

/** `MINUTE HOUR DAY MONTH WEEKDAY`, each `*`, numbers or names, ranges (`1-5`), steps (`0-59/15`) and lists of these. */
export function parseCron(text: string): Cron {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) throw invalid(text, `${parts.length} fields`);
  const [minutes, hours, days, months, weekdays] = parts.map((part, index) => fieldOf(text, part, FIELDS[index]));
  return {
    ...{ minutes, hours, days: new Set(days), months: new Set(months) },
    weekdays: new Set(weekdays.map((day) => day % 7)),
    eitherDay: !parts[2].startsWith('*') && !parts[4].startsWith('*'),
  };
}

function fieldOf(text: string, part: string, { name, min, max, names }: (typeof FIELDS)[number]): number[] {
  const values = part.split(',').flatMap((item): number[] => {
    const match = /^(\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(item);
    if (match === null) throw invalid(text, `${name} ${JSON.stringify(item)}`);
    const number = (word: string): number => {
      const named = (names as readonly string[]).indexOf(word.toUpperCase());
      return named === -1 ? Number(word) : named + min;
    };
    const from = match[1] === '*' ? min : number(match[2]);
    const step = match[4] === undefined ? 1 : Number(match[4]);
    // `5/10` goes on to the end, as `5-59/10` does.
    const to = match[1] === '*' ? max : match[3] !== undefined ? number(match[3]) : match[4] === undefined ? from : max;
    if (!(from >= min && to <= max && from <= to && step >= 1)) throw invalid(text, `${name} ${JSON.stringify(item)}`);
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  });
  return [...new Set(values)].sort((a, b) => a - b);
}

function invalid(text: string, got: string) {
  return usageError({
    type: 'InvalidCron',
    message: `not a cron expression: ${JSON.stringify(text)}`,
    expected: 'five fields in UTC (minute hour day month weekday), for example 0 2 * * 1-5',
    got,
  });
}

/** The times within (fromMs, toMs], ascending, at most `limit` of them. */
export function cronTimes(cron: Cron, fromMs: number, toMs: number, limit: number): number[] {
  const times: number[] = [];
  for (let dayMs = Math.floor(fromMs / DAY_MS) * DAY_MS; dayMs <= toMs; dayMs += DAY_MS) {
    if (!isDay(cron, new Date(dayMs))) continue;
    for (const hour of cron.hours)
      for (const minute of cron.minutes) {
        const atMs = dayMs + (hour * 60 + minute) * MINUTE_MS;
        if (atMs > fromMs && atMs <= toMs) times.push(atMs);
        if (times.length === limit) return times;
      }
  }
  return times;
}

/** How many times lie within (fromMs, toMs]: a look at each day, whatever its times. */
export function cronCount(cron: Cron, fromMs: number, toMs: number): number {
  if (fromMs >= toMs) return 0;
  let count = 0;
  for (let dayMs = Math.floor(fromMs / DAY_MS) * DAY_MS; dayMs <= toMs; dayMs += DAY_MS)
    if (isDay(cron, new Date(dayMs))) count += timesUpTo(cron, toMs - dayMs) - timesUpTo(cron, fromMs - dayMs);
  return count;
}

/** Times of one day until `ofDayMs` after its beginning, which may lie outside of it. */
function timesUpTo({ hours, minutes }: Cron, ofDayMs: number): number {
  const last = Math.floor(ofDayMs / MINUTE_MS);
  const hour = Math.floor(last / 60);
  const whole = hours.filter((one) => one < hour).length * minutes.length;
  return hours.includes(hour) ? whole + minutes.filter((one) => hour * 60 + one <= last).length : whole;
}

function isDay({ days, months, weekdays, eitherDay }: Cron, date: Date): boolean {
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const [day, weekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
  return eitherDay ? day || weekday : day && weekday;
}

/** The multiples of `everyMs` since 1970 within (fromMs, toMs], ascending, at most `limit` of them: as schedules have them. */
export function intervalTimes(everyMs: number, fromMs: number, toMs: number, limit: number): number[] {
  const first = (Math.floor(fromMs / everyMs) + 1) * everyMs;
  const count = Math.max(0, Math.min(limit, Math.floor((toMs - first) / everyMs) + 1));
  return Array.from({ length: count }, (_, index) => first + index * everyMs);
}

/** How many of them lie within (fromMs, toMs]. */
export function intervalCount(everyMs: number, fromMs: number, toMs: number): number {
  return fromMs >= toMs ? 0 : Math.floor(toMs / everyMs) - Math.floor(fromMs / everyMs);
}
