/**
 * `balance mix` on a table of 1M rows with 12 classes of Zipf's frequencies, 20,000 owners and a time, drawn to a uniform mix.
 * Beside it in the same run: one reservoir sample of each class by the engine (`USING SAMPLE`), written to the same kind of file
 * (time, and the mix that it reaches where a class is too small); a random split of rows (what it leaks); the best rounding
 * of the wanted shares, by search (exactness); Cui's formula (weights).
 * Run: npx tsx bench/mix.ts [rows]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apportion, classGap, targetShares } from '../domain/analyzers/balance.js';
import { planMixture, REPEATS_MAX } from '../domain/quality/mixture.js';
import { quoteText, type Session } from '../interfaces/data/engine.js';
import { assignRows, classCountsOf, writeMixture, type SplitRule } from '../interfaces/data/mixture-draw.js';
import { tableColumns, withEngine } from '../interfaces/data/table-file.js';
import { uniforms } from './drift-samples.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const CLASSES = 12;
const RUNS = 3;
const SEED = 7;
const folder = mkdtempSync(join(tmpdir(), 'balance-mix-'));

async function cpu(job: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    await job();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1e6);
  }
  return best;
}

const mixOf = async (session: Session, path: string): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await session.rows(`SELECT label, count(*)::DOUBLE AS n FROM read_parquet(${quoteText(path)}) GROUP BY label`)
    ).map((row) => [String(row.label), Number(row.n)]),
  );

/** The draw as the tool makes it. */
async function draw(session: Session, wanted: number, path: string): Promise<void> {
  await assignRows(session, 'label', SEED, null);
  const counts = await classCountsOf(session, 'all');
  await writeMixture(
    session,
    'all',
    planMixture(counts, 'uniform', wanted),
    SEED,
    path,
    await tableColumns(session, 'source'),
  );
}

/** A stratified sample without repeats: of a class with too few rows all of them. */
async function reservoirs(session: Session, wanted: number, path: string): Promise<void> {
  const counts = await session.rows('SELECT DISTINCT label FROM source ORDER BY label');
  const each = Math.floor(wanted / CLASSES);
  const parts = counts.map(
    ({ label }) =>
      `(SELECT * FROM (SELECT * FROM source WHERE label = ${quoteText(String(label))}) USING SAMPLE reservoir(${each} ROWS) REPEATABLE (${SEED}))`,
  );
  await session.run(`COPY (${parts.join(' UNION ALL ')}) TO ${quoteText(path)} (FORMAT parquet)`);
}

async function timeDraws(session: Session): Promise<void> {
  const target = targetShares('uniform', Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [`c${i}`, 1])));
  console.log(`${rows} rows, ${CLASSES} classes, uniform target; best CPU-s of ${RUNS}, gap to the target`);
  for (const wanted of [12_000, 120_000, 600_000]) {
    const [own, peer] = [join(folder, 'own.parquet'), join(folder, 'peer.parquet')];
    const ownCpu = await cpu(() => draw(session, wanted, own));
    const peerCpu = await cpu(() => reservoirs(session, wanted, peer));
    const gaps = [await mixOf(session, own), await mixOf(session, peer)].map((mix) => classGap(target, mix).toFixed(4));
    console.log(
      `  ${String(wanted).padStart(7)} rows: balance ${ownCpu.toFixed(2)} (gap ${gaps[0]}), reservoirs ${peerCpu.toFixed(2)} (gap ${gaps[1]}), ratio ${(ownCpu / peerCpu).toFixed(2)}`,
    );
  }
}

/** Rows of validation whose owner, or whose time or an earlier one, is in train. */
async function leaks(session: Session, of: string): Promise<string> {
  const [row] = await session.rows(`
    WITH parts AS (${of}), train AS (SELECT * FROM parts WHERE part = 'train'), held AS (SELECT * FROM parts WHERE part = 'validation')
    SELECT (SELECT count(*) FROM held WHERE owner IN (SELECT owner FROM train))::DOUBLE AS owners,
      (SELECT count(*) FROM held WHERE moment <= (SELECT max(moment) FROM train))::DOUBLE AS early,
      (SELECT count(*) FROM train)::DOUBLE / (SELECT count(*) FROM parts) AS share`);
  return `owners on both sides ${String(row.owners)} rows, not after train ${String(row.early)} rows, train ${Number(row.share).toFixed(4)}`;
}

