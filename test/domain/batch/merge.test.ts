import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findCoveringRead,
  planMergedReads,
  validateMergePlan,
  type MergePlan,
  type ReadRequest,
} from '../../../domain/batch/merge.js';
import { evaluate } from '../../../domain/batch/predicate-algebra.js';
import { parsePredicate } from '../../../domain/types/predicate.js';

const ask = (id: string, where: string, fields: readonly string[] = ['v'], more: Partial<ReadRequest> = {}) => ({
  id,
  model: `model-${id}`,
  dataset: 'flights',
  datasetVersion: 'v1',
  fields,
  where: parsePredicate(where),
  rows: null,
  seed: 1,
  maxAgeMs: null,
  deadlineMs: null,
  priority: 0,
  ...more,
});

const relations = (plan: MergePlan) =>
  plan.reads.map((read) => read.members.map((member) => `${member.requestId} ${member.relation}`));

describe('planMergedReads', () => {
  it('has an empty plan for nothing', () => {
    expect(planMergedReads([])).toEqual({ reads: [], refused: [] });
  });

  it('serves equal, contained, overlapping and adjacent rows by one read, with reasons', () => {
    const plan = planMergedReads([
      ask('a', 'k BETWEEN 0 AND 9', ['x']),
      ask('b', 'k >= 0 AND k <= 9', ['x']),
      ask('c', 'k BETWEEN 5 AND 14', ['x']),
      ask('d', 'k IN (6, 7)', ['x']),
      ask('e', 'k BETWEEN 15 AND 20', ['x']),
      ask('far', 'k BETWEEN 50 AND 60', ['x']),
    ]);
    expect(plan.reads).toHaveLength(2);
    expect(plan.reads[0]).toMatchObject({ id: 'read-a', fields: ['k', 'x'] });
    expect(plan.reads[0].predicates).toHaveLength(3);
    expect(plan.reads[0].members).toEqual([
      { requestId: 'a', relation: 'overlapping', reason: 'shares rows with c' },
      { requestId: 'b', relation: 'overlapping', reason: 'shares rows with c' },
      { requestId: 'c', relation: 'overlapping', reason: 'shares rows with a' },
      { requestId: 'd', relation: 'contained', reason: 'its rows lie within those of c' },
      { requestId: 'e', relation: 'adjacent', reason: 'its rows border those of c' },
    ]);
    expect(relations(plan)[1]).toEqual(['far alone']);
  });

  it('reads everything once when one member asks for every row', () => {
    const plan = planMergedReads([ask('all', '', ['v', 'k']), ...[1, 2, 3].map((k) => ask(`r${k}`, `k = ${k}`))]);
    expect(relations(plan)).toEqual([['all equal', 'r1 contained', 'r2 contained', 'r3 contained']]);
    expect(plan.reads[0].predicates).toEqual([[]]);
  });

  it('finds the container of a row set however many others lie between', () => {
    const many = Array.from({ length: 200 }, (_, k) => ask(`k${k}`, `k = ${k * 10}`, ['k']));
    expect(planMergedReads([ask('all', '', ['k']), ...many]).reads).toHaveLength(1);
  });

  it('keeps datasets and versions apart', () => {
    const plan = planMergedReads([
      ask('a', ''),
      ask('b', '', ['v'], { datasetVersion: 'v2' }),
      ask('c', '', ['v'], { dataset: 'other' }),
    ]);
    expect(relations(plan)).toEqual([['a alone'], ['b alone'], ['c alone']]);
  });

  it('takes the highest priority and the earliest deadline of its members', () => {
    const plan = planMergedReads([
      ask('a', '', ['v'], { priority: 1, deadlineMs: 500 }),
      ask('b', '', ['v'], { priority: 3 }),
    ]);
    expect(plan.reads[0]).toMatchObject({ priority: 3, deadlineMs: 500 });
  });

  it('does not widen a read when the rectangle costs more than it saves', () => {
    // 2 x 1.5 rows x 4 fields against 2 rows x 2 fields: overlapping reads of different fields stay apart.
    const requests = [ask('a', 'k BETWEEN 0 AND 9', ['k', 'p']), ask('b', 'k BETWEEN 9 AND 18', ['k', 'q', 'r', 's'])];
    expect(planMergedReads(requests).reads).toHaveLength(2);
    expect(planMergedReads(requests, { cost: { perOperation: 10, perUnit: 1 } }).reads).toHaveLength(1);
    // A small contained read would force its wide fields onto every row of the large one.
    const contained = [ask('big', 'k < 1000', ['k']), ask('small', 'k < 10', ['k', 'p', 'q'])];
    const estimatedRows = { big: 1000, small: 10 };
    expect(planMergedReads(contained, { estimatedRows }).reads).toHaveLength(2);
    expect(planMergedReads([contained[0], ask('small', 'k < 10', ['k'])], { estimatedRows }).reads).toHaveLength(1);
  });

  it('cuts a group whose OR would be too long', () => {
    const chain = Array.from({ length: 10 }, (_, i) => ask(`r${i}`, `k BETWEEN ${i} AND ${i + 1}`, ['k']));
    const plan = planMergedReads(chain, { predicatesMax: 4 });
    expect(plan.reads.map((read) => read.predicates.length)).toEqual([4, 4, 2]);
    expect(validateMergePlan(chain, plan)).toEqual([]);
  });

  it('refuses who may not see a field, also one that is only filtered on', () => {
    const plan = planMergedReads([
      ask('a', 'k = 1', ['v', 'salary'], { allowedFields: ['k', 'v'] }),
      ask('b', 'salary > 9', ['v'], { allowedFields: ['k', 'v'] }),
      ask('c', '', []),
      ask('d', 'k = 1', ['v'], { allowedFields: ['k', 'v'] }),
    ]);
    expect(plan.refused).toEqual([
      { requestId: 'a', type: 'FieldNotAllowed', reason: 'request a: model model-a may not see salary of flights' },
      { requestId: 'b', type: 'FieldNotAllowed', reason: 'request b: model model-b may not see salary of flights' },
      { requestId: 'c', type: 'NoFields', reason: 'request c names no field' },
    ]);
    expect(relations(plan)).toEqual([['d alone']]);
  });

  it('refuses two requests of one name', () => {
    expect(() => planMergedReads([ask('a', ''), ask('a', 'k = 1')])).toThrow('two requests are called a');
  });
});

