import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../../domain/analyzers/analyzer.js';
import { ASK_AGAIN_MS, dueAsks } from '../../../../domain/decision/coordinate/ask.js';

const finding = (kind: Finding['kind'], shortfall: Record<string, number>): Finding => ({
  ...{ needId: 'm/n', model: 'm', dataset: 'd', kind, severity: 0.5, blocking: true, message: 'misses rows' },
  ...{ column: 'label', expected: '', got: '', shortfall },
});
const rare = finding('class-shortfall', { rare: 100 });
const ask = (findings: Finding[], known: Parameters<typeof dueAsks>[2] = {}, nowMs = 0) =>
  dueAsks(findings, { d: 'owner' }, known, nowMs);

describe('asking for data', () => {
  it('names the owner, the column and the rows by class; classes say more than volume', () => {
    expect(ask([finding('volume', { '*': 300 }), rare])).toEqual([
      { needId: 'm/n', dataset: 'd', owner: 'owner', column: 'label', rows: { rare: 100 }, reason: 'misses rows' },
    ]);
  });
  it('names those whom it helps too, and counts those that are too many to name', () => {
    const others = (count: number): Finding[] =>
      Array.from({ length: count }, (_, i) => ({
        ...rare,
        needId: `o/${100 + i}`,
        model: 'o',
        shortfall: { rare: 1 + i },
      }));
    expect(ask([rare, ...others(2)])[0]).toMatchObject({
      needId: 'm/n',
      affects: [
        { needId: 'o/101', rows: 2 },
        { needId: 'o/100', rows: 1 },
      ],
    });
    expect(ask([rare, ...others(2)])[0]).not.toHaveProperty('affectsMore');
    const [first] = ask([rare, ...others(60)]);
    expect(first.affects).toHaveLength(20);
    expect(first.affects![0]).toEqual({ needId: 'o/159', model: 'o', rows: 60 });
    expect(first.affectsMore).toBe(40);
  });
  it('is not for what new rows would not mend', () => {
    expect(ask([finding('freshness', {}), finding('completeness', { '*': 3 })])).toEqual([]);
  });
  it('is for rows that will probably be missing, not for those that may be', () => {
    const future = finding('future-volume', { '*': 9 });
    expect(ask([future])).toMatchObject([{ rows: { '*': 9 } }]);
    expect(ask([{ ...future, blocking: false }])).toEqual([]);
  });
  it.each([
    ['the same an hour later', 100, 3_600_000, 0],
    ['hardly more', 92, 3_600_000, 0],
    ['a tenth more', 90, 3_600_000, 1],
    ['the same a day later', 100, ASK_AGAIN_MS, 1],
  ])('%s', (_, before, laterMs, asks) => {
    expect(ask([rare], { 'm/n': { askedMs: 0, rows: { rare: before } } }, laterMs)).toHaveLength(asks);
  });
});