async function splits(session: Session): Promise<void> {
  console.log('split .8, rows of validation that leak:');
  const rules: readonly (readonly [string, SplitRule])[] = [
    ['--group-by owner', { share: 0.8, groupBy: 'owner' }],
    ['--time-by moment', { share: 0.8, timeBy: 'moment' }],
  ];
  for (const [name, rule] of rules) {
    await assignRows(session, 'label', SEED, rule);
    console.log(
      `  ${name.padEnd(18)}${await leaks(session, 'SELECT source.*, part FROM assigned JOIN source ON source.rowid = assigned.id')}`,
    );
  }
  const random = `SELECT *, CASE WHEN hash(id) % 10 < 8 THEN 'train' ELSE 'validation' END AS part FROM source`;
  console.log(`  ${'random rows'.padEnd(18)}${await leaks(session, random)}`);
}

/** The least L1 distance of whole rows from the exact shares, over every way to part them (up to three classes). */
function bestRounding(total: number, shares: readonly number[]): number {
  const far = (parts: readonly number[]): number =>
    parts.reduce((sum, part, i) => sum + Math.abs(part - total * shares[i]), 0);
  let best = Infinity;
  for (let a = 0; a <= total; a++) {
    if (shares.length === 2) best = Math.min(best, far([a, total - a]));
    else for (let b = 0; a + b <= total; b++) best = Math.min(best, far([a, b, total - a - b]));
  }
  return best;
}

function exactness(): void {
  const random = uniforms(SEED);
  let [worse, cases, unweighted, repeats] = [0, 0, 0, 0];
  for (let run = 0; run < 2_000; run++) {
    const names = ['a', 'b', 'c'].slice(0, 2 + Math.floor(random() * 2));
    const target = Object.fromEntries(names.map((name) => [name, random()]));
    const counts = Object.fromEntries(names.map((name) => [name, 1 + Math.floor(random() * 60)]));
    const total = 1 + Math.floor(random() * 60);
    const shares = targetShares(target, counts);
    const parts = apportion(total, shares);
    const far = names.reduce((sum, name) => sum + Math.abs(parts[name] - total * shares[name]), 0);
    const list = names.map((name) => shares[name]);
    if (far > bestRounding(total, list) + 1e-9) worse++;
    const { classes } = planMixture(counts, target, total);
    const mass = classes.reduce((sum, { drawn, weight }) => sum + drawn * weight, 0);
    const reached = classes.filter(({ drawn }) => drawn > 0);
    const wanted = reached.reduce((sum, entry) => sum + shares[entry.class], 0);
    for (const entry of reached)
      unweighted = Math.max(unweighted, Math.abs((entry.drawn * entry.weight) / mass - shares[entry.class] / wanted));
    repeats = Math.max(repeats, ...classes.map(({ copies, extra }) => copies + (extra > 0 ? 1 : 0)));
    cases++;
  }
  console.log(
    `${cases} targets of 2 or 3 classes: ${worse} further from their shares than the best rounding; weighted mix off by ${unweighted.toExponential(1)} at most; a row at most ${repeats} times (bound ${REPEATS_MAX})`,
  );
  let off = 0;
  for (const have of [1, 10, 100, 1_000, 10_000, 100_000]) {
    const { classes } = planMixture({ a: have, b: 100_000 }, { a: 1, b: 1 }, 2 * have, { weights: 'effective' });
    const [a, b] = classes;
    const effective = (n: number): number => (1 - 0.999 ** n) / (1 - 0.999);
    const ratio = effective(b.distinct) / effective(a.distinct);
    off = Math.max(off, Math.abs(a.weight / b.weight / ratio - 1));
  }
  console.log(`effective-number weights against (1 - .999) / (1 - .999^n): off by ${off.toExponential(1)} at most`);
}

try {
  await withEngine(async (session) => {
    const zipf = Array.from({ length: CLASSES }, (_, i) => 1 / (i + 1) ** 2);
    const sum = zipf.reduce((a, b) => a + b, 0);
    const cases = zipf.slice(0, -1).map((_, i) => {
      const upTo = zipf.slice(0, i + 1).reduce((a, b) => a + b, 0) / sum;
      return `WHEN u < ${upTo} THEN 'c${i}'`;
    });
    await session.run(`CREATE TEMP TABLE source AS
      SELECT i AS id, CASE ${cases.join(' ')} ELSE 'c${CLASSES - 1}' END AS label, 'owner' || (hash(i + 1) % 20000) AS owner,
        (hash(i + 2) % 100000)::INTEGER AS moment, u * 10 AS x
      FROM (SELECT range AS i, (hash(range) % 1000003) / 1000003.0 AS u FROM range(${rows}))`);
    await timeDraws(session);
    await splits(session);
  });
  exactness();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