const condition = fc.oneof(
  fc
    .tuple(fc.constantFrom('k', 'o'), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 4 }))
    .map(([column, low, width]) => `${column} BETWEEN ${low} AND ${low + width}`),
  fc.tuple(fc.constantFrom('k', 'o'), fc.integer({ min: 0, max: 9 })).map(([column, key]) => `${column} = ${key}`),
  fc.constantFrom('k IS NULL', 'k IS NOT NULL', 'o != 3', 'k IN (1, 5, 8)', 'k > 5', 'k <= 5'),
);
const requests = fc
  .array(
    fc.record({
      where: fc.array(condition, { maxLength: 2 }).map((conditions) => conditions.join(' AND ')),
      fields: fc.uniqueArray(fc.constantFrom('k', 'o', 'p', 'q'), { minLength: 1 }),
      dataset: fc.constantFrom('a', 'b'),
      allowedFields: fc.option(fc.constantFrom(['k', 'o'], ['k', 'o', 'p', 'q']), { nil: undefined }),
    }),
    { maxLength: 14 },
  )
  .map((list) => list.map(({ where, fields, ...rest }, i) => ask(`r${i}`, where, fields, rest)));
const rows = [null, ...Array.from({ length: 14 }, (_, i) => i)].flatMap((k) =>
  [null, ...Array.from({ length: 14 }, (_, i) => i)].map((o) => ({ k, o })),
);

