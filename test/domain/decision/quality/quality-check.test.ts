import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { weightsTowards } from '../../../../domain/decision/batch/class-quotas.js';
import { contentsOf } from '../../../../domain/decision/quality/content-findings.js';
import { planRound, startCorrections } from '../../../../domain/decision/quality/correct.js';
import { predictEffect } from '../../../../domain/decision/quality/predicted-effect.js';
import { qualityCheck } from '../../../../domain/decision/quality/quality-check.js';
import type { QualityInputs, SliceMetrics } from '../../../../domain/decision/quality/quality-inputs.js';
import { qualityAnalyzer } from '../../../../domain/analyzers/quality.js';
import type { ProfiledVectors } from '../../../../domain/quality/content-profile.js';
import type { DatasetProfile } from '../../../../domain/quality/dataset-profile.js';
import { EMPTY_STRATEGY } from '../../../../domain/quality/strategy.js';
import { workItem } from '../batch/batch-inputs.js';

const slice = (more: Partial<SliceMetrics> = {}): SliceMetrics => ({
  ...{ digest: 'd', rows: 100, newestEventMs: null, completeness: { id: 1, x: 1 }, invalid: { id: 0, x: 0 } },
  ...{ duplicateRows: 0, classCounts: null, ...more },
});
/** One item of 100 rows with the key `id`, and what was read for it. */
function inputs(read: SliceMetrics | null, more: Partial<QualityInputs> = {}): QualityInputs {
  const item = workItem('i', { fields: ['id', 'x'], rows: 100, corrections: ['drop-rows', 'impute'] });
  const failure = read === null ? { type: 'SourceFailed', reason: 'the disk is gone' } : null;
  return {
    ...{ asOfMs: 0, items: [item], lastGood: [], granted: { i: 100 }, minRows: { i: 0 }, strategy: EMPTY_STRATEGY },
    results: [{ itemId: 'i', served: 'read', asOfMs: 0, slice: read, failure }],
    datasets: {
      d: { columns: {}, maxDuplicateFraction: 1, eventTime: undefined, key: ['id'] },
    },
    ...more,
  };
}

describe('corrections', () => {
  const actions = (read: SliceMetrics, allowed: ('drop-rows' | 'impute')[]) => {
    const given = inputs(read);
    const of = { ...given, items: [{ ...given.items[0], corrections: allowed }] };
    return planRound(startCorrections(of)).map(({ action, columns }) => [action, columns]);
  };

  test('no value of another row is put into a key: it would hide that rows repeat', () => {
    expect(actions(slice({ invalid: { id: 0.2, x: 0 } }), ['impute'])).toEqual([]);
    expect(actions(slice({ invalid: { id: 0.2, x: 0.2 } }), ['impute'])).toEqual([]);
    expect(actions(slice({ invalid: { id: 0.2, x: 0 } }), ['drop-rows', 'impute'])).toEqual([['drop-rows', ['id']]]);
    expect(actions(slice({ invalid: { id: 0, x: 0.2 } }), ['impute'])).toEqual([['impute', ['x']]]);
  });
});

describe('what a correction leaves', () => {
  test.each([
    ['rules', { ruleBreaches: { 'x > 1': 0.4, 'x < 9': 0.4 } }, { ruleBreaches: { 'x > 1': 0, 'x < 9': 0 } }],
    ['columns', { invalid: { id: 0.4, x: 0.4 } }, {}],
  ])('is half of the rows at least, in however many %s the faults are', (_, bad, sound) => {
    const items = [workItem('i', { fields: ['id', 'x'], rows: 100, corrections: ['drop-rows'] })];
    const left = (rows: number) => {
      const made = { slice: slice({ rows, ...sound }), sample: null, effectiveRows: rows, changedCells: 0 };
      return qualityCheck(inputs(slice(bad), { items, treated: { i: made } })).verdicts[0].correction;
    };
    expect(left(50)).toMatchObject({ action: 'drop-rows', applied: true });
    expect(left(49)).toMatchObject({
      ...{ applied: false, verdict: 'roll-back', effect: { rows: { before: 100, after: 49 } } },
      reason: 'rows of the half that must be left: worse by 1 (standard error 0)',
    });
  });
});

