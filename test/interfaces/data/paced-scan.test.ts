/** What of a scan counts for its source's limits: in the end as much as was foreseen, in rows and in bytes apart. */
import { expect, test } from 'vitest';
import { scanPace } from '../../../interfaces/data/paced-scan.js';

async function told(all: boolean): Promise<{ rows: number; bytes: number }[]> {
  const pieces: { rows: number; bytes: number }[] = [];
  const onward = (rows: number, bytes: number): Promise<void> => {
    pieces.push({ rows, bytes });
    return Promise.resolve();
  };
  const { begin } = scanPace({ rows: 600, bytes: 9_000, onward }, [], all);
  const piece = await begin(() => Promise.resolve(1_000));
  for (const rows of [100, 400, 500]) await piece(rows, rows * 30);
  return pieces;
}

test('two samples that share rows count for their bytes once, whatever their rows add up to', async () => {
  expect(await told(false)).toEqual([
    { rows: 60, bytes: 900 },
    { rows: 240, bytes: 3_600 },
    { rows: 300, bytes: 4_500 },
  ]);
});

test('where every row is handed out each piece counts for what it is', async () => {
  expect(await told(true)).toEqual([100, 400, 500].map((rows) => ({ rows, bytes: rows * 30 })));
});