describe('every merge plan', () => {
  it('is valid, reads exactly the rows asked for, and does not depend on the order of requests', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 5 }), fc.nat(20), (list, predicatesMax, perOperation) => {
        const options = { predicatesMax, cost: { perOperation, perUnit: 1 } };
        const plan = planMergedReads(list, options);
        expect(validateMergePlan(list, plan)).toEqual([]);
        expect(planMergedReads([...list].reverse(), options)).toEqual(plan);
        for (const read of plan.reads) {
          const members = list.filter((request) => read.members.some((member) => member.requestId === request.id));
          for (const row of rows) {
            const asked = members.some((request) => evaluate(request.where, row));
            expect(read.predicates.some((predicate) => evaluate(predicate, row))).toBe(asked);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('validateMergePlan', () => {
  const list = [ask('a', 'k = 1'), ask('b', 'k = 1 AND o = 2')];
  const plan = planMergedReads(list);
  const [read] = plan.reads;
  const broken: readonly [string, MergePlan, string][] = [
    [
      'a lost request',
      { ...plan, reads: [{ ...read, members: read.members.slice(0, 1), fields: ['k', 'v'] }] },
      'request b is in no read',
    ],
    ['a request planned twice', { ...plan, reads: [read, read] }, 'request a is unknown or planned twice'],
    [
      'rows not read',
      { ...plan, reads: [{ ...read, predicates: [parsePredicate('k = 2')] }] },
      'read-a may miss rows of a',
    ],
    ['a missing field', { ...plan, reads: [{ ...read, fields: ['k'] }] }, "fields of read-a are not its members'"],
    [
      'another version',
      { ...plan, reads: [{ ...read, datasetVersion: 'v0' }] },
      'a asks for another dataset or version than read-a',
    ],
    [
      'a refusal without cause',
      { reads: [], refused: list.map(({ id }) => ({ requestId: id, type: 'NoFields', reason: '' })) },
      'a is refused without cause',
    ],
  ];
  it.each(broken)('finds %s', (_name, bad, violation) => {
    expect(validateMergePlan(list, bad)).toContain(violation);
  });
  it('finds a member that may not see what it asks for', () => {
    const hidden = list.map((request) => ({ ...request, allowedFields: ['k'] }));
    expect(validateMergePlan(hidden, plan)).toContain('a may not see what it asks for');
  });
});

describe('findCoveringRead', () => {
  const running = planMergedReads([ask('a', 'k BETWEEN 0 AND 9', ['v', 'w'])]).reads;
  it('lets a late request join a read that covers its rows and fields', () => {
    expect(findCoveringRead(ask('late', 'k IN (3, 4)', ['w']), running)).toBe('read-a');
  });
  it.each([
    ['rows', ask('late', 'k = 12')],
    ['fields', ask('late', 'k = 3', ['z'])],
    ['predicate columns', ask('late', 'k = 3 AND o = 1')],
    ['version', ask('late', 'k = 3', ['v'], { datasetVersion: 'v2' })],
    ['permission', ask('late', 'k = 3', ['v'], { allowedFields: ['k'] })],
  ])('starts its own read when %s differ', (_name, request) => {
    expect(findCoveringRead(request, running)).toBeNull();
  });
});

describe('samples of one set of rows', () => {
  /** Cells that a plan's reads hand out, where nothing is known of the rows that match: samples of other seeds have none in common. */
  const cells = (list: readonly ReadRequest[], plan: MergePlan): number =>
    plan.reads.reduce((sum, { members, fields }) => {
      const largest = new Map<number, number>();
      for (const { rows: wanted, seed, id } of list)
        if (members.some(({ requestId }) => requestId === id))
          largest.set(seed, Math.max(largest.get(seed) ?? 0, wanted!));
      return sum + fields.length * [...largest.values()].reduce((all, count) => all + count, 0);
    }, 0);
  const sample = (id: string, count: number, seed: number, fields: readonly string[]) =>
    ask(id, '', fields, { rows: count, estimatedRows: count, seed });

  it.each<[string, number, ReadRequest[]]>([
    ['of other seeds and fields', 2, [sample('a', 1_000, 1, ['x']), sample('b', 1_000, 2, ['y'])]],
    ['of one seed, one of them far larger', 2, [sample('a', 1_000, 1, ['x']), sample('b', 10, 1, ['y', 'z'])]],
    ['of other seeds and the same fields', 1, [sample('a', 1_000, 1, ['x']), sample('b', 900, 2, ['x'])]],
    ['of one seed and size', 1, [sample('a', 1_000, 1, ['x']), sample('b', 1_000, 1, ['y'])]],
  ])('%s are %i reads', (_, reads, list) => {
    expect(planMergedReads(list).reads).toHaveLength(reads);
  });

  it('are read together when the scan that is saved is worth more', () => {
    const list = [sample('a', 1_000, 1, ['x']), sample('b', 1_000, 2, ['y'])];
    expect(planMergedReads(list, { cost: { perOperation: 2_000, perUnit: 1 } }).reads).toHaveLength(1);
    expect(planMergedReads(list, { cost: { perOperation: 1_999, perUnit: 1 } }).reads).toHaveLength(2);
  });

  it('never cost more together than apart', () => {
    const one = fc.record({
      ...{ rows: fc.integer({ min: 1, max: 50 }), seed: fc.integer({ min: 1, max: 3 }) },
      fields: fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 10 }), (asked) => {
        const list = asked.map(({ rows: count, seed, fields }, i) => sample(`r${i}`, count, seed, fields));
        const plan = planMergedReads(list);
        expect(validateMergePlan(list, plan)).toEqual([]);
        expect(planMergedReads([...list].reverse())).toEqual(plan);
        expect(cells(list, plan)).toBeLessThanOrEqual(
          asked.reduce((sum, { rows: count, fields }) => sum + count * fields.length, 0),
        );
      }),
      { numRuns: 300 },
    );
  });
});
