/** Embeddings and texts that changed, though every row is there and every cell is filled: the model is not given them. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { withEngine, writeTableFile } from '../../interfaces/data/table-file.js';
import { startBalance, type PoolInput, type TestBalance } from '../support/balance.js';

const pool = (dir: string): PoolInput => ({
  clock: { kind: 'replay', start: '2020-01-03T00:00:00Z', step: '1h' },
  sources: { lake: { kind: 'files', root: dir } },
  datasets: { documents: { source: 'lake', path: 'documents.parquet', key: ['id'] } },
  models: {
    ranker: {
      kind: 'training',
      needs: [{ id: 'all', dataset: 'documents', fields: ['id', 'embedding', 'note'], rows: 800, onDrift: 'hold' }],
    },
  },
});

let balance: TestBalance;
afterEach(() => balance.stop());

interface Made {
  /** Other rows of the same kind by another seed. */
  readonly seed: number;
  /** SQL of the embedding `v` and the text `t` as they are written. */
  readonly embedding?: string;
  readonly note?: string;
}
/** Documents with embeddings of 64 places, whose means differ by place, and notes of one to nine clauses. */
async function write({ seed, embedding = 'v', note = 't' }: Made): Promise<void> {
  const vector = `list_transform(range(64), lambda p: hash(i, p, ${seed}) % 2000000 / 1e6 - 1 + p % 3)`;
  const text = `'note ' || hash(i, ${seed}) || repeat(' and so on', (1 + hash(i, ${seed}, 'n') % 9)::INT)`;
  const made = `SELECT i AS id, ${vector} AS v, ${text} AS t FROM range(3000) r(i)`;
  await withEngine((session) =>
    writeTableFile(
      session,
      join(balance.dir, 'documents.parquet'),
      `SELECT id, CAST(${embedding} AS FLOAT[64]) AS embedding, ${note} AS note FROM (${made})`,
    ),
  );
}

const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;

test('embeddings of another model, collapsed ones and texts cut short are held back; new rows of the same kind are not', async () => {
  balance = await startBalance(pool);
  await write({ seed: 1 });
  const good = await balance.cycle();
  expect(delivered(good)).toMatchObject({ served: 'read', verdict: 'pass' });

  await write({ seed: 2 });
  const fresh = await balance.cycle();
  expect(delivered(fresh)).toMatchObject({ served: 'read', verdict: 'pass' });
  expect(delivered(fresh).path).not.toBe(delivered(good).path);
  expect(await balance.replays(fresh)).toBe(true);

  const changes: [string, Made][] = [
    ['embedding', { seed: 3, embedding: 'list_reverse(v)' }],
    ['embedding', { seed: 4, embedding: 'list_transform(v, lambda x: x / 2)' }],
    [
      'embedding',
      { seed: 5, embedding: `CASE WHEN id % 4 > 0 THEN v ELSE list_transform(range(64), lambda p: 0.1) END` },
    ],
    ['note', { seed: 6, note: 'left(t, 45)' }],
  ];
  for (const [column, change] of changes) {
    await write(change);
    const held = await balance.cycle();
    expect(delivered(held)).toMatchObject({ served: 'last-good', path: delivered(fresh).path });
    expect((delivered(held).report as { reason: string }).reason).toContain(
      `${column} is not what ranker was last given`,
    );
    expect(await balance.replays(held)).toBe(true);
  }
});
