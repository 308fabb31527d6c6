import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cronCount, cronTimes, intervalCount, intervalTimes, parseCron } from '../../../domain/types/run-times.js';

const MINUTE = 60_000;
const at = (text: string) => Date.parse(`${text}Z`);
const times = (cron: string, from: string, to: string): string[] =>
  cronTimes(parseCron(cron), at(from), at(to), 100).map((ms) => new Date(ms).toISOString().slice(0, 16));

describe('cron', () => {
  // 2024-02-29 is a Thursday.
  test.each([
    ['every night', '0 2 * * *', ['2024-02-28T02:00', '2024-02-29T02:00', '2024-03-01T02:00']],
    ['a range of weekdays by name', '30 6 * * FRI-SAT', ['2024-03-01T06:30']],
    ['Sunday is 0 and 7', '0 0 * * 7', []],
    ['the last day of a leap February', '0 12 29 2 *', ['2024-02-29T12:00']],
    ['day or weekday, when both are given', '0 0 28 * THU', ['2024-02-28T00:00', '2024-02-29T00:00']],
    [
      'steps and lists',
      '0,20 1/11 29 * *',
      [
        '2024-02-29T01:00',
        '2024-02-29T01:20',
        '2024-02-29T12:00',
        '2024-02-29T12:20',
        '2024-02-29T23:00',
        '2024-02-29T23:20',
      ],
    ],
  ])('%s', (_, cron, expected) => {
    expect(times(cron, '2024-02-27T23:59', '2024-03-01T10:00')).toEqual(expected);
  });

  test('the beginning is left out, the end is in, and no more than the limit come', () => {
    expect(times('0 * * * *', '2024-01-01T00:00', '2024-01-01T02:00')).toEqual([
      '2024-01-01T01:00',
      '2024-01-01T02:00',
    ]);
    expect(cronTimes(parseCron('* * * * *'), 0, 1e9, 3)).toEqual([MINUTE, 2 * MINUTE, 3 * MINUTE]);
  });

  test.each(['', '* * * *', '60 * * * *', '* * 0 * *', '5-1 * * * *', '*/0 * * * *', '* * * FOO *', 'a b c d e'])(
    '%j is refused, with what was expected',
    (text) => {
      expect(() => parseCron(text)).toThrow(/not a cron expression/);
    },
  );

  test('a time is named exactly when each of its fields is', () => {
    const field = (min: number, max: number) =>
      fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(field(0, 59), field(0, 23), field(0, 6), fc.nat(2_000_000), (minutes, hours, weekdays, start) => {
        const cron = parseCron(`${minutes.join()} ${hours.join()} * * ${weekdays.join()}`);
        const [from, to] = [start * MINUTE, (start + 3_000) * MINUTE];
        const found = new Set(cronTimes(cron, from, to, 10_000));
        for (let ms = from + MINUTE; ms <= to; ms += MINUTE) {
          const date = new Date(ms);
          const named =
            minutes.includes(date.getUTCMinutes()) &&
            hours.includes(date.getUTCHours()) &&
            weekdays.includes(date.getUTCDay());
          expect(found.has(ms)).toBe(named);
        }
      }),
      { numRuns: 30 },
    );
  });
});

test('an interval counts from 1970, however far it is asked', () => {
  expect(intervalTimes(10, 0, 30, 9)).toEqual([10, 20, 30]);
  expect(intervalTimes(10, -15, 5, 9)).toEqual([-10, 0]);
  expect(intervalTimes(10, 5, 9, 9)).toEqual([]);
  expect(intervalTimes(1, 0, 1e12, 2)).toEqual([1, 2]);
});

test('counted, they are as many as there are', () => {
  const cron = fc.constantFrom('* * * * *', '*/7 3-20 * * *', '59 23 29 2 *', '0,59 0,23 1-7 * SUN', '0 0 * * *');
  // Around a leap day, at whole minutes as well as a millisecond beside them.
  const time = fc.record({ minute: fc.nat(10_000), besideMs: fc.integer({ min: -1, max: 1 }) });
  fc.assert(
    fc.property(cron, fc.integer({ min: 1, max: 1_000 }), time, time, (text, every, ...[a, b]) => {
      const [from, to] = [a, b].map(({ minute, besideMs }) => at('2024-02-26T00:00') + minute * MINUTE + besideMs);
      expect(cronCount(parseCron(text), from, to)).toBe(cronTimes(parseCron(text), from, to, Infinity).length);
      const everyMs = every * MINUTE;
      expect(intervalCount(everyMs, from, to)).toBe(intervalTimes(everyMs, from, to, Infinity).length);
    }),
  );
  expect(cronCount(parseCron('* * * * *'), Infinity, 0)).toBe(0);
});
