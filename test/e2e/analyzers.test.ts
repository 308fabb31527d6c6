/** Analyzers are plug-ins: a new one is heard, one that fails degrades the decision and is named in it. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Analyzer } from '../../domain/analyzers/analyzer.js';
import { startBalance, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const rows = Array.from({ length: 100 }, (_, id) => ({ id, at: new Date(START + id * 60_000).toISOString() }));

function pool(dir: string): PoolInput {
  return {
    clock: { kind: 'replay', start: '2020-01-02T00:00:00Z', step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' } },
    models: { trainer: { kind: 'training', needs: [{ id: 'all', dataset: 'events', fields: ['id'], rows: 10 }] } },
  };
}

const broken: Analyzer = {
  id: 'broken',
  version: 1,
  analyze: () => {
    throw new Error('no reference was given');
  },
};
const curious: Analyzer = {
  id: 'curious',
  version: 1,
  analyze: ({ needs }) => ({
    ok: true,
    scores: [],
    findings: needs.map(({ id, model, dataset }) => ({
      needId: id,
      model,
      dataset,
      kind: 'coverage' as const,
      severity: 0.4,
      blocking: true,
      message: `${id} was looked at`,
      expected: 'to be looked at',
      got: 'a look',
    })),
  }),
};

let balance: TestBalance;
afterEach(() => balance.stop());

describe('analyzers', () => {
  test('one that throws is named, the others count, and the data is still delivered', async () => {
    balance = await startBalance(pool, {
      replace: (deps) => ({ ...deps, analyzers: [...deps.analyzers, broken, curious] }),
    });
    balance.write('events.csv', rows);
    const { decision, stages, requests } = await balance.cycle();
    const analyze = stages.find(({ stage }) => stage === 'analyze')!;
    expect(analyze.state).toBe('degraded');
    expect(analyze.reasons).toContain('analyzer broken failed, its findings are missing: no reference was given');
    expect(analyze.reasons).toContain('trainer/all was looked at');
    expect(decision.outcome).toBe('delivered');
    expect(requests[0].delivery?.rows).toBe(10);
  });
});
