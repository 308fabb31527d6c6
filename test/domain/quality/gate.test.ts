import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gate, type GateContract, type GateMetrics } from '../../../domain/quality/gate.js';
import { BalanceError } from '../../../domain/types/errors.js';

const RANK = { pass: 0, degrade: 1, quarantine: 2 };

/** A delivery without fault: 1000 rows, two full columns, an even mix of two classes. */
function delivery(over: Partial<GateMetrics> = {}): GateMetrics {
  return {
    rows: 1000,
    completeness: { id: 1, text: 1 },
    invalid: { id: 0, text: 0 },
    duplicateRows: 0,
    ageMs: 0,
    classCounts: { cat: 500, dog: 500 },
    ...over,
  };
}

const contract: GateContract = {
  minRows: 500,
  rowsRequired: 900,
  columns: { id: { required: true }, text: { minCompleteness: 0.8 } },
  maxAgeMs: 60_000,
  classTarget: { cat: 1, dog: 1 },
};

describe('gate', () => {
  const cases: [string, Partial<GateMetrics>, string, string[]][] = [
    ['passes a delivery without fault', {}, 'pass', []],
    ['passes at the limits themselves', { completeness: { id: 0.95, text: 0.8 }, ageMs: 60_000 }, 'pass', []],
    ['quarantines an empty delivery', { rows: 0, classCounts: {} }, 'quarantine', ['volume']],
    ['degrades a delivery below the rows required', { rows: 600 }, 'degrade', ['volume']],
    ['quarantines below the fewest rows allowed', { rows: 499 }, 'quarantine', ['volume']],
    ['degrades a few missing values', { completeness: { id: 0.9, text: 1 } }, 'degrade', ['missing-values']],
    [
      'quarantines a required column mostly gone',
      { completeness: { id: 0.4, text: 1 } },
      'quarantine',
      ['missing-values'],
    ],
    ['quarantines an absent required column', { completeness: { text: 1 } }, 'quarantine', ['missing-column']],
    [
      'only degrades an optional column wholly gone',
      { completeness: { id: 1, text: 0 } },
      'degrade',
      ['missing-values'],
    ],
    ['degrades 6 % invalid values', { invalid: { id: 60, text: 0 } }, 'degrade', ['invalid-values']],
    ['quarantines 60 % invalid values', { invalid: { id: 600, text: 0 } }, 'quarantine', ['invalid-values']],
    ['degrades 6 % repeated rows', { duplicateRows: 60 }, 'degrade', ['duplicate-rows']],
    ['degrades data older than the limit', { ageMs: 90_000 }, 'degrade', ['stale']],
    ['quarantines data older than twice the limit', { ageMs: 120_001 }, 'quarantine', ['stale']],
    ['degrades data of unknown age', { ageMs: null }, 'degrade', ['age-unknown']],
    ['degrades a class mix off target', { classCounts: { cat: 650, dog: 350 } }, 'degrade', ['class-gap']],
    ['names a class that vanished', { classCounts: { cat: 500 } }, 'degrade', ['class-gap', 'class-missing']],
  ];
  it.each(cases)('%s', (_name, over, verdict, kinds) => {
    const result = gate(delivery(over), contract);
    expect(result.verdict).toBe(verdict);
    expect(result.findings.map((finding) => finding.kind)).toEqual(kinds);
  });

  it('scores a faultless fresh delivery 1 and weighs the dimensions as documented', () => {
    expect(gate(delivery(), contract).score).toBe(1);
    // Completeness falls to (0.9 + 1) / 2 = 0.95 at weight .25: 1 - .05 * .25 = .9875.
    expect(gate(delivery({ completeness: { id: 0.9, text: 1 } }), contract).score).toBeCloseTo(0.9875, 12);
  });

  it('does not call sampling noise a class gap', () => {
    // 7 of 10: distance .2 under a noise floor of sqrt(2 * .25 / (10 pi)) = .126, so .074 over it.
    expect(gate(delivery({ classCounts: { cat: 7, dog: 3 } }), contract).verdict).toBe('pass');
  });

  it('takes an age limit of zero at its word: only what is not older at all is in time', () => {
    const strict = { ...contract, maxAgeMs: 0 };
    expect(gate(delivery({ ageMs: 0 }), strict)).toMatchObject({ verdict: 'pass', dimensions: { timeliness: 1 } });
    expect(gate(delivery({ ageMs: 1 }), strict)).toMatchObject({
      verdict: 'quarantine',
      dimensions: { timeliness: 0 },
    });
  });

  it('judges without any contract', () => {
    expect(gate({ rows: 1, completeness: {}, ageMs: null }, {})).toEqual({
      verdict: 'pass',
      score: 1,
      dimensions: { volume: 1 },
      findings: [],
    });
  });

  const misuse: [string, Partial<GateMetrics>, GateContract, string][] = [
    ['NaN rows', { rows: NaN }, {}, 'InvalidGateMetrics'],
    ['negative counts', { duplicateRows: -1 }, {}, 'InvalidGateMetrics'],
    ['completeness above 1', { completeness: { id: 1.5 } }, {}, 'InvalidGateMetrics'],
    ['a NaN age', { ageMs: NaN }, {}, 'InvalidGateMetrics'],
    ['a limit above 1', {}, { maxClassGap: 2 }, 'InvalidGateContract'],
    ['a negative age limit', {}, { maxAgeMs: -1 }, 'InvalidGateContract'],
    ['a negative class share', {}, { classTarget: { cat: -1 } }, 'InvalidGateContract'],
  ];
  it.each(misuse)('refuses %s', (_name, over, limits, type) => {
    expect(() => gate(delivery(over), limits)).toThrow(expect.objectContaining({ type }) as BalanceError);
  });
});

