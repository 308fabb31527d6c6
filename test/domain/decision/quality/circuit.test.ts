/** A source that is ill rests, longer each time but not for ever; one that is well is read; nobody loses rows or rights by it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  declarationOf,
  describeCircuit,
  nextCircuit,
  REST_CYCLES_MAX,
  REST_MS_MAX,
  restsOf,
  withRests,
  type Circuit,
  type Seen,
} from '../../../../domain/decision/quality/circuit.js';
import type { WorkItem } from '../../../../domain/decision/work.js';
import { poolSchema } from '../../../../domain/types/pool.js';
import { workItem } from '../batch/batch-inputs.js';

const files = { kind: 'files', root: '/data' } as const;
const secret = { columns: { salary: { sensitivity: 'restricted' } } };
const definition = poolSchema.parse({
  sources: { lake: files, vault: { ...files, windows: ['06:00-22:00'] } },
  datasets: {
    d: { source: 'lake', path: 'd.csv', key: ['x'], columns: { x: { required: true } }, fallback: 'e' },
    e: { source: 'vault', path: 'e.csv', ...secret },
  },
  models: { a: { kind: 'training' }, b: { kind: 'training', mayRead: ['e.salary'] } },
});
const of = declarationOf(definition.datasets, 'd');
const circuit = (more: Partial<Circuit> = {}): Circuit => ({
  ...{ of, standIn: 'e', failures: 1, left: 1, sinceMs: 0, reason: 'x is bad', columns: ['salary', 'x'], ...more },
});
const NOON = 12 * 3_600_000;
const rests = (items: readonly WorkItem[], known: Circuit, asOfMs = 0, nowMs = NOON) =>
  restsOf(definition, items, { d: known }, { asOfMs, nowMs });
const seen = (more: Partial<Seen>): Seen => ({
  ...{
    of,
    standIn: 'e',
    rested: false,
    items: 1,
    bad: 0,
    saved: 0,
    silent: false,
    empty: false,
    columns: ['x'],
    reason: 'x is bad',
    ...more,
  },
});
const fresh = (id: string, more: Partial<WorkItem> = {}): WorkItem =>
  workItem(id, { window: { column: 't', fromMs: 0, toMs: 1, before: null }, ...more });
const ILL = { bad: 1, saved: 1 };

/** Cycles of one item each; `well` says whether the dataset's rows are good in a cycle. Gives which cycles read the dataset. */
function run(cycles: number, well: (cycle: number) => boolean, stepMs = 1_000): boolean[] {
  let known: Circuit | null = null;
  return Array.from({ length: cycles }, (_, cycle) => {
    const asOfMs = cycle * stepMs;
    const rested: boolean = known !== null && Object.hasOwn(rests([workItem('i')], known, asOfMs).resting, 'd');
    const next = nextCircuit(known, seen({ rested, ...(rested || well(cycle) ? {} : ILL) }), asOfMs);
    known = next ?? known;
    return !rested;
  });
}

describe('a dataset whose rows were no good', () => {
  test('rests for 1, 2, 4, 8 and then always 8 cycles', () => {
    const read = run(45, () => false).flatMap((own, cycle) => (own ? [cycle] : []));
    expect(read).toEqual([0, 2, 5, 10, 19, 28, 37]);
  });

  test('is read in each cycle again from its first try on that is good', () => {
    expect(run(9, (cycle) => cycle > 2)).toEqual([true, false, true, false, false, true, true, true, true]);
  });

  test('is tried again a day later, however few cycles there were', () => {
    expect(run(4, () => false, REST_MS_MAX)).toEqual([true, true, true, true]);
    expect(run(5, () => false, REST_MS_MAX - 1)).toEqual([true, false, true, false, true]);
  });

  test('costs one read in nine cycles when it stays ill, and none is missed for long when it does not', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 120 }), (well) => {
        const read = run(well.length + REST_CYCLES_MAX + 1, (cycle) => well[cycle] ?? true);
        // After the last illness it is read within the longest rest.
        expect(read.at(-1)).toBe(true);
        // No rest is longer than the bound, and there is one only after a failure.
        for (const [cycle, own] of read.entries()) {
          if (own) continue;
          const last = read.lastIndexOf(true, cycle);
          expect(well[last]).toBe(false);
          expect(cycle - last).toBeLessThanOrEqual(REST_CYCLES_MAX);
        }
      }),
    );
  });

  test('does not rest where less than half of its items failed, or nothing better was there', () => {
    expect(nextCircuit(null, seen({ items: 3, bad: 1, saved: 1 }), 0)).toBeNull();
    expect(nextCircuit(null, seen({ items: 2, bad: 1, saved: 1 }), 0)).toMatchObject({ failures: 1, left: 1 });
    expect(nextCircuit(null, seen({ bad: 1 }), 0)).toBeNull();
    expect(nextCircuit(null, seen({ items: 0 }), 0)).toBeNull();
  });

  test('is tried in the next cycle where its stand-in is no good either, and is well where it served in its place', () => {
    const known = circuit({ failures: 3, left: 4 });
    expect(nextCircuit(known, seen({ rested: true, bad: 1 }), 5)).toMatchObject({ failures: 3, left: 0 });
    expect(nextCircuit(known, seen({ rested: true, ...ILL }), 5)).toMatchObject({ failures: 0, left: 0 });
  });

  test('rests on where it does not answer when it is tried again: who asks waits in one cycle, not in all', () => {
    const silent = seen({ bad: 1, silent: true, columns: [], reason: 'it did not answer' });
    const next = nextCircuit(circuit({ failures: 1, left: 0 }), silent, 5);
    expect(next).toMatchObject({ failures: 2, left: 2, sinceMs: 5, columns: ['salary', 'x'] });
    expect(rests([workItem('i')], next!, 6).resting).toHaveProperty('d');
    // Nothing is known of what stands in for it, or it was well when it last answered: it is waited for.
    expect(nextCircuit(null, silent, 5)).toBeNull();
    expect(nextCircuit(circuit({ failures: 0, left: 0 }), silent, 5)).toBeNull();
  });

  test('starts anew under another declaration', () => {
    const other = { ...seen(ILL), of: 'another' };
    expect(nextCircuit(circuit({ failures: 3, left: 0 }), other, 5)).toMatchObject({ failures: 1, left: 1 });
    expect(rests([workItem('i')], circuit({ of: 'another' })).resting).toEqual({});
  });
});