describe('what a correction will do, told before it is done', () => {
  const planned = (more: Partial<SliceMetrics>, given: Partial<QualityInputs> = {}) => {
    const all = inputs(slice(more), given);
    const [plan] = planRound(startCorrections(all));
    return predictEffect(plan, all.items[0], all.results[0].slice!, all);
  };

  test('rows that are left lie between no fault in common and all of them', () => {
    const only: Partial<QualityInputs> = {
      items: [workItem('i', { fields: ['id', 'x'], rows: 100, corrections: ['drop-rows'] })],
    };
    expect(planned({ invalid: { id: 0.2, x: 0.1 } }, only)).toEqual({
      ...{ rows: { least: 70, most: 80 }, classGap: null, ageMs: null },
    });
    expect(planned({ invalid: { id: 0, x: 0.1 } }, only).rows).toEqual({ least: 90, most: 90 });
  });

  test('the newest row is as old as it is, or older where it goes; earlier cases say what the action brings', () => {
    const only = [workItem('i', { fields: ['id', 'x'], rows: 100, corrections: ['drop-rows'] })];
    const gain = { cases: 4, delta: { mean: 0.2, standardError: 0.01 } };
    const more = { newestEventMs: 3_000, invalid: { id: 0, x: 0.25 } };
    const at = { items: only, asOfMs: 5_000 };
    const told = planned(more, { ...at, gains: { 'd/invalid/drop-rows': gain, 'd/missing/drop-rows': gain } });
    expect(told).toMatchObject({ ageMs: { least: 2_000, chanceOlder: 0.25 }, gain });
    expect(planned(more, { ...at, gains: {} }).gain).toBeNull();
    expect(planned(more, at)).not.toHaveProperty('gain');
  });

  test('values imputed keep the rows', () => {
    const items = [workItem('i', { fields: ['id', 'x'], rows: 100, corrections: ['impute'] })];
    expect(planned({ invalid: { id: 0, x: 0.1 } }, { items }).rows).toEqual({ least: 100, most: 100 });
  });

  test('losing rows leaves the class gap as it is, give or take what chance does to the part that is left', () => {
    const target = { a: 0.5, b: 0.5 };
    const more = { fields: ['id', 'x', 'y'], rows: 100, corrections: ['drop-rows'] as const, classColumn: 'y', target };
    const gap = planned(
      { completeness: { id: 1, x: 1, y: 1 }, invalid: { id: 0, x: 0.2, y: 0 }, classCounts: { a: 60, b: 40 } },
      { items: [workItem('i', more)] },
    );
    // A fifth lost of 100 moves as a draw of 100 x .8 / .2 = 400 rows does: 2 x .5 / sqrt(2 pi 400).
    expect(gap.classGap!.mean).toBeCloseTo(0.1, 12);
    expect(gap.classGap!.uncertainty).toBeCloseTo(1 / Math.sqrt(2 * Math.PI * 400), 12);
  });

  test('where the class itself is at fault, the mix moves by the share of its cells at most', () => {
    const more = { fields: ['id', 'x'], rows: 100, classColumn: 'x', target: { a: 0.5, b: 0.5 } };
    const bad = { invalid: { id: 0, x: 0.2 }, classCounts: { a: 40, b: 40, bad: 20 } };
    for (const action of ['drop-rows', 'impute'] as const) {
      const items = [workItem('i', { ...more, corrections: [action] })];
      expect(planned(bad, { items }).classGap).toEqual({
        ...{ mean: expect.closeTo(0.2, 12), uncertainty: expect.closeTo(0.2, 12) },
      });
    }
  });

  test('a decision recorded before costs were kept replays without them', () => {
    const bad = slice({ invalid: { id: 0, x: 0.2 } });
    const treated = { i: { slice: slice({ rows: 80 }), sample: null, effectiveRows: 80, changedCells: 0 } };
    const old = qualityCheck(inputs(bad, { treated })).verdicts[0].correction!;
    expect(old).not.toHaveProperty('cost');
    expect(old).not.toHaveProperty('predictedEffect');
    const took = { ms: 7, bytes: 90 };
    const now = inputs(bad, { costs: {}, treated: { i: { ...treated.i, cost: took } } });
    expect(qualityCheck(now).verdicts[0].correction).toMatchObject({ cost: { foreseen: null, took } });
  });
});

