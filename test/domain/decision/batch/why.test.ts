/**
 * Why something waits, as counterfactuals over whole plans: with cohorts, gangs that read two sources, needs, a resource of
 * the pool and reads that are shared. Each law compares the plan with one of what was granted and what waits alone.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch, type BatchOutcome } from '../../../../domain/decision/batch/batch.js';
import type { BatchInputs, CohortRules } from '../../../../domain/decision/batch/batch-inputs.js';
import { CohortUse } from '../../../../domain/decision/batch/cohorts.js';
import type { WaitReason, WorkItem } from '../../../../domain/decision/work.js';
import { batchInputs, workItem } from './batch-inputs.js';

const BURST = 1e6;
const part = fc.double({ min: 0.01, max: 0.33, noNaN: true });
const anyRules = fc.record({
  nominal: fc.oneof(part, fc.constant(0)),
  lending: fc.option(part, { nil: undefined }),
  borrowing: fc.option(part, { nil: undefined }),
  weight: fc.integer({ min: 1, max: 4 }),
});
const anyItem = (shared: boolean) =>
  fc.record({
    model: fc.integer({ min: 0, max: 4 }),
    kind: fc.constantFrom('request' as const, 'request' as const, 'need' as const),
    rows: fc.integer({ min: 1, max: 400 }),
    minRows: fc.nat(200),
    seed: shared ? fc.nat(1) : fc.constant(-1),
    where: shared ? fc.option(fc.nat(1), { nil: null }) : fc.constant(null),
    // Of the same fields: whether reads are merged changes nothing that they take.
    fields: fc.constant(['x']),
    dataset: fc.constantFrom('d', 'e'),
    gang: fc.nat(3),
    priority: fc.integer({ min: 1, max: 5 }),
    gpu: fc.nat(2),
  });
interface Options {
  readonly shared?: boolean;
  readonly cohorts?: boolean;
  readonly gangs?: boolean;
}

/** Datasets d and e on sources s and t; cohorts x, y and z below y; models m0 in x, m1 in y, m2 and m3 in z, m4 of the pool. */
function anyPlan({ shared = false, cohorts = false, gangs = false }: Options): fc.Arbitrary<BatchInputs> {
  return fc
    .record({
      items: fc.array(anyItem(shared), { minLength: 1, maxLength: 12 }),
      rules: fc.tuple(anyRules, anyRules, anyRules),
      available: fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 9_999 })),
      gpus: fc.nat(4),
      size: fc.integer({ min: 2, max: 3 }),
    })
    .map(({ items: asked, rules, available: [s, t], gpus, size }): BatchInputs => {
      const came = new Map<string, number>();
      const items = asked.map(({ gang, gpu, model: of, where, ...one }, index) => {
        const [model, key] = [`m${of}`, `${of}/${gang}`];
        const isNeed = one.kind === 'need';
        const joins = gangs && !isNeed && gang > 0 && (came.get(key) ?? 0) < size;
        if (joins) came.set(key, (came.get(key) ?? 0) + 1);
        return workItem(`i${String(index).padStart(2, '0')}`, {
          ...{ ...one, model, needId: isNeed ? `${model}/n${index}` : null },
          ...{ minRows: isNeed ? Math.min(one.minRows, one.rows) : 0, seed: one.seed < 0 ? index : one.seed },
          ...{ where: where === null ? [] : [{ column: 'k', op: '=' as const, value: where }] },
          ...{ resources: isNeed && gpu > 0 ? { gpu } : {}, ...(joins ? { gang: { name: `g${gang}`, size } } : {}) },
        });
      });
      const base = batchInputs(items, 0);
      const bucket = { perSecond: 100, burst: BURST };
      const of = cohorts ? ['x', 'y', 'z', 'z'] : [];
      const parts = (amount: number | undefined): Record<string, number> =>
        amount === undefined ? {} : { 'bytes:s': amount, 'bytes:t': amount };
      const declared = rules.map(({ nominal, lending, borrowing, weight }, index): CohortRules => ({
        ...{ id: 'xyz'[index], parent: index === 2 ? 'y' : null, weight, nominal: parts(nominal) },
        ...{ lendingLimit: parts(lending), borrowingLimit: parts(borrowing) },
      }));
      return {
        ...base,
        // Without shared reads so many match that samples add up.
        facts: base.facts.map((fact) => ({ ...fact, rows: shared ? 500 : 1_000_000 })),
        datasets: [...base.datasets, { ...base.datasets[0], id: 'e', source: 't' }],
        sources: { ...base.sources, t: { scansAtOnce: 2, windows: null } },
        models: Object.fromEntries(
          [0, 1, 2, 3, 4].map((m) => [
            `m${m}`,
            { weight: 1, priority: 3, ...(of[m] === undefined ? {} : { cohort: of[m] }) },
          ]),
        ),
        limits: [
          { ...bucket, resource: 'bytes:s', source: 's', available: s },
          { ...bucket, resource: 'bytes:t', source: 't', available: t },
          { resource: 'gpu', source: null, available: gpus, perSecond: 0, burst: gpus },
        ],
        ...(cohorts ? { cohorts: declared } : {}),
      };
    });
}

