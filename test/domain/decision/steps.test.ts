import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextFullCycleMs, seasonsOf, stepEndMs, stepMsOf } from '../../../domain/decision/steps.js';
import { poolSchema } from '../../../domain/types/pool.js';

const HOUR = 3_600_000;
const pool = (more: object) => poolSchema.parse({ sources: {}, datasets: {}, models: {}, ...more });
const replay = (step: string) => ({ clock: { kind: 'replay', start: '2001-01-08T00:30:00Z', step } });

describe('the grid of steps', () => {
  test.each([
    ['a wall clock counts by the hour', {}, HOUR],
    ['a replay clock counts by its step', replay('6h'), 6 * HOUR],
    ['what is declared goes before both', { ...replay('6h'), forecastStep: '15m' }, HOUR / 4],
  ])('%s', (_, more, stepMs) => {
    expect(stepMsOf(pool(more))).toBe(stepMs);
  });

  test.each([
    ['an instant within a step belongs to its end', '2001-01-08T00:31:00Z', '2001-01-08T01:30:00Z'],
    ['the end of a step belongs to it', '2001-01-08T01:30:00Z', '2001-01-08T01:30:00Z'],
    ['before the start the grid goes on', '2001-01-07T23:00:00Z', '2001-01-07T23:30:00Z'],
  ])('%s', (_, at, end) => {
    expect(stepEndMs(pool(replay('1h')), Date.parse(at))).toBe(Date.parse(end));
  });

  test('every instant lies in exactly one step', () => {
    const definition = pool(replay('45m'));
    const stepMs = stepMsOf(definition);
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 2e12 }), (atMs) => {
        const endMs = stepEndMs(definition, atMs);
        expect(endMs - stepMs).toBeLessThan(atMs);
        expect(endMs).toBeGreaterThanOrEqual(atMs);
        expect(stepEndMs(definition, endMs)).toBe(endMs);
      }),
    );
  });

  test.each([
    ['hours: a day and a week', HOUR, [24, 168]],
    ['days: a week', 24 * HOUR, [7]],
    ['steps that do not fit into a day have no season', 7 * HOUR, [24]],
    ['weeks: none', 7 * 24 * HOUR, []],
  ])('seasons of %s', (_, stepMs, seasons) => {
    expect(seasonsOf(stepMs)).toEqual(seasons);
  });
});

describe('the next cycle that serves standing needs', () => {
  const at = (text: string) => Date.parse(`${text}Z`);
  test.each([
    ['is a replay clock one step on', replay('6h'), '2001-01-08T06:30'],
    ['of a replay that ends there is none', { clock: { ...replay('6h').clock, end: '2001-01-08T05:00:00Z' } }, null],
    [
      'is the first of all schedules',
      {
        schedules: [
          { id: 'a', every: '6h' },
          { id: 'b', cron: '0 2 * * *' },
        ],
      },
      '2001-01-08T02:00',
    ],
    [
      'is not that of a paused one',
      {
        schedules: [
          { id: 'a', every: '6h' },
          { id: 'b', cron: '0 2 * * *', paused: true },
        ],
      },
      '2001-01-08T06:00',
    ],
    ['is not known without a schedule', {}, null],
    [
      'nor where only Temporal knows its times',
      {
        schedules: [
          { id: 'a', every: '6h' },
          { id: 'b', cron: '@daily' },
        ],
      },
      null,
    ],
  ])('%s', (_, more, next) => {
    expect(nextFullCycleMs(pool(more), at('2001-01-08T00:30'))).toBe(next === null ? null : at(next));
  });
});
