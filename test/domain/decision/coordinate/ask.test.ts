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
