/**
 * What reading ahead saves: dispatchers of airports ask for their latest departures after each quarter of a day in which
 * they had some (three million real flights of 2001, vega-datasets), once with prediction off and once with it on.
 *
 *   npx tsx bench/prediction-saves.ts [STEPS]
 *
 * Latency to data (from request to response) and load: bytes read while somebody waited for them and ahead of that, and
 * the most of either in one step. The engine's own time (workflows, decision records) is in both. Off, on, on, off, so
 * that neither gains by coming later; the requests of both runs are taken together.
 */
import { digestOf } from '../activities/digest.js';
import { createPoolStore } from '../db/pool-store.js';
import { poolSchema } from '../domain/types/pool.js';
import { openEngine } from '../interfaces/data/engine.js';
import { packageFolder } from '../interfaces/data/files-source.js';
import { tmpdir } from 'node:os';
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { POOL, startOwnBalance } from './own-balance.js';

const STEPS = Number(process.argv[2] ?? 16);
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
  readonly reads: number;
  readonly waitedBytes: number;
  readonly aheadBytes: number;
  /** The most in one step while somebody waited, and ahead. */
  readonly waitedPeak: number;
  readonly aheadPeak: number;
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
  const [read] = await sql<{ reads: number; waited: number; ahead: number; peak: number; aheadPeak: number }[]>`
    select coalesce(sum(reads) filter (where not ahead), 0)::int as reads,
      coalesce(sum(bytes) filter (where not ahead), 0)::float8 as waited, coalesce(sum(bytes) filter (where ahead), 0)::float8 as ahead,
      coalesce(max(bytes) filter (where not ahead), 0)::float8 as peak, coalesce(max(bytes) filter (where ahead), 0)::float8 as "aheadPeak"
    from (select c.as_of_ms, b.plan ? 'prefetch' as ahead, count(*) as reads, sum(b.actual_bytes) as bytes
      from batches b join cycles c on c.id = b.decision_id where c.as_of_ms > ${warm} group by 1, 2) s`;
  const [promises] = await sql<{ ahead: number; came: number }[]>`
    select count(*)::int as ahead, count(asked_ms)::int as came from prefetches where as_of_ms > ${warm} and ended`;
  return {
    ms: requests.map(({ ms }) => ms),
    cached: requests.filter(({ served }) => served === 'cache').length,
    ...{ reads: read.reads, waitedBytes: read.waited, aheadBytes: read.ahead },
    ...{ waitedPeak: read.peak, aheadPeak: read.aheadPeak, ...promises },
  };
}

/** Runs of the same trace together: times pooled, amounts of one run (their mean), the largest peak. */
function together(runs: readonly Figures[]): Figures {
  const mean = (of: (run: Figures) => number): number => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const most = (of: (run: Figures) => number): number => Math.max(...runs.map(of));
  return {
    ms: runs.flatMap(({ ms }) => ms).sort((a, b) => a - b),
    ...{ cached: mean((run) => run.cached), reads: mean((run) => run.reads) },
    ...{ waitedBytes: mean((run) => run.waitedBytes), aheadBytes: mean((run) => run.aheadBytes) },
    ...{ waitedPeak: most((run) => run.waitedPeak), aheadPeak: most((run) => run.aheadPeak) },
    ...{ ahead: mean((run) => run.ahead), came: mean((run) => run.came) },
  };
}

function line(name: string, figures: Figures): string {
  const { ms, cached, reads, waitedBytes, aheadBytes, waitedPeak, aheadPeak, ahead, came } = figures;
  const at = (share: number): string => `${Math.round(ms[Math.min(ms.length - 1, Math.floor(share * ms.length))])} ms`;
  const kB = (bytes: number): string => `${Math.round(bytes / 1e3)} kB`;
  return (
    `prediction ${name}: latency to data p50 ${at(0.5)}, p95 ${at(0.95)} (${ms.length} requests, ${cached} a run from the cache); ` +
    `${reads} reads of ${kB(waitedBytes)} while somebody waited, at most ${kB(waitedPeak)} in a step; ` +
    `${kB(aheadBytes)} ahead, at most ${kB(aheadPeak)} in a step; ${came} of ${ahead} read ahead were asked\n`
  );
}

if (!existsSync(flights)) {
  process.stdout.write(`skipped: no ${flights}\n`);
  process.exit(0);
}
const asks = await trace();
process.stdout.write(
  `${STEPS} steps of 6 h, ${asks.flat().length} requests by ${new Set(asks.flat()).size} airports; figures from step ${WARM_STEPS + 1} on\n`,
);
const runs: { readonly name: 'off' | 'on'; readonly figures: Figures }[] = [];
for (const name of ['off', 'on', 'on', 'off'] as const)
  runs.push({ name, figures: await replay(asks, name === 'off' ? '0B' : '100MB') });
for (const name of ['off', 'on'] as const)
  process.stdout.write(line(name, together(runs.filter((run) => run.name === name).map(({ figures: one }) => one))));