/** What waits for a resource, a gang with all its members, once. */
function waits(inputs: BatchInputs, { waiting }: BatchOutcome): { ids: string[]; wait: WaitReason }[] {
  const seen = new Set<string>();
  return waiting.flatMap((wait) => {
    if (seen.has(wait.itemId) || wait.short === undefined) return [];
    const item = inputs.items.find(({ id }) => id === wait.itemId)!;
    const isIn = (other: WorkItem): boolean => other.model === item.model && other.gang?.name === item.gang!.name;
    const ids = item.gang === undefined ? [item.id] : inputs.items.filter(isIn).map(({ id }) => id);
    for (const id of ids) seen.add(id);
    return [{ ids, wait }];
  });
}

/** The plan of what was granted, so many rows as it was, and of these beside it, as many as each asks for at least. */
function beside(
  inputs: BatchInputs,
  { grants }: BatchOutcome,
  ids: readonly string[],
  gone: (item: WorkItem) => boolean,
) {
  const had = new Map(grants.map(({ itemId, rows }) => [itemId, rows]));
  const items = inputs.items
    .filter((item) => (had.has(item.id) || ids.includes(item.id)) && !gone(item))
    .map((item) => {
      const rows = had.get(item.id) ?? (item.kind === 'need' ? Math.max(1, item.minRows) : item.rows!);
      // A part of a need takes a part of what it needs of the pool.
      const resources = Object.fromEntries(
        Object.entries(item.resources).map(([name, amount]) => [name, (amount * rows) / item.rows!]),
      );
      return { ...item, rows, resources, minRows: item.kind === 'need' ? rows : 0 };
    });
  const plan = planBatch({ ...inputs, items });
  return (
    plan.waiting.length === 0 &&
    plan.grants.length === items.length &&
    plan.grants.every(({ rows, asked }) => rows >= asked)
  );
}

/** The same inputs with so much more of each resource, for the cohorts that an item is in; what others may have of it stays. */
function withMore(inputs: BatchInputs, model: string, more: Readonly<Record<string, number>>): BatchInputs {
  const limits = inputs.limits.map((limit) => ({ ...limit, available: limit.available + (more[limit.resource] ?? 0) }));
  if (inputs.cohorts === undefined) return { ...inputs, limits };
  const chain: string[] = [];
  for (let at: string | null = inputs.models[model].cohort ?? null; at !== null;) {
    chain.push(at);
    at = inputs.cohorts.find(({ id }) => id === at)!.parent;
  }
  const scaled = (parts: Readonly<Record<string, number>>, plus: boolean): Record<string, number> =>
    Object.fromEntries(
      Object.entries(parts).map(([name, of]) => {
        const [before, after] = [inputs, { limits }].map(
          (some) => some.limits.find((limit) => limit.resource === name)!.available,
        );
        return [name, after === 0 ? 0 : (of * before + (plus ? (more[name] ?? 0) : 0)) / after];
      }),
    );
  const cohorts = inputs.cohorts.map((one) => ({
    ...{ ...one, nominal: scaled(one.nominal, false), lendingLimit: scaled(one.lendingLimit, false) },
    borrowingLimit: scaled(one.borrowingLimit, chain.includes(one.id)),
  }));
  return { ...inputs, limits, cohorts };
}

const kinds: [string, Options][] = [
  ['alone', {}],
  ['in cohorts', { cohorts: true }],
  ['in gangs over two sources', { gangs: true }],
  ['in gangs and cohorts', { gangs: true, cohorts: true }],
];
const sharedKinds: [string, Options][] = [
  ['that share reads', { shared: true }],
  ['that share reads, in gangs', { shared: true, gangs: true }],
];
const RUNS = { numRuns: 60 };

