/** Declared segments decide which rows reach the model; without them the thin ones are left out. */
import { afterEach, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const MINUTE = 60_000;
/** 6,000 events, one a minute, of three regions of equal size and a rare one. */
const events = Array.from({ length: 6_000 }, (_, id) => {
  return { at: new Date(START + id * MINUTE).toISOString(), id, region: id % 150 === 7 ? 'z' : 'abc'[id % 3] };
});

function pool(dir: string, more: object = {}): PoolInput {
  const need = { id: 'all', dataset: 'events', fields: ['id', 'region'], rows: 600, ...more };
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * 60 * MINUTE).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' } },
    models: { trainer: { kind: 'training', needs: [need] } },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;

test('declared, rows of the thin ones reach the model that a draw by hash alone leaves out', async () => {
  const drawn = async (explanation: Explanation) => {
    const rows = await balance.rowsOf(explanation, 'trainer/all');
    return [rows.length, rows.filter(({ region }) => region === 'z').length];
  };
  balance = await startBalance((dir) => pool(dir, { segments: ['region'] }));
  balance.write('events.csv', events);
  const covered = await balance.cycle();
  const again = await balance.cycle();
  // A rare region has 20 rows by the first cycle (48 hours, one a minute), of which a plain draw of 600 in 2,881 takes four.
  expect(await drawn(covered)).toEqual([600, 20]);
  expect(delivered(covered).report).toMatchObject({
    grantReason:
      'all 600 rows; each segment of region gets at least 30 rows, or all that match; too few match: z has 20, lacks 10',
    corrections: ['rows of each declared segment drawn first'],
  });
  expect([delivered(covered).verdict, delivered(again).verdict]).toEqual(['pass', 'pass']);
  expect([await balance.replays(covered), await balance.replays(again)]).toEqual([true, true]);

  await balance.apply(pool(balance.dir));
  const [all, left] = await drawn(await balance.cycle());
  expect(all).toBe(600);
  expect(left).toBeLessThan(12);
});