describe('gate is monotone', () => {
  const fraction = fc.double({ min: 0, max: 1, noNaN: true });
  const metrics = fc.record({
    rows: fc.integer({ min: 0, max: 2000 }),
    completeness: fc.record({ id: fraction, text: fraction }),
    invalid: fc.record({ id: fc.nat(1500), text: fc.nat(1500) }),
    duplicateRows: fc.nat(1500),
    ageMs: fc.nat(200_000),
    classCounts: fc.record({ cat: fc.nat(1000), dog: fc.nat(1000) }),
  });
  const worse: [string, (m: GateMetrics, by: number) => GateMetrics][] = [
    ['fewer rows', (m, by) => ({ ...m, rows: Math.floor(m.rows * (1 - by)) })],
    ['fewer values', (m, by) => ({ ...m, completeness: { ...m.completeness, id: m.completeness.id * (1 - by) } })],
    ['a lost column', (m) => ({ ...m, completeness: { text: m.completeness.text } })],
    ['more invalid values', (m, by) => ({ ...m, invalid: { id: Math.ceil((m.invalid?.id ?? 0) + by * 500) } })],
    ['more repeated rows', (m, by) => ({ ...m, duplicateRows: Math.ceil((m.duplicateRows ?? 0) + by * 500) })],
    ['a higher age', (m, by) => ({ ...m, ageMs: (m.ageMs ?? 0) + by * 100_000 })],
    [
      'rows moved to the commoner class',
      (m, by) => {
        const { cat, dog } = m.classCounts as { cat: number; dog: number };
        const moved = Math.floor(by * Math.min(cat, dog));
        return {
          ...m,
          classCounts: cat >= dog ? { cat: cat + moved, dog: dog - moved } : { cat: cat - moved, dog: dog + moved },
        };
      },
    ],
  ];
  it.each(worse)('%s never give a better verdict or a better score', (name, worsen) => {
    fc.assert(
      fc.property(metrics, fraction, (before, by) => {
        const start = gate(before, contract);
        // Dropping one column's counts from `invalid` would change what is measured, so both sides judge `id` alone.
        const single = name === 'more invalid values' ? { ...before, invalid: { id: before.invalid.id } } : before;
        const first = name === 'more invalid values' ? gate(single, contract) : start;
        const end = gate(worsen(single, by), contract);
        expect(RANK[end.verdict]).toBeGreaterThanOrEqual(RANK[first.verdict]);
        expect(end.score).toBeLessThanOrEqual(first.score + 1e-12);
      }),
    );
  });

  it('an unknown age is never better than a fresh one', () => {
    fc.assert(
      fc.property(metrics, (before) => {
        const fresh = gate({ ...before, ageMs: 0 }, contract);
        const unknown = gate({ ...before, ageMs: null }, contract);
        expect(RANK[unknown.verdict]).toBeGreaterThanOrEqual(RANK[fresh.verdict]);
        expect(unknown.score).toBeLessThanOrEqual(fresh.score);
      }),
    );
  });
});
