/** Which slices are repaired, and what becomes of the repair: planned, settled and told by pure functions. */
import { describe, expect, it } from 'vitest';
import { planRound, startCorrections } from '../../../../domain/decision/quality/correct.js';
import { describeCorrection } from '../../../../domain/decision/quality/describe-correction.js';
import { qualityCheck } from '../../../../domain/decision/quality/quality-check.js';
import type { QualityInputs, SliceMetrics } from '../../../../domain/decision/quality/quality-inputs.js';
import type { WorkItem } from '../../../../domain/decision/work.js';
import { EMPTY_STRATEGY } from '../../../../domain/quality/strategy.js';
import { poolSchema } from '../../../../domain/types/pool.js';

const HOUR = 3_600_000;
const slice = (invalid: number): SliceMetrics => ({
  ...{ digest: 'd', rows: 100, newestEventMs: null, duplicateRows: 0, classCounts: null },
  completeness: { size: 1, name: 1 },
  invalid: { size: invalid, name: 0 },
});

/** One delivery of which four in five sizes are invalid. */
function inputs(column: object, more: Partial<WorkItem> = {}): QualityInputs {
  const { datasets } = poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { cans: { source: 'lake', path: 'cans.csv', columns: { size: column } } },
    models: {},
  });
  const item = {
    ...{ id: 'i', kind: 'need', needId: 'm/n', model: 'm', dataset: 'cans', fields: ['size', 'name'], where: [] },
    ...{ rows: 100, target: null, classColumn: null, maxAgeMs: null, minCompleteness: null, minRows: 0 },
    ...{ maxClassGap: 0.1, corrections: ['repair'], onDrift: 'pass', ...more },
  } as unknown as WorkItem;
  return {
    ...{
      asOfMs: 0,
      nowMs: 0,
      seed: 's',
      items: [item],
      granted: {},
      minRows: {},
      lastGood: [],
      strategy: EMPTY_STRATEGY,
    },
    results: [{ itemId: 'i', served: 'read', asOfMs: 0, slice: slice(0.8), failure: null }],
    datasets,
  };
}
const planned = (column: object, more: Partial<WorkItem> = {}) => planRound(startCorrections(inputs(column, more)));

describe('a repair', () => {
  it('is planned for columns of which something is declared, however many rows are at fault', () => {
    for (const column of [{ type: 'number' }, { unit: 'oz' }, { format: 'M/D/YY' }, { values: ['a'] }])
      expect(planned(column)).toMatchObject([{ action: 'repair', issue: 'invalid', columns: ['size'], fault: 0.8 }]);
  });

  it('is not where nothing is declared that tells what a cell means, or its flag has no room', () => {
    expect(planned({ min: 0 })).toEqual([]);
    expect(planned({ unit: 'oz' }, { fields: ['size', 'size_repaired'] })).toEqual([]);
    expect(planned({ unit: 'oz' }, { corrections: ['impute'] })).toEqual([]);
  });

  it('is kept where it leaves nothing at fault, and told in a sentence', () => {
    const treated = { slice: slice(0), sample: null, effectiveRows: 100, changedCells: 80 };
    const { verdicts } = qualityCheck({ ...inputs({ unit: 'oz' }), treated: { i: treated } });
    expect(verdicts[0]).toMatchObject({ verdict: 'pass', correction: { applied: true, verdict: 'keep' } });
    expect(describeCorrection(verdicts[0].correction!)).toBe('repaired 80 cells of size, flagged in size_repaired');
  });

  it('is rolled back where more is at fault after it', () => {
    const treated = { slice: slice(0.9), sample: null, effectiveRows: 100, changedCells: 10 };
    const { verdicts } = qualityCheck({ ...inputs({ unit: 'oz' }), treated: { i: treated } });
    expect(verdicts[0]).toMatchObject({ verdict: 'quarantine', correction: { applied: false, verdict: 'roll-back' } });
  });

  it('that finds nothing certain rests, and says until when; other columns and declarations do not', () => {
    const decided = (known: QualityInputs, nowMs: number, share = 0.8, more: Partial<WorkItem> = {}) => {
      const items = known.items.map((item) => ({ ...item, ...more }));
      const results = known.results.map((result) => ({ ...result, slice: slice(share) }));
      const now = { ...known, nowMs, items, results };
      return {
        now,
        treats: planRound(startCorrections(now)).length,
        outcome: qualityCheck({ ...now, treated: { i: [null] } }),
      };
    };
    const first = decided(inputs({ unit: 'oz' }), 0);
    expect(first.outcome.verdicts[0].correction).toMatchObject({
      ...{ applied: false, verdict: 'failed' },
      reason: expect.stringMatching(
        /^repair finds no cell that is certain in size: .* from 1970-01-01T01:00:00.000Z on/,
      ),
    });
    const known = { ...first.now, strategy: first.outcome.strategy! };
    const again = decided(known, HOUR - 1);
    expect(again.treats).toBe(0);
    expect(again.outcome.verdicts[0].notCorrected).toEqual([first.outcome.verdicts[0].correction!.reason]);
    // Another column, another declaration, another share at fault: something new may be certain.
    expect(decided({ ...known, datasets: inputs({ unit: 'ml' }).datasets }, HOUR - 1).treats).toBe(1);
    expect(decided(known, HOUR - 1, 0.4).treats).toBe(1);
    expect(decided(known, HOUR - 1, 0.75).treats).toBe(0);
    const later = decided(known, HOUR);
    expect(later.treats).toBe(1);
    // Twice as long each time in a row.
    const twice = { ...known, strategy: later.outcome.strategy! };
    expect(decided(twice, 3 * HOUR - 1).treats).toBe(0);
    expect(decided(twice, 3 * HOUR).treats).toBe(1);
  });

  it('that finds something is forgotten to have found nothing', () => {
    const rested = qualityCheck({ ...inputs({ unit: 'oz' }), treated: { i: [null] } }).strategy!;
    expect(rested.idle).toHaveLength(1);
    const treated = { slice: slice(0), sample: null, effectiveRows: 100, changedCells: 80 };
    const later = { ...inputs({ unit: 'oz' }), strategy: rested, nowMs: 2 * HOUR };
    expect(qualityCheck({ ...later, treated: { i: treated } }).strategy).not.toHaveProperty('idle');
  });
});
