/** Drift against what a model was trained on: the same data passes beside what the model was last given, and is found beside a declared reference. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;

interface Event {
  readonly id: number;
  readonly label: string;
  readonly value: number;
  readonly region: string;
}
/** Events, one a minute: `rare` of a hundred are rare, values spread over a hundred from `from` on. */
const events = (count: number, { from = 0, rare = 10 } = {}): (CsvRow & Event)[] =>
  Array.from({ length: count }, (_, id) => ({
    at: new Date(START + id * 60_000).toISOString(),
    ...{ id, label: (id * 7) % 100 < rare ? 'rare' : 'common', value: from + ((id * 37) % 100), region: 'abc'[id % 3] },
  }));
/** What the model was trained on: of another year, without a region. */
const trained = (options?: Parameters<typeof events>[1]): CsvRow[] =>
  events(3_000, options).map(({ id, label, value }) => ({ id: id + 1_000_000, label, value }));

function pool(dir: string, need: object): PoolInput {
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: {
      events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' },
      train: { source: 'lake', path: 'train.csv', key: ['id'] },
    },
    models: {
      trainer: {
        kind: 'training',
        needs: [{ id: 'all', dataset: 'events', fields: ['id', 'label', 'value', 'region'], rows: 600, ...need }],
      },
    },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

interface Report {
  readonly reason: string;
  readonly findings: readonly {
    readonly kind: string;
    readonly column?: string;
    readonly severity: string;
    readonly message: string;
  }[];
}
const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;
const report = (explanation: Explanation) => delivered(explanation).report as Report;
const found = (explanation: Explanation) =>
  report(explanation)
    .findings.filter(({ kind }) => kind === 'drift')
    .map(({ column, severity }) => [column, severity]);
const analyzeReasons = ({ stages }: Explanation): string => stages[0].reasons.join('\n');

describe('a declared reference', () => {
  test('finds what the last delivery had as well, and is never replaced by what was handed out', async () => {
    balance = await startBalance((dir) => pool(dir, {}));
    balance.write('train.csv', trained());
    balance.write('events.csv', events(6_000, { from: 30 }));
    // Beside what it was last given, the data is what it always was.
    const undeclared = [await balance.cycle(), await balance.cycle()];
    expect(undeclared.map((one) => delivered(one).verdict)).toEqual(['pass', 'pass']);

    await balance.apply(pool(balance.dir, { reference: 'train' }));
    const told = await balance.cycle();
    expect(delivered(told).verdict).toBe('degrade');
    expect(found(told)).toEqual([['value', 'degrade']]);
    expect(report(told).reason).toContain('value is not what trainer was trained on (train)');
    expect(report(told).findings).toContainEqual(
      expect.objectContaining({ kind: 'drift-unknown', column: 'region', severity: 'note' }),
    );
    expect(analyzeReasons(told)).toMatch(/trainer\/all is compared with train \(.+\), read now; it has no region/);
    expect(await balance.replays(told)).toBe(true);

    // However often it is handed out, it never becomes what the model was trained on; and it is not read again.
    const later = [await balance.cycle(), await balance.cycle(), await balance.cycle()];
    expect(later.map((one) => delivered(one).verdict)).toEqual(['degrade', 'degrade', 'degrade']);
    expect(analyzeReasons(later[2])).toContain('as it is known');
  });

  test('keeps drifted rows from the model where it holds, until what the model was trained on is like them', async () => {
    balance = await startBalance((dir) => pool(dir, { onDrift: 'hold', reference: 'train' }));
    balance.write('train.csv', trained());
    balance.write('events.csv', events(6_000));
    const good = await balance.cycle();
    expect([delivered(good).verdict, found(good)]).toEqual(['pass', []]);

    balance.write('events.csv', events(6_000, { from: 30 }));
    const held = await balance.cycle();
    expect(delivered(held)).toMatchObject({ served: 'last-good', path: delivered(good).path });
    expect(await balance.replays(held)).toBe(true);

    balance.write('train.csv', trained({ from: 30 }));
    const retrained = await balance.cycle();
    expect(delivered(retrained)).toMatchObject({ served: 'read', verdict: 'pass' });
    expect(await balance.rowsOf(retrained, 'trainer/all')).not.toContainEqual(expect.objectContaining({ value: 0 }));
    expect(await balance.replays(retrained)).toBe(true);
  });

  test('gives the class mix where the target is its own: other rows reach the model', async () => {
    const need = { classColumn: 'label', target: 'uniform', maxClassGap: 0.05 };
    balance = await startBalance((dir) => pool(dir, { ...need, reference: 'train', target: 'reference' }));
    balance.write('train.csv', trained({ rare: 30 }));
    balance.write('events.csv', events(6_000));
    const mixed = await balance.cycle();
    const rows = await balance.rowsOf(mixed, 'trainer/all');
    expect(rows).toHaveLength(600);
    expect(rows.filter(({ label }) => label === 'rare')).toHaveLength(180);
    expect(await balance.replays(mixed)).toBe(true);
  });

  test('that cannot be looked at degrades the delivery and says why; nothing else takes its place', async () => {
    balance = await startBalance((dir) => pool(dir, { reference: 'train' }));
    balance.write('events.csv', events(6_000));
    balance.write('train.csv', [{ other: 1 }, { other: 2 }]);
    for (const one of [await balance.cycle(), await balance.cycle()]) {
      expect(delivered(one).verdict).toBe('degrade');
      expect(report(one).reason).toContain('dataset train, the reference of trainer/all, has none of its columns');
      expect(await balance.replays(one)).toBe(true);
    }
    balance.write('train.csv', trained());
    expect(delivered(await balance.cycle()).verdict).toBe('pass');
  });
});
