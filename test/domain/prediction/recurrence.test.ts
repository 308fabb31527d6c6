import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recurrenceWithin } from '../../../domain/prediction/recurrence.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const times = (...hours: number[]) => hours.map((hour) => hour * HOUR);

describe('will it be asked again within a window?', () => {
  test('an hourly habit is expected in the next hour, not before and not when it is overdue', () => {
    const asked = times(0, 1, 2, 3, 4);
    expect(recurrenceWithin(asked, 4.5 * HOUR, 4.5 * HOUR, 5 * HOUR)).toMatchObject({ basis: 'interval', hits: 4 });
    expect(recurrenceWithin(asked, 4.5 * HOUR, 4.5 * HOUR, 4.9 * HOUR).probability).toBe(0);
    expect(recurrenceWithin(asked, 6 * HOUR, 6 * HOUR, 7 * HOUR).probability).toBe(0);
  });

  test('four of four is at least 71 % (Wilson 1927: 1 / (1 + 1.2816^2 / 4)), two of two says nothing', () => {
    expect(recurrenceWithin(times(0, 1, 2, 3, 4), 4 * HOUR, 5 * HOUR, 5 * HOUR).probability).toBeCloseTo(0.7089, 3);
    expect(recurrenceWithin(times(0, 1, 2), 2 * HOUR, 3 * HOUR, 3 * HOUR)).toMatchObject({
      probability: 0,
      basis: 'none',
    });
  });

  test('twice a day at nine and five is seen by the day, although its intervals alternate', () => {
    const asked = Array.from({ length: 6 }, (_, day) => [day * DAY + 9 * HOUR, day * DAY + 17 * HOUR]).flat();
    const now = 6 * DAY + 8.9 * HOUR;
    expect(recurrenceWithin(asked, now, now, now + HOUR / 2).probability).toBeGreaterThan(0.5);
    expect(recurrenceWithin(asked, now - 3 * HOUR, now - 3 * HOUR, now - 2 * HOUR).probability).toBe(0);
  });

  test('every Monday is seen by the week', () => {
    const mondays = Array.from({ length: 5 }, (_, week) => week * 7 * DAY);
    // Other days at random hours hide the interval.
    const asked = [...mondays, 2.2 * DAY, 10.7 * DAY, 17.9 * DAY, 25.1 * DAY].sort((a, b) => a - b);
    const now = 35 * DAY - HOUR;
    expect(recurrenceWithin(asked, now, now, now + 2 * HOUR)).toMatchObject({ basis: 'week', hits: 5 });
  });

  test('a lower bound of a probability, whatever the times, and wider windows are never less likely by interval', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(1_000), { maxLength: 32 }),
        fc.nat(500),
        fc.nat(100),
        fc.nat(100),
        (raw, ahead, width, more) => {
          const asked = [...raw].sort((a, b) => a - b).map((hour) => hour * HOUR);
          const now = (asked.at(-1) ?? 0) + ahead * HOUR;
          const narrow = recurrenceWithin(asked, now, now, now + width * HOUR);
          const wide = recurrenceWithin(asked, now, now, now + (width + more) * HOUR);
          expect(narrow.probability).toBeGreaterThanOrEqual(0);
          expect(narrow.probability).toBeLessThan(1);
          if (narrow.basis === 'interval') expect(wide.probability).toBeGreaterThanOrEqual(narrow.probability);
        },
      ),
    );
  });
});