describe('what waits', () => {
  test.each([...kinds, ...sharedKinds])('%s fits nowhere beside what is granted', (_, options) => {
    fc.assert(
      fc.property(anyPlan(options), (inputs) => {
        const plan = planBatch(inputs);
        for (const { ids, wait } of waits(inputs, plan)) {
          // What shared reads take settles within a part in a thousand of a limit: so much less is no lack.
          const available = new Map(inputs.limits.map((limit) => [limit.resource, limit.available]));
          if (Object.entries(wait.short!).every(([name, amount]) => amount <= available.get(name)! * 0.001)) continue;
          expect(beside(inputs, plan, ids, () => false)).toBe(false);
        }
      }),
      RUNS,
    );
  });

  test.each(kinds)(
    '%s runs, beside all that is granted, with exactly what it is said to lack, and not with less',
    (_, options) => {
      fc.assert(
        fc.property(anyPlan(options), (inputs) => {
          const plan = planBatch(inputs);
          for (const { ids, wait } of waits(inputs, plan)) {
            const { model } = inputs.items.find(({ id }) => id === ids[0])!;
            const given = (of: number) =>
              withMore(
                inputs,
                model,
                Object.fromEntries(Object.entries(wait.short!).map(([name, amount]) => [name, amount * of])),
              );
            expect(beside(given(1 + 1e-9), plan, ids, () => false)).toBe(true);
            expect(beside(given(0.99), plan, ids, () => false)).toBe(false);
          }
        }),
        RUNS,
      );
    },
  );

  test.each(kinds)('%s runs without all that are named, and not without one that is not', (_, options) => {
    fc.assert(
      fc.property(anyPlan(options), (inputs) => {
        const plan = planBatch(inputs);
        for (const { ids, wait } of waits(inputs, plan)) {
          const { model } = inputs.items.find(({ id }) => id === ids[0])!;
          const sourceOf = ({ dataset }: WorkItem): string => (dataset === 'd' ? 's' : 't');
          const holds = (item: WorkItem): boolean =>
            wait.blockers.includes(item.id) || wait.blockers.includes(`${item.model}@${sourceOf(item)}`);
          const isOf = (item: WorkItem, other: WorkItem): boolean =>
            other.model === item.model && item.gang !== undefined && other.gang?.name === item.gang.name;
          // A gang is gone as a whole.
          const isNamed = (item: WorkItem): boolean =>
            holds(item) || inputs.items.some((other) => isOf(item, other) && holds(other));
          const granted = inputs.items.filter(({ id }) => plan.grants.some(({ itemId }) => itemId === id));
          for (const one of granted)
            if (!isNamed(one)) expect(beside(inputs, plan, ids, (item) => item === one || isOf(one, item))).toBe(false);
          // What is larger than all that its cohort may have lacks it without anybody.
          const use = CohortUse.of(inputs);
          const room = (name: string): number =>
            use?.room(inputs.models[model].cohort ?? null, name).amount ??
            inputs.limits.find(({ resource }) => resource === name)!.available;
          const alone = inputs.items.filter(({ id }) => ids.includes(id));
          const need = (name: string): number =>
            alone.reduce((sum, item) => {
              const rows = item.kind === 'need' ? Math.max(1, item.minRows) : item.rows!;
              return (
                sum +
                (name === 'gpu'
                  ? ((item.resources.gpu ?? 0) * rows) / item.rows!
                  : `bytes:${sourceOf(item)}` === name
                    ? rows * 10
                    : 0)
              );
            }, 0);
          if (Object.keys(wait.short!).every((name) => need(name) <= room(name)))
            expect(beside(inputs, plan, ids, isNamed)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  test.each([...kinds, ...sharedKinds])(
    '%s runs at the time that it is told, when nobody else comes until then',
    (_, options) => {
      fc.assert(
        fc.property(anyPlan(options), (inputs) => {
          const plan = planBatch(inputs);
          for (const { ids, wait } of waits(inputs, plan)) {
            // Shares of several cycles add up to what is larger than its cohort's part of a full bucket: not at once.
            if (wait.tier === 'misconfigured' || wait.earliestMs >= inputs.nowMs + inputs.windowMs) continue;
            const seconds = (wait.earliestMs - inputs.nowMs) / 1_000;
            const limits = inputs.limits.map((limit) => ({
              ...limit,
              available:
                limit.source === null
                  ? limit.burst
                  : limit.available - (plan.charges[limit.resource] ?? 0) + seconds * limit.perSecond,
            }));
            const items = inputs.items.filter(({ id }) => ids.includes(id));
            const then = planBatch({ ...inputs, nowMs: wait.earliestMs, limits, items });
            expect(then.grants.map(({ itemId }) => itemId)).toEqual(ids);
          }
        }),
        RUNS,
      );
    },
  );

  test('a gang of nested samples waits for the largest of them, and not for their sum', () => {
    const gang = { name: 'g', size: 2 };
    const items = [workItem('p', { rows: 100, gang }), workItem('q', { rows: 300, gang })];
    const inputs = batchInputs(items, 0);
    for (const wait of planBatch(inputs).waiting)
      expect(wait).toMatchObject({ shortfall: 3_000, earliestMs: inputs.nowMs + 3_000 });
    expect(planBatch(batchInputs(items, 3_000)).grants).toHaveLength(2);
    expect(planBatch(batchInputs(items, 2_990)).grants).toEqual([]);
  });

  test('names a cohort that may have nothing, and what to change', () => {
    const items = [workItem('r', { rows: 10 })];
    const cohorts = [
      { id: 'x', parent: null, weight: 1, nominal: {}, lendingLimit: {}, borrowingLimit: { 'bytes:s': 0 } },
    ];
    const models = { a: { weight: 1, priority: 3, cohort: 'x' } };
    expect(planBatch(batchInputs(items, 1_000, { cohorts, models })).waiting).toMatchObject([
      {
        tier: 'misconfigured',
        cohort: 'x',
        hint: expect.stringContaining('raise its nominal or borrowingLimit') as string,
      },
    ]);
  });
});