describe('a dataset that rests', () => {
  test('is read in the place of its stand-in, under its own promises', () => {
    const found = rests([workItem('i')], circuit());
    expect(found.notes).toEqual([
      'd rests, e is read in its place in this cycle and is tried again in the next: x is bad',
    ]);
    expect(withRests(definition.datasets, found).d).toMatchObject({
      ...{ source: 'vault', path: 'e.csv', key: ['x'], columns: { x: { required: true } }, fallback: 'e' },
    });
    expect(withRests(definition.datasets, found).e).toEqual(definition.datasets.e);
  });

  test.each([
    ['pins a version of it', workItem('i', { datasetVersion: 'c' }), NOON],
    ['may not read salary of e', workItem('i', { fields: ['salary'] }), NOON],
    ['e was never read for y, which request i asks for', workItem('i', { fields: ['x', 'y'] }), NOON],
    ['source vault is closed', workItem('i'), 0],
  ])('is read all the same where one of its items %s', (why, item, nowMs) => {
    const found = rests([workItem('a'), item], circuit(), 0, nowMs);
    expect(found).toEqual({ resting: {}, notes: [expect.stringContaining(why)] });
  });

  test('holds its new rows while others are served by its stand-in', () => {
    const { resting, notes } = rests([workItem('a'), fresh('n'), fresh('m')], circuit({ left: 3 }));
    expect(resting).toMatchObject({ d: { standIn: 'e', held: ['m', 'n'] } });
    expect(notes).toEqual([
      'd rests, e is read in its place in this cycle and in 2 more, its new rows are held for request m, request n: x is bad',
    ]);
  });

  test('is read where its new rows are all that is asked of it, or would be too old if they were held', () => {
    const alone = rests([fresh('n')], circuit());
    expect(alone).toEqual({
      resting: {},
      notes: [expect.stringContaining('asks for its new rows, and nobody for others')],
    });
    const aging = (asOfMs: number) =>
      rests([workItem('a'), fresh('n', { maxAgeMs: 1_000 })], circuit({ failures: 4, left: 8 }), asOfMs);
    expect(aging(999).resting).toHaveProperty('d');
    expect(aging(1_000)).toEqual({ resting: {}, notes: [expect.stringContaining('would be too old')] });
  });

  test('is no matter of a cycle that asks nothing of it', () => {
    expect(rests([workItem('i', { dataset: 'e' })], circuit())).toEqual({ resting: {}, notes: [] });
    expect(rests([workItem('i', { model: 'b', fields: ['salary'] })], circuit()).resting).toHaveProperty('d');
  });

  test('says whether its rows were no good, or none came', () => {
    const told = (known: Circuit) => describeCircuit('d', known, false);
    const silent = nextCircuit(null, seen({ ...ILL, empty: true, reason: 'no such file' }), 0)!;
    expect(told(silent)).toBe('d rests for 1 cycle, e is read in its place: no data came of it once: no such file');
    const worse = nextCircuit({ ...silent, left: 0 }, seen(ILL), 1)!;
    expect(told(worse)).toBe(
      'd rests for 2 cycles, e is read in its place: it failed 2 times in a row, 1 of them without data: x is bad',
    );
    expect(rests([workItem('i')], { ...silent, left: 0 }).notes).toEqual([
      'd is tried again: no data came of it once, the last time: no such file',
    ]);
    const well = nextCircuit({ ...worse, left: 0 }, seen({}), 2)!;
    expect(nextCircuit(well, seen(ILL), 3)).toMatchObject({ failures: 1 });
    expect(nextCircuit(well, seen(ILL), 3)).not.toHaveProperty('silences');
  });

  test('says so in words', () => {
    expect(describeCircuit('d', circuit({ failures: 2, left: 2 }), false)).toBe(
      'd rests for 2 cycles, e is read in its place: its rows were no good 2 times in a row: x is bad',
    );
  });
});