describe('further tries at what would be kept back', () => {
  const bad = slice({ invalid: { id: 0, x: 0.9 } });
  const fallback = (read: SliceMetrics | null, failure: string | null = null) =>
    ({ kind: 'fallback', dataset: 'backup', slice: read, failure }) as const;
  const verdictOf = (given: QualityInputs) => qualityCheck(given).verdicts[0];

  test('the first that is good enough is handed out, judged as the first slice was', () => {
    const again = { kind: 'refetch', dataset: 'd', slice: bad, failure: null } as const;
    const found = verdictOf(inputs(bad, { rerouted: { i: [again, fallback(slice({ rows: 80 }))] } }));
    expect(found).toMatchObject({
      ...{ use: 'slice', verdict: 'degrade', reason: '20 rows are missing' },
      routed: {
        kind: 'fallback',
        dataset: 'backup',
        attempt: 1,
        rows: 80,
        reason: expect.stringContaining('x has 90'),
      },
    });
  });

  test('a source that failed is gone round too; a stand-in that fails or is as bad changes nothing but the reason', () => {
    expect(verdictOf(inputs(null, { rerouted: { i: [fallback(slice())] } }))).toMatchObject({
      ...{ use: 'slice', verdict: 'pass', routed: { reason: 'the disk is gone' } },
    });
    const failed = verdictOf(inputs(bad, { rerouted: { i: [fallback(null, 'no such file')] } }));
    expect(failed).toMatchObject({ use: 'none', verdict: 'quarantine', notRouted: ['fallback backup: no such file'] });
    expect(verdictOf(inputs(bad, { rerouted: { i: [fallback(bad)] } }))).toMatchObject({ use: 'none' });
  });

  test('of an arrival window a try hands out every row or none: the others would never be asked for again', () => {
    const { use, notRouted } = verdictOf(
      inputs(bad, { rerouted: { i: [{ ...fallback(slice({ rows: 80 })), leastRows: 100 }] } }),
    );
    expect([use, notRouted]).toEqual(['none', ['fallback backup: it has 80 of the 100 rows']]);
    const all = { ...fallback(slice()), leastRows: 100 };
    expect(verdictOf(inputs(bad, { rerouted: { i: [all] } }))).toMatchObject({ use: 'slice', verdict: 'pass' });
  });

  /** 100 rows, of which so many have the value `a` in x, the others `b`. */
  const sampled = (a: number) => ({
    own: { rows: 100, columns: {} },
    current: { rows: 100, columns: { x: { counts: [a, 100 - a], present: 100 } } },
  });
  const nothing = { sample: null, orphans: [], usual: [] };
  const counted = { reference: 'x -> o.id', dataset: 'o', contentId: 'c', rows: 100, orphans: 80, examples: ['7'] };
  const column = { kind: 'category', values: ['a', 'b'], counts: [50, 50], present: 100 } as const;
  const reference = {
    ...{ asOfMs: 0, decisionId: 'e', question: '', population: null, settling: 0 },
    sample: { rows: 100, columns: { x: column } },
  };
  const present = { values: 100, middle: 1, deviation: 0.001, seasonal: false };
  const usual = [{ metric: 'completeness', column: 'x', usual: present } as const];
  const need = workItem('i', {
    ...({ kind: 'need', needId: 'm/i', fields: ['id', 'x'], rows: 100, onDrift: 'hold', corrections: [] } as const),
  });

  test.each([
    [
      'orphan-rows',
      inputs(slice(), { orphans: { i: [counted] } }),
      { read: slice(), evidence: { ...nothing, orphans: [counted] } },
      { read: slice(), evidence: { ...nothing, orphans: [{ ...counted, orphans: 0 }] } },
    ],
    [
      'drift',
      inputs(slice(), { items: [need], references: { 'm/i': reference }, samples: { i: sampled(99) } }),
      { read: slice(), evidence: { ...nothing, sample: sampled(1) } },
      { read: slice(), evidence: { ...nothing, sample: sampled(50) } },
    ],
    [
      'unusual-missing',
      inputs(slice({ completeness: { id: 1, x: 0.2 } }), { items: [need], usual: { i: usual } }),
      { read: slice({ completeness: { id: 1, x: 0.3 } }), evidence: { ...nothing, usual } },
      { read: slice(), evidence: { ...nothing, usual } },
    ],
  ])('a try is judged for %s as the first slice was', (kind, given, ill, well) => {
    const tried = ({ read, evidence }: typeof ill) =>
      verdictOf({ ...given, rerouted: { i: [{ ...fallback(read), evidence }] } });
    expect(verdictOf(given)).toMatchObject({ verdict: 'quarantine', findings: [{ kind }] });
    expect(tried(ill)).toMatchObject({ use: 'none', verdict: 'quarantine', notRouted: [expect.any(String)] });
    expect(tried(well)).toMatchObject({ use: 'slice', verdict: 'pass', routed: { dataset: 'backup' } });
  });

  test('a decision recorded before tries were judged for more than their contract replays as it was', () => {
    const given = inputs(slice({ invalid: { id: 0, x: 0.9 } }), { items: [need], usual: { i: usual } });
    const old = { ...given, rerouted: { i: [fallback(slice({ completeness: { id: 1, x: 0.2 } }))] } };
    expect(verdictOf(old)).toMatchObject({ use: 'slice', verdict: 'pass' });
  });

  test('what was not tried is told with the reason, after what was', () => {
    const untried = { i: 'fallback backup: not tried, 30s had gone by with other tries' };
    const again = { kind: 'refetch', dataset: 'd', slice: bad, failure: null } as const;
    const { notRouted, reason } = verdictOf(inputs(bad, { rerouted: { i: [again] }, untried }));
    expect(notRouted).toEqual([expect.stringMatching(/^reading it again: x has/), untried.i]);
    expect(reason).toContain(untried.i);
  });

  test('what is good enough is not gone round, and a pin is of one content', () => {
    const tries = { rerouted: { i: [fallback(slice())] } };
    expect(verdictOf(inputs(slice(), tries))).not.toHaveProperty('routed');
    const pinned = inputs(bad, tries);
    expect(verdictOf({ ...pinned, items: [{ ...pinned.items[0], datasetVersion: 'c' }] })).not.toHaveProperty('routed');
  });
});

