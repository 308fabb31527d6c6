/**
 * Latency of gating one 10,000-row, 10-column delivery as the loop does it: read from a Parquet file, cut, written to the
 * cache, measured (completeness, contract, repeats, classes), judged; the last two are the gate. Floor in the same run: the same file copied by one
 * statement of the engine without any measurement. Goal: 30 ms at the median.
 * Run: npx tsx bench/gate-latency.ts [deliveries]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SliceAsk, SliceResult } from '../activities/ports.js';
import { gate } from '../domain/quality/gate.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine, quoteText, type Engine, type Session } from '../interfaces/data/engine.js';

const ROWS = 10_000;
const deliveries = Number(process.argv[2] ?? 100);
const WARM_UP = 10;
const signal = new AbortController().signal;
const fields = ['id', 'label', 'country', ...Array.from({ length: 7 }, (_, index) => `x${index}`)];

function judge(slice: SliceResult): string {
  const invalid = Object.entries(slice.invalid).map(([name, share]): [string, number] => [
    name,
    Math.round(share * slice.rows),
  ]);
  return gate(
    {
      rows: slice.rows,
      completeness: slice.completeness,
      invalid: Object.fromEntries(invalid),
      duplicateRows: slice.duplicateRows,
      ageMs: null,
      classCounts: slice.classCounts ?? {},
    },
    { rowsRequired: ROWS, columns: { id: { required: true } }, classTarget: { a: 1, b: 1 } },
  ).verdict;
}

/** Time of the statements that measure a slice: those that count its rows, in all and by class. */
let measuringMs = 0;
async function timed<T>(sql: string, statement: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await statement();
  if (/count\(\*\) AS n\b/.test(sql)) measuringMs += performance.now() - begun;
  return result;
}

/** The engine with a clock beside the measuring statements. */
function clocked(engine: Engine): Engine {
  const clockedSession = (session: Session): Session => ({
    connection: session.connection,
    signal: session.signal,
    run: (sql, values) => timed(sql, () => session.run(sql, values)),
    rows: (sql, values) => timed(sql, () => session.rows(sql, values)),
    columns: (sql, values) => timed(sql, () => session.columns(sql, values)),
    pieces: (sql) => timed(sql, () => session.pieces(sql)),
    stream: session.stream,
  });
  return {
    session: (signal, job) => engine.session(signal, (session) => job(clockedSession(session))),
    close: () => engine.close(),
  };
}

function print(name: string, times: readonly number[]): void {
  const sorted = [...times].slice(WARM_UP).sort((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor(share * (sorted.length - 1))].toFixed(2).padStart(9);
  console.log(`  ${name.padEnd(34)}${at(0.5)}${at(0.95)}`);
}

const folder = mkdtempSync(join(tmpdir(), 'balance-gate-'));
const engine = await openEngine({ tempDir: join(folder, 'spill') });
try {
  const path = join(folder, 'set.parquet');
  const numbers = fields.slice(3).map((name, index) => `(hash(i + ${index}) % 100000) / 100 AS ${name}`);
  await engine.session(signal, (session) =>
    session.run(`COPY (SELECT i AS id, CASE WHEN hash(i) % 2 = 0 THEN 'a' ELSE 'b' END AS label,
      'country ' || (hash(i + 9) % 60) AS country, ${numbers.join(', ')} FROM range(${ROWS}) t(i))
      TO ${quoteText(path)} (FORMAT parquet)`),
  );
  const plane = createDataPlane({
    engine: clocked(engine),
    cacheDir: join(folder, 'cache'),
    env: {},
    baseDir: folder,
    projectRoot: join(import.meta.dirname, '..'),
  });
  const dataset = {
    tenant: 'default',
    pool: 'bench',
    id: 'set',
    sourceId: 'files',
    source: { kind: 'files' as const, root: folder, limits: { scansAtOnce: 1 } },
    definition: { source: 'files', path: 'set.parquet', columns: {}, maxDuplicateFraction: 0.05 },
  };
  const [whole, gates, floors]: [number[], number[], number[]] = [[], [], []];
  for (let at = 0; at < deliveries + WARM_UP; at++) {
    // A seed of its own, so that no delivery is found in the cache.
    const slice: SliceAsk = { id: 's', fields, where: [], rows: ROWS, seed: at, classColumn: 'label', quotas: null };
    measuringMs = 0;
    const begun = performance.now();
    const read = await plane.read(
      { id: 'read', dataset, asOfMs: Date.parse('2100-01-01'), contentId: null, slices: [slice] },
      signal,
    );
    const measured = performance.now();
    if (judge(read.slices[0]) !== 'pass') throw new Error('the delivery is sound');
    const judged = performance.now();
    await engine.session(signal, (session) =>
      session.run(`COPY (SELECT * FROM read_parquet(${quoteText(path)}) ORDER BY hash(id + ${at}))
        TO ${quoteText(join(folder, 'copy.parquet'))} (FORMAT parquet)`),
    );
    whole.push(judged - begun);
    gates.push(measuringMs + judged - measured);
    floors.push(performance.now() - judged);
  }
  console.log(`${ROWS} rows x ${fields.length} columns, ${deliveries} deliveries, ms:         median      p95`);
  print('read, measured, cached, judged', whole);
  print('of it the gate: measure and judge', gates);
  print('floor: one shuffled copy', floors);
} finally {
  engine.close();
  rmSync(folder, { recursive: true, force: true });
}
