/** What faults and actions do to each reader: laws over arbitrary slices of needs that share a dataset. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DecisionEffects } from '../../../../domain/decision/coordinate/effect-record.js';
import { decisionEffects } from '../../../../domain/decision/coordinate/effects.js';
import { qualityCheck } from '../../../../domain/decision/quality/quality-check.js';
import type { QualityInputs, SliceMetrics } from '../../../../domain/decision/quality/quality-inputs.js';
import { FILE_ACTIONS } from '../../../../domain/quality/correction.js';
import type { GateFinding } from '../../../../domain/quality/gate.js';
import { exactly, type Range } from '../../../../domain/quality/impact.js';
import { EMPTY_STRATEGY } from '../../../../domain/quality/strategy.js';
import { workItem } from '../batch/batch-inputs.js';

const COLUMNS = ['k', 'x', 'y'];

interface Need {
  readonly fields: readonly string[];
  readonly rows: number;
  readonly rare: number;
  /** Rows without a value, and values that break the contract, by column. */
  readonly missing: Readonly<Record<string, number>>;
  readonly broken: Readonly<Record<string, number>>;
  readonly repeated: number;
  readonly corrections: readonly (typeof FILE_ACTIONS)[number][];
}
const share = fc.nat(100).map((percent) => percent / 100);
const shares = fc.record({ k: share, x: share, y: share });
const anyNeed: fc.Arbitrary<Need> = fc.record({
  fields: fc.subarray(COLUMNS, { minLength: 1 }),
  rows: fc.integer({ min: 1, max: 500 }),
  ...{ rare: share, missing: shares, broken: shares, repeated: share },
  corrections: fc.subarray([...FILE_ACTIONS]),
});

const idOf = (at: number): string => `m${at}/n`;
function inputsOf(needs: readonly Need[]): QualityInputs {
  const items = needs.map(({ fields, rows, corrections }, at) =>
    workItem(`i${at}`, {
      ...{ kind: 'need', needId: idOf(at), model: `m${at}`, fields, rows, corrections, onDrift: 'degrade' },
    }),
  );
  const promised = { required: true, sensitivity: 'public' as const, max: 9 };
  return {
    ...{ asOfMs: 0, lastGood: [], strategy: EMPTY_STRATEGY, items, seed: 's', nowMs: 0 },
    granted: Object.fromEntries(items.map(({ id, rows }) => [id, rows!])),
    minRows: {},
    results: needs.map((need, at) => ({
      ...{ itemId: `i${at}`, served: 'read' as const, asOfMs: 0, failure: null, slice: sliceOf(need) },
    })),
    datasets: {
      d: {
        columns: { x: promised, y: promised },
        ...{ maxDuplicateFraction: 0.05, eventTime: undefined, key: ['k'] },
      },
    },
    ways: { d: { fallback: null, owner: null, mayAsk: true } },
  };
}
function sliceOf({ fields, rows, rare, missing, broken, repeated }: Need): SliceMetrics {
  const of = (shareOf: Readonly<Record<string, number>>, turn: (value: number) => number) =>
    Object.fromEntries(fields.map((name) => [name, turn(Math.round(shareOf[name] * rows) / rows)]));
  const few = Math.round(rare * rows);
  return {
    ...{ digest: 'd', rows, newestEventMs: null, duplicateRows: Math.round(repeated * (rows - 1)) },
    completeness: of(missing, (value) => 1 - value),
    invalid: of(broken, (value) => value),
    classCounts: { rare: few, common: rows - few },
  };
}
function effectsOf(needs: readonly Need[]): DecisionEffects {
  const quality = inputsOf(needs);
  const snapshot = { asOfMs: 0, needs: [], datasets: [], measurements: [] };
  const { verdicts } = qualityCheck(quality);
  return decisionEffects({ quality, verdicts, snapshot, findings: [], circuits: {}, asked: {} });
}
const pool = fc.array(anyNeed, { minLength: 1, maxLength: 4 });
const inOrder = ({ low, expected, high }: Range): boolean => low <= expected + 1e-9 && expected <= high + 1e-9;