test('weights make the rows that are there count as the target mix', () => {
  expect(weightsTowards({ rare: 0.5, common: 0.5, gone: 0 }, { rare: 10, common: 30 })).toEqual({
    ...{ rare: 2, common: 2 / 3, gone: 0 },
  });
  const classes = fc.array(
    fc.record({ rows: fc.integer({ min: 1, max: 1_000 }), share: fc.integer({ min: 1, max: 9 }) }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(classes, (mix) => {
      const total = mix.reduce((sum, { share }) => sum + share, 0);
      const rows = mix.reduce((sum, one) => sum + one.rows, 0);
      const of = <T>(value: (one: (typeof mix)[number]) => T) =>
        Object.fromEntries(mix.map((one, i) => [`c${i}`, value(one)]));
      const weights = weightsTowards(
        of(({ share }) => share / total),
        of((one) => one.rows),
      );
      for (const [i, one] of mix.entries())
        expect((weights[`c${i}`] * one.rows) / rows).toBeCloseTo(one.share / total, 9);
    }),
  );
});

describe('what the profile finds of vectors and texts', () => {
  const judge = (profile: Pick<DatasetProfile, 'vectors' | 'texts'>) => {
    const given = inputs(slice(), {});
    const item = { ...given.items[0], needId: 'm/n' };
    const view = {
      ...{ id: 'm/n', model: 'm', dataset: 'd', fields: item.fields, rowsPerCycle: 100, classColumn: null },
    };
    const need = { ...view, classTarget: null, maxAgeMs: null, minCompleteness: null, critical: 1, weight: 1 };
    const run = { kind: 'new-rows' as const, rowsRead: 100, reason: null };
    const data = { ...{ id: 'd', version: 'v', rows: 1_000, newestEventMs: null, asOfMs: 0, completeness: {} } };
    const outcome = qualityAnalyzer.analyze({
      ...{ asOfMs: 0, needs: [need], measurements: [] },
      datasets: [{ ...data, classCounts: {}, profile: { rows: 1_000, columns: {}, omitted: [], run, ...profile } }],
    });
    if (!outcome.ok) throw new Error(outcome.message);
    const contents = contentsOf([item], outcome.findings);
    const [verdict] = qualityCheck({ ...given, items: [item], contents }).verdicts;
    return { ...verdict, findings: verdict.findings.filter(({ kind }) => kind === 'vectors' || kind === 'texts') };
  };
  const vectors = (unusable: number, latest: ProfiledVectors['latest'] = null) => ({
    ...{ rows: 1_000, dimension: 48, nonFinite: 0, zeros: 0, norms: null, nearDuplicates: { rows: 0, share: 0 } },
    dimensions: [
      { dimension: 48, rows: 1_000 - unusable },
      ...(unusable === 0 ? [] : [{ dimension: 64, rows: unusable }]),
    ],
    ...{ unusable, latest },
  });
  const texts = (empty: number, german: number) => ({
    ...{ rows: 1_000, empty, lengths: null, languageTexts: 500, languages: [] },
    before: { rows: 900, empty: 0, languageTexts: 400, languages: [{ language: 'eng', texts: 400 }] },
    latest: {
      ...{ rows: 100, empty, languageTexts: 100 },
      languages: [
        { language: 'eng', texts: 100 - german },
        { language: 'deu', texts: german },
      ],
    },
  });

  test('vectors of another dimension degrade what is delivered of the column, a few are told', () => {
    expect(judge({ vectors: { x: vectors(0) } })).toMatchObject({ verdict: 'pass', findings: [] });
    expect(judge({ vectors: { x: vectors(20) } })).toMatchObject({
      verdict: 'pass',
      findings: [{ kind: 'vectors', column: 'x', severity: 'note', expected: 'finite vectors of dimension 48' }],
    });
    expect(judge({ vectors: { x: vectors(100) } }).verdict).toBe('degrade');
    expect(judge({ vectors: { x: vectors(20, { rows: 20, unusable: 20 }) } })).toMatchObject({
      verdict: 'degrade',
      reason: '100 % of the 20 latest vectors of x of d cannot be used beside the others: 20 of dimension 64',
    });
    expect(judge({ vectors: { other: vectors(100) } })).toMatchObject({ verdict: 'pass', findings: [] });
  });

  test('texts that turned empty or into another language degrade it', () => {
    expect(judge({ texts: { x: texts(0, 0) } })).toMatchObject({ verdict: 'pass', findings: [] });
    expect(judge({ texts: { x: texts(1, 1) } })).toMatchObject({ verdict: 'pass', findings: [] });
    const emptied = judge({ texts: { x: texts(40, 0) } });
    expect(emptied).toMatchObject({ verdict: 'degrade', findings: [{ kind: 'texts', column: 'x', got: '40 of 100' }] });
    const turned = judge({ texts: { x: texts(0, 90) } });
    expect(turned).toMatchObject({ verdict: 'degrade', findings: [{ got: '10 in eng, 90 in deu' }] });
  });

  test('what is found of a dataset says nothing of the one that stands in for it', () => {
    const found = {
      ...{ needId: 'm/n', model: 'm', dataset: 'd', kind: 'vectors' as const, column: 'x', severity: 1 },
    };
    const contents = { i: [{ ...found, blocking: false, message: 'no good', expected: 'good', got: 'bad' }] };
    const verdictOf = (kind: 'refetch' | 'fallback') => {
      const tried = { kind, dataset: kind === 'refetch' ? 'd' : 'e', slice: slice(), failure: null };
      const given = inputs(slice({ rows: 0 }), { contents, rerouted: { i: [tried] } });
      return qualityCheck({ ...given, items: [{ ...given.items[0], corrections: [] }] }).verdicts[0];
    };
    expect(verdictOf('fallback')).toMatchObject({ verdict: 'pass', routed: { dataset: 'e' } });
    expect(verdictOf('refetch')).toMatchObject({ verdict: 'degrade', routed: { dataset: 'd' }, reason: 'no good' });
  });
});
