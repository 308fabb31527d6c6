import { beforeAll, describe, expect, it } from 'vitest';
import {
  DETECTORS,
  drawPair,
  FAULT_KINDS,
  injectFault,
  judgeDelivery,
  seededRandom,
  type FaultKind,
} from './faults.js';
import { REAL_TABLES } from './tables.js';

const SIZE = 400;
const SEEDS = [1, 2, 3, 4, 5, 6];

/** Deliveries of each kind that at least one kernel names, and what they came from, over birdstrikes and weather. */
const found = new Map<FaultKind, number>();
const total = SEEDS.length * 2;

beforeAll(() => {
  for (const { columns, read } of REAL_TABLES.slice(0, 2)) {
    const table = read();
    for (const kind of FAULT_KINDS) {
      for (const seed of SEEDS) {
        const random = seededRandom(seed);
        const [reference, sound] = drawPair(table, SIZE, random);
        const verdicts = judgeDelivery(reference, sound, injectFault(kind, sound, columns, random), columns);
        const hit = DETECTORS.some((name) => verdicts[name]) ? 1 : 0;
        found.set(kind, (found.get(kind) ?? 0) + hit);
      }
    }
  }
});

describe('deliveries with injected faults', () => {
  // Floors with room for two deliveries; the rates themselves are measured by bench/fault-simulation.ts.
  const floors: [FaultKind, number][] = [
    // A tenth more is within chance where a third is missing already: only the complete column is sure to tell.
    ['nulls', SEEDS.length],
    ['mean shift', total - 2],
    ['duplicates', total - 2],
    ['late data', total],
    ['vanished class', total - 2],
    ['unit change', total],
  ];
  it.each(floors)('are found: %s, at least %i', (kind, least) => {
    expect(found.get(kind)).toBeGreaterThanOrEqual(least);
  });

  it('are the same for the same seed', () => {
    const { columns, read } = REAL_TABLES[0];
    const once = (): unknown => {
      const random = seededRandom(3);
      return injectFault('typos', drawPair(read(), 100, random)[1], columns, random);
    };
    expect(once()).toEqual(once());
  });

  it('do not alarm without a fault, but for one in six', () => {
    expect(found.get('none')).toBeLessThanOrEqual(total / 6);
  });
});
