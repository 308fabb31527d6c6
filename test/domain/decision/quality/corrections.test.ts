/** Several faults in one delivery: their corrections come in order, each on what the one before it left. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  correctAll,
  correctionsOf,
  keptCopy,
  planRound,
  settleRound,
  startCorrections,
  STEPS_MAX,
} from '../../../../domain/decision/quality/correct.js';
import { qualityCheck } from '../../../../domain/decision/quality/quality-check.js';
import type { QualityInputs, SliceMetrics, Treated } from '../../../../domain/decision/quality/quality-inputs.js';
import { FILE_ACTIONS, type FileAction } from '../../../../domain/quality/correction.js';
import { EMPTY_STRATEGY } from '../../../../domain/quality/strategy.js';
import { workItem } from '../batch/batch-inputs.js';

const FIELDS = ['id', 'x', 'y'];
const of = (value: number) => Object.fromEntries(FIELDS.map((name) => [name, value]));
const slice = (more: Partial<SliceMetrics> = {}): SliceMetrics => ({
  ...{ digest: 'd', rows: 100, newestEventMs: null, completeness: of(1), invalid: of(0), duplicateRows: 0 },
  ...{ classCounts: null, ...more },
});
const copy = (more: Partial<SliceMetrics>, changedCells = 0): Treated => {
  const made = slice(more);
  return { slice: made, sample: null, effectiveRows: made.rows, changedCells };
};
function inputs(
  read: SliceMetrics,
  corrections: readonly FileAction[],
  treated: QualityInputs['treated'] = {},
): QualityInputs {
  return {
    ...{ asOfMs: 0, lastGood: [], granted: { i: 50 }, minRows: { i: 0 }, strategy: EMPTY_STRATEGY },
    items: [workItem('i', { fields: FIELDS, rows: 100, corrections })],
    results: [{ itemId: 'i', served: 'read', asOfMs: 0, slice: read, failure: null }],
    datasets: {
      d: {
        ...{ maxDuplicateFraction: 0.05, eventTime: undefined, key: ['id'] },
        columns: {
          x: { type: 'number', unit: 'oz', required: false, sensitivity: 'public' },
          y: { required: true, sensitivity: 'public' },
        },
      },
    },
    treated,
  };
}
const bad = slice({
  ...{ completeness: { ...of(1), y: 0.8 }, invalid: { ...of(0), x: 0.3 }, duplicateRows: 10 },
});
const told = (given: QualityInputs) =>
  correctionsOf(qualityCheck(given).verdicts[0]).map(({ action, issue, verdict }) => [action, issue, verdict]);

describe('several faults of one delivery', () => {
  test('are mended one after another: what is certain, then rows, then cells', () => {
    const treated = {
      i: [
        copy({ ...bad, invalid: { ...of(0), x: 0.1 } }, 20),
        copy({ rows: 90, invalid: { ...of(0), x: 0.1 }, completeness: { ...of(1), y: 0.8 } }),
        copy({ rows: 81, completeness: { ...of(1), y: 0.8 } }),
        copy({ rows: 65 }),
      ],
    };
    const given = inputs(bad, ['drop-rows', 'repair'], treated);
    expect(told(given)).toEqual([
      ['repair', 'invalid', 'keep'],
      ['drop-rows', 'duplicates', 'keep'],
      ['drop-rows', 'invalid', 'keep'],
      ['drop-rows', 'missing', 'keep'],
    ]);
  });

  test('keep what helped where a later step did harm: it alone is rolled back', () => {
    const dropped = copy({ rows: 90, completeness: { ...of(1), y: 0.8 } });
    const worse = copy({ rows: 90, completeness: { ...of(1), y: 0.5 } });
    const given = inputs(slice({ completeness: { ...of(1), y: 0.8 }, duplicateRows: 10 }), ['drop-rows', 'impute'], {
      i: [dropped, worse],
    });
    const { verdicts } = qualityCheck(given);
    const [{ action, verdict }, ...further] = correctionsOf(verdicts[0]);
    expect([action, verdict]).toEqual(['drop-rows', 'keep']);
    expect(further.at(0)).toMatchObject({ verdict: 'roll-back', applied: false });
    expect(keptCopy(given.treated, verdicts[0])).toBe(dropped);
  });

  test('leave half of the rows that were read, however many steps take some', () => {
    const twice = inputs(slice({ duplicateRows: 30, invalid: { ...of(0), x: 0.3 } }), ['drop-rows'], {
      i: [copy({ rows: 70, invalid: { ...of(0), x: 0.3 } }), copy({ rows: 49 })],
    });
    const [, second] = correctionsOf(qualityCheck(twice).verdicts[0]);
    expect(second).toMatchObject({
      verdict: 'roll-back',
      reason: 'rows of the half that must be left: worse by 1 (standard error 0)',
      effect: { rows: { before: 70, after: 49 } },
    });
  });

  test('a copy that could not be made changes nothing, and another action may be tried', () => {
    const given = inputs(slice({ invalid: { ...of(0), x: 0.3 } }), ['drop-rows', 'repair'], {
      i: [null, copy({ rows: 70 })],
    });
    expect(told(given)).toEqual([
      ['repair', 'invalid', 'failed'],
      ['drop-rows', 'invalid', 'keep'],
    ]);
  });

  test('a record of before there were sequences ends after its first step', () => {
    const first = copy({ ...bad, invalid: of(0) });
    expect(told(inputs(bad, ['drop-rows', 'repair'], { i: first }))).toEqual([['repair', 'invalid', 'keep']]);
  });
});

test('whatever comes of them, corrections end, none is tried twice, and a replay is what was decided', () => {
  const share = fc.integer({ min: 0, max: 9 }).map((tenths) => tenths / 20);
  const metrics = fc
    .record({ rows: fc.integer({ min: 1, max: 100 }), x: share, y: share, repeated: fc.integer({ min: 0, max: 40 }) })
    .map(({ rows, x, y, repeated }) =>
      slice({
        ...{ rows, invalid: { ...of(0), x }, completeness: { ...of(1), y: 1 - y } },
        duplicateRows: Math.min(rows, repeated),
      }),
    );
  const made = fc.option(
    metrics.map((one) => copy(one)),
    { nil: null },
  );
  fc.assert(
    fc.property(
      metrics,
      fc.subarray([...FILE_ACTIONS]),
      fc.array(made, { minLength: STEPS_MAX, maxLength: STEPS_MAX }),
      (read, allowed, copies) => {
        const given = inputs(read, allowed);
        const steps: (Treated | null)[] = [];
        let state = startCorrections(given);
        for (let [plan] = planRound(state); plan !== undefined; [plan] = planRound(state)) {
          expect(steps.length).toBeLessThan(STEPS_MAX);
          steps.push(copies[steps.length]);
          state = settleRound(state, new Map([[plan, steps.at(-1)!]]));
        }
        const records = state.records.get('i') ?? [];
        expect(new Set(records.map(({ issue, action }) => `${issue}/${action}`)).size).toBe(records.length);
        const again = correctAll({ ...given, treated: steps.length === 0 ? {} : { i: steps } });
        expect([again.records, again.inputs.strategy]).toEqual([state.records, state.inputs.strategy]);
        const half = Math.ceil(read.rows / 2);
        const last = again.inputs.results[0].slice!;
        if (records.some(({ applied }) => applied)) expect(last.rows).toBeGreaterThanOrEqual(half);
      },
    ),
  );
});