describe('effects of a decision', () => {
  test('never count more rows than there are, in all and in each class', () => {
    fc.assert(
      fc.property(pool, (needs) => {
        const { faults, ways } = effectsOf(needs);
        const told = [
          ...faults.flatMap(({ readers }) => readers.map(({ effect }) => effect)),
          ...ways.flatMap((one) => one.ways.flatMap(({ effect }) => effect ?? [])),
        ];
        for (const { rows, hit: known, classes, score } of told) {
          const hit = known!;
          expect([inOrder(rows), inOrder(hit), hit.low >= 0, hit.high <= rows.high]).toEqual([true, true, true, true]);
          if (score !== null) expect(inOrder(score) && score.low >= 0 && score.high <= 1 + 1e-9).toBe(true);
          for (const one of Object.values(classes ?? {}))
            expect(one.hit.low >= 0 && one.hit.high <= one.rows.high && inOrder(one.hit)).toBe(true);
        }
      }),
    );
  });

  test('every need of the dataset is either hit or not, and one that does not use the column is not', () => {
    fc.assert(
      fc.property(pool, (needs) => {
        for (const { column, kind, readers, untouched } of effectsOf(needs).faults) {
          const named = [...readers, ...untouched].map(({ needId }) => needId).sort();
          expect(named).toEqual(needs.map((_, at) => idOf(at)).sort());
          for (const { needId } of readers) {
            const at = needs.findIndex((_, index) => idOf(index) === needId);
            if (column !== undefined) expect(needs[at].fields).toContain(column);
            if (kind === 'missing') expect(needs[at].missing[column!]).toBeGreaterThan(0);
          }
        }
      }),
    );
  });

  test('doing nothing is what the finding says, and exactly what is done is taken', () => {
    fc.assert(
      fc.property(pool, (needs) => {
        const { faults, ways } = effectsOf(needs);
        for (const { needId, issue, columns, ways: of } of ways.filter((one) => one.issue !== 'kept back')) {
          const nothing = of.find(({ action }) => action === 'nothing')!;
          const own = faults.filter(({ kind, column, readers }) => {
            const concerns = kind === issue && (column === undefined || columns.includes(column));
            return concerns && readers.some((reader) => reader.needId === needId);
          });
          const effects = own.map(({ readers }) => readers.find((reader) => reader.needId === needId)!.effect);
          if (effects.length === 1) expect(nothing.effect).toEqual(effects[0]);
          else expect(nothing.effect!.hit!.low).toBe(Math.max(...effects.map(({ hit }) => hit!.low)));
        }
      }),
    );
  });

  test('more rows at fault hit no fewer, and a sound delivery says nothing', () => {
    fc.assert(
      fc.property(anyNeed, fc.nat(100), (need, more) => {
        const less = { ...need, fields: COLUMNS };
        const worse = { ...less, missing: { ...need.missing, x: Math.max(need.missing.x, more / 100) } };
        const hitBy = (one: Need): number =>
          effectsOf([one]).faults.find(({ kind, column }) => kind === 'missing' && column === 'x')?.readers[0].effect
            .hit!.low ?? 0;
        expect(hitBy(worse)).toBeGreaterThanOrEqual(hitBy(less));
        const none = { k: 0, x: 0, y: 0 };
        const sound = { ...less, missing: none, broken: none, repeated: 0 };
        expect(effectsOf([sound])).toEqual({ faults: [], ways: [], shared: [] });
      }),
    );
  });

  test('they do not depend on the order of needs', () => {
    fc.assert(
      fc.property(pool, (needs) => {
        const quality = inputsOf(needs);
        const { verdicts } = qualityCheck(quality);
        const snapshot = { asOfMs: 0, needs: [], datasets: [], measurements: [] };
        const given = { quality, verdicts, snapshot, findings: [], circuits: {}, asked: {} };
        const turned = { ...quality, items: [...quality.items].reverse(), results: [...quality.results].reverse() };
        const [one, other] = [
          decisionEffects(given),
          decisionEffects({ ...given, quality: turned, verdicts: [...verdicts].reverse() }),
        ];
        expect(other).toEqual(one);
      }),
    );
  });

  describe('of thousands of requests', () => {
    const dirty: Need = {
      ...{ fields: COLUMNS, rows: 100, rare: 0.5, repeated: 0, corrections: [] },
      ...{ missing: { k: 0, x: 0, y: 0 }, broken: { k: 0, x: 0.2, y: 0.2 } },
    };
    /** `count` needs of one model alike, `requests` of them one-off. */
    const crowd = (count: number, requests: number): DecisionEffects => {
      const quality = inputsOf(Array.from({ length: count }, () => dirty));
      const items = quality.items.map((item, at) =>
        at < requests ? { ...item, needId: null, kind: 'request' as const, model: 'm' } : item,
      );
      const given = { ...quality, items };
      const snapshot = { asOfMs: 0, needs: [], datasets: [], measurements: [] };
      const { verdicts } = qualityCheck(given);
      return decisionEffects({ quality: given, verdicts, snapshot, findings: [], circuits: {}, asked: {} });
    };

    test('the record grows with models and faults, not with requests; every request counts', () => {
      const [some, many] = [crowd(20, 20), crowd(2_000, 2_000)];
      expect(many.faults.map(({ readers }) => readers.map(({ requests }) => requests))).toEqual([[2_000], [2_000]]);
      expect(many.faults[0].readers[0].effect).toMatchObject({ rows: { low: 200_000 }, hit: { low: 40_000 } });
      expect(JSON.stringify(many).length).toBeLessThan(JSON.stringify(some).length * 1.1);
      expect(many.ways.map(({ request, requests }) => [request, requests])).toEqual([['i0', 2_000]]);
    });

    test('of more needs than are told it says how many are left out', () => {
      const { faults, ways, omitted } = crowd(500, 0);
      expect(faults.map(({ readers, omitted: left }) => readers.length + left!.readers)).toEqual([500, 500]);
      expect(ways.length + omitted!.ways).toBe(500);
    });
  });

  describe('where nobody counted the rows at fault', () => {
    const sound: Need = {
      ...{ fields: ['x'], rows: 100, rare: 0.5, repeated: 0, corrections: [] },
      ...{ missing: { k: 0, x: 0.5, y: 0 }, broken: { k: 0, x: 0, y: 0 } },
    };
    const told = (change: (inputs: QualityInputs) => QualityInputs, findings: readonly GateFinding[] = []) => {
      const quality = change(inputsOf([sound, { ...sound, fields: ['y'] }]));
      const verdicts = qualityCheck(quality).verdicts.map((one) =>
        one.itemId === 'i0' ? { ...one, findings: [...one.findings, ...findings] } : one,
      );
      const snapshot = { asOfMs: 0, needs: [], datasets: [], measurements: [] };
      return decisionEffects({ quality, verdicts, snapshot, findings: [], circuits: {}, asked: {} }).faults;
    };

    test.each([
      ['segments', { segments: ['x'] }],
      ['a predicate', { where: [{ column: 'x', op: '>', value: 1 }] }],
      ['classes', { classColumn: 'x' }],
    ] as const)('a column that only chooses the rows of a need, by %s, is used by it', (_, more) => {
      const [fault] = told((inputs) => ({
        ...inputs,
        items: inputs.items.map((item) => (item.id === 'i1' ? { ...item, ...(more as object) } : item)),
      }));
      expect(fault).toMatchObject({ kind: 'missing', column: 'x', untouched: [] });
      expect(fault.readers.map(({ needId, chosenBy, effect }) => [needId, chosenBy, effect.hit])).toEqual([
        ['m0/n', undefined, exactly(50)],
        ['m1/n', true, null],
      ]);
    });

    test.each(['vectors', 'texts', 'drift-unknown', 'orphans-unknown', 'unusual-values', 'of a later kind'])(
      'a finding %s is told, and that it is not known how many rows it hits',
      (kind) => {
        const of = { severity: 'degrade' as const, message: `told of ${kind}`, expected: '', got: '' };
        const faults = told((inputs) => inputs, [{ kind, column: 'x', ...of }]);
        const fault = faults.find(({ message }) => message === of.message)!;
        expect(fault.readers.map(({ needId, effect }) => [needId, effect.hit])).toEqual([['m0/n', null]]);
      },
    );
  });
});
