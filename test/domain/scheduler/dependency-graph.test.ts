import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderDependencies, type DependencyNode } from '../../../domain/scheduler/dependency-graph.js';

const node = (id: string, after: string[] = [], weight?: number): DependencyNode => ({ id, after, weight });

describe('orderDependencies', () => {
  it('orders a diamond and finds its longest side', () => {
    expect(
      orderDependencies([node('d', ['b', 'c'], 1), node('b', ['a'], 5), node('c', ['a'], 2), node('a', [], 3)]),
    ).toEqual({
      kind: 'ordered',
      order: ['a', 'b', 'c', 'd'],
      earliestStart: [0, 3, 3, 8],
      criticalPath: ['a', 'b', 'd'],
      criticalLength: 9,
    });
  });

  it.each([
    ['nothing', [], { kind: 'ordered', order: [], earliestStart: [], criticalPath: [], criticalLength: 0 }],
    [
      'a single node of weight 0',
      [node('a', [], 0)],
      { kind: 'ordered', order: ['a'], earliestStart: [0], criticalPath: ['a'], criticalLength: 0 },
    ],
    [
      'a dependency named twice',
      [node('b', ['a', 'a']), node('a')],
      { kind: 'ordered', order: ['a', 'b'], earliestStart: [0, 1], criticalPath: ['a', 'b'], criticalLength: 2 },
    ],
    ['a node that needs itself', [node('a', ['a'])], { kind: 'cycle', cycle: ['a'] }],
    [
      'a cycle with a tail and a head',
      [node('x', ['c']), node('a', ['c']), node('b', ['a']), node('c', ['b', 'y']), node('y')],
      { kind: 'cycle', cycle: ['a', 'c', 'b'] },
    ],
    [
      'a dependency that does not exist',
      [node('a', ['ghost'])],
      { kind: 'unknown-dependency', id: 'a', missing: 'ghost' },
    ],
  ])('%s', (_name, nodes, expected) => {
    expect(orderDependencies(nodes)).toEqual(expected);
  });

  it('refuses two nodes with one id', () => {
    expect(() => orderDependencies([node('a'), node('a')])).toThrow(/same id/);
  });

  it('puts everything after what it needs, or names a true cycle, whatever the order of the input', () => {
    const graphs = fc.array(fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(graphs, (lists) => {
        const nodes = lists.map((list, i) =>
          node(
            `n${i}`,
            list.filter((j) => j < lists.length).map((j) => `n${j}`),
          ),
        );
        const result = orderDependencies(nodes);
        expect(orderDependencies([...nodes].reverse())).toEqual(result);
        const needs = new Map(nodes.map(({ id, after }) => [id, after]));
        if (result.kind === 'cycle') {
          result.cycle.forEach((id, i) => expect(needs.get(id)).toContain(result.cycle[(i + 1) % result.cycle.length]));
        } else if (result.kind === 'ordered') {
          const position = new Map(result.order.map((id, i) => [id, i]));
          expect(position.size).toBe(nodes.length);
          for (const [id, after] of needs)
            for (const need of after) expect(position.get(need)!).toBeLessThan(position.get(id)!);
          result.criticalPath.slice(1).forEach((id, i) => expect(needs.get(id)).toContain(result.criticalPath[i]));
          expect(result.criticalPath.length).toBe(result.criticalLength);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
