/**
 * What reading ahead saves: dispatchers of airports ask for their latest departures after each quarter of a day in which
 * they had some (three million real flights of 2001, vega-datasets), once with prediction off and once with it on.
 *
 *   npx tsx bench/prediction-saves.ts [STEPS]
 *
 * Time from request to response, and what was read while somebody waited for it and ahead of that. The engine's own time
 * (workflows, decision records) is in both; both run on the same machine one after the other.
 */
import { digestOf } from '../activities/digest.js';
import { createPoolStore } from '../db/pool-store.js';
import { poolSchema } from '../domain/types/pool.js';
import { openEngine } from '../interfaces/data/engine.js';
import { packageFolder } from '../interfaces/data/files-source.js';
import { tmpdir } from 'node:os';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { POOL, startOwnBalance } from './own-balance.js';

const STEPS = Number(process.argv[2] ?? 20);
const START = Date.parse('2001-01-15T00:00:00Z');
const STEP_MS = 6 * 3_600_000;
/** Every third airport by size, from the largest: some fly by night, most do not. */
const AIRPORTS = 10;
/** Steps until a habit can be known: three intervals. */
const WARM_STEPS = 4;

const root = fileURLToPath(new URL('../', import.meta.url));
const flights = join(packageFolder('vega-datasets/data', root)!, 'flights-3m.parquet');

/** Airports that ask after each step: those with a departure in it. */
async function trace(): Promise<readonly (readonly string[])[]> {
  const tempDir = mkdtempSync(join(tmpdir(), 'balance-trace-'));
  const engine = await openEngine({ threads: 2, memoryLimit: '500MB', tempDir });
  const rows = await engine.session(new AbortController().signal, (session) =>
    session.rows(
      `WITH sized AS (SELECT origin, row_number() OVER (ORDER BY count(*) DESC, origin) AS rank FROM '${flights}' GROUP BY origin)
       SELECT f.origin, CAST(floor((epoch_ms(f.date) - ${START}) / ${STEP_MS}) AS INT) AS step
       FROM '${flights}' f JOIN sized USING (origin)
       WHERE rank % 3 = 1 AND rank <= ${3 * AIRPORTS} AND f.date >= make_timestamp(${START} * 1000) AND f.date < make_timestamp(${START + STEPS * STEP_MS} * 1000)
       GROUP BY ALL ORDER BY ALL`,
    ),
  );
  engine.close();
  return Array.from({ length: STEPS }, (_, step) =>
    rows.filter((row) => Number(row.step) === step).map((row) => String(row.origin)),
  );
}

interface Figures {
  readonly ms: readonly number[];
  readonly cached: number;
  readonly waitedBytes: number;
  readonly aheadBytes: number;
  readonly peakBytes: number;
  readonly ahead: number;
  readonly came: number;
}

async function replay(asks: readonly (readonly string[])[], prefetch: string): Promise<Figures> {
  const balance = await startOwnBalance();
  try {
    const definition = poolSchema.parse({
      clock: { kind: 'replay', start: new Date(START + STEP_MS).toISOString(), step: '6h' },
      cache: { prefetch },
      sources: { lake: { kind: 'files', root: 'package:vega-datasets/data', limits: { bytesPerSecond: '1MB' } } },
      datasets: { flights: { source: 'lake', path: 'flights-3m.parquet', eventTime: 'date' } },
      models: { dispatch: { kind: 'serving' } },
    });
    await createPoolStore(balance.database.db).apply(POOL, definition, digestOf(definition), root);
    const fields = ['date', 'delay', 'destination', 'distance'];
    for (const [step, airports] of asks.entries()) {
      const { decisionId } = await balance.client.balanceNow();
      await balance.closed(decisionId);
      // What is read ahead is there before the next quarter of a day is over.
      while ((await balance.database.sql`select 1 from batches where state = 'planned'`).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 20));
      const sent = airports.map((origin) =>
        balance.client.request({
          ...{ model: 'dispatch', dataset: 'flights', fields, where: `origin = '${origin}'`, rows: 1_000 },
          key: `${origin}-${step}`,
        }),
      );
      for (const { id } of await Promise.all(sent)) await balance.client.waitForDelivery(id, { timeoutMs: 120_000 });
    }
    return await figures(balance);
  } finally {
    await balance.stop();
  }
}

async function figures({ database: { sql } }: Awaited<ReturnType<typeof startOwnBalance>>): Promise<Figures> {
  const warm = new Date(START + WARM_STEPS * STEP_MS).getTime();
  const requests = await sql<{ ms: number; served: string }[]>`
    select extract(epoch from r.closed_at - r.created_at)::float8 * 1000 as ms, d.served
    from requests r join deliveries d on d.request_id = r.id join cycles c on c.id = r.decision_id
    where c.as_of_ms > ${warm} order by 1`;
  const [read] = await sql<{ waited: number; ahead: number; peak: number }[]>`
    select coalesce(sum(bytes) filter (where not ahead), 0)::float8 as waited, coalesce(sum(bytes) filter (where ahead), 0)::float8 as ahead,
      coalesce(max(bytes) filter (where not ahead), 0)::float8 as peak
    from (select c.as_of_ms, b.plan ? 'prefetch' as ahead, sum(b.actual_bytes) as bytes
      from batches b join cycles c on c.id = b.decision_id where c.as_of_ms > ${warm} group by 1, 2) s`;
  const [promises] = await sql<{ ahead: number; came: number }[]>`
    select count(*)::int as ahead, count(asked_ms)::int as came from prefetches where as_of_ms > ${warm} and ended`;
  return {
    ms: requests.map(({ ms }) => ms),
    cached: requests.filter(({ served }) => served === 'cache').length,
    ...{ waitedBytes: read.waited, aheadBytes: read.ahead, peakBytes: read.peak, ...promises },
  };
}

const asks = await trace();
process.stdout.write(
  `${STEPS} steps of 6 h, ${asks.flat().length} requests by ${new Set(asks.flat()).size} airports; figures from step ${WARM_STEPS + 1} on\n`,
);
for (const prefetch of ['0B', '100MB']) {
  const { ms, cached, waitedBytes, aheadBytes, peakBytes, ahead, came } = await replay(asks, prefetch);
  const at = (share: number): string =>
    Math.round(ms[Math.min(ms.length - 1, Math.floor(share * ms.length))]).toString();
  process.stdout.write(
    `prediction ${prefetch === '0B' ? 'off' : 'on '}: ${ms.length} requests, request to response median ${at(0.5)} ms, p90 ${at(0.9)} ms; ${cached} from the cache; ` +
      `read while somebody waited ${(waitedBytes / 1e6).toFixed(2)} MB (at most ${(peakBytes / 1e3).toFixed(0)} kB in a step), ahead ${(aheadBytes / 1e6).toFixed(2)} MB; ${came} of ${ahead} read ahead were asked\n`,
  );
}
