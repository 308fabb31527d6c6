/** `balance patterns` of a pool: what it recorded, zeros included, and what follows what in it. */
import { beforeAll, expect, test, vi } from 'vitest';
import { Command } from 'commander';
import { createPoolStore } from '../../db/pool-store.js';
import { recordedSeries } from '../../db/recorded-series.js';
import { registerPatterns } from '../../cli/commands/patterns.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';

const HOUR = 3_600_000;
const ref = { tenant: 'default', pool: 'p' };
const database = testDatabase();
beforeAll(async () => {
  const definition = poolSchema.parse({ sources: {}, datasets: {}, models: {} });
  await createPoolStore(database.db).apply(ref, definition, 'digest', '/');
  let state = 1;
  const uniform = (): number => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
  const noise = Array.from({ length: 500 }, uniform);
  const rows = noise.flatMap((value, hour) => [
    { metric: 'demand', subject: 'lead/d', at: hour, value: 100 * value },
    // Follows three hours later, with a day of its own, and asks ten times as much from the middle on.
    ...(hour < 3
      ? []
      : [
          { metric: 'demand', subject: 'late/d', at: hour, value: (hour < 250 ? 1 : 10) * (60 + 50 * noise[hour - 3]) },
        ]),
    {
      metric: 'quality:completeness',
      subject: 'lead/n/x',
      at: hour,
      value: 0.9 + 0.05 * Math.sin((hour / 24) * 2 * Math.PI),
    },
    ...(hour % 2 === 0 ? [{ metric: 'demand', subject: 'rare/d', at: hour, value: 5 }] : []),
  ]);
  const numbered = JSON.stringify(rows.map(({ at, ...row }) => ({ ...row, at: at * HOUR })));
  await database.sql.unsafe(
    `insert into metric_history (tenant, pool, metric, subject, at_ms, value)
     select 'default', 'p', metric, subject, at, value from jsonb_to_recordset($1::text::jsonb) as r(metric text, subject text, at bigint, value float8)`,
    [numbered],
  );
}, 120_000);

test('a step without demand is a zero, and every series has its points in order', async () => {
  const series = await recordedSeries(database.db, ref);
  expect(series.map(({ id, points }) => [id, points.length])).toEqual([
    ['demand late/d', 497],
    ['demand lead/d', 500],
    ['demand rare/d', 500],
    ['quality:completeness lead/n/x', 500],
  ]);
  expect(series[2].points.slice(0, 4).map(({ value }) => value)).toEqual([5, 0, 5, 0]);
});

test('the command tells periods, followers and changed behaviour of what the pool recorded', async () => {
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  const program = new Command();
  registerPatterns(program);
  const addresses = ['--database-url', database.url, '--temporal-address', 'none:1', '--cache-dir', '/none'];
  await program.parseAsync(['patterns', ...addresses], { from: 'user' });
  write.mockRestore();
  expect(out).toMatch(/quality:completeness lead\/n\/x: periods 24 rows/);
  expect(out).toMatch(/demand lead\/d -> demand late\/d after 3 rows/);
  expect(out).toMatch(
    /demand late\/d: behaves otherwise in the newer half: size 0\.\d+, timing 0\.\d+ of 1, mean \d+\.\d+ times/,
  );
  expect(out).not.toMatch(/demand lead\/d: behaves otherwise/);
});
