/**
 * Profile of 5M rows x 10 columns in Parquet, CPU beside the floor: one DuckDB query for the same facts (counts,
 * ranges, means, medians, lengths, approx_count_distinct), in the same run. Each side runs in a process of its own.
 * Run: npx tsx bench/profile-scale.ts [rows]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quoteText, type Session } from '../interfaces/data/engine.js';
import { withEngine } from '../interfaces/data/table-file.js';
import { measureColumns } from '../interfaces/data/table-profile.js';

const NUMBERS = ['id', 'amount', 'price', 'quantity', 'score', 'rate'];
const TEXTS = ['country', 'product', 'customer'];

async function generate(session: Session, path: string, rows: number): Promise<void> {
  await session.run(`COPY (SELECT i AS id, (hash(i) % 1000000) / 100 AS amount, sqrt(i) AS price,
      (hash(i + 1) % 50)::INTEGER AS quantity, CASE WHEN i % 20 = 0 THEN NULL ELSE (hash(i + 2) % 101)::DOUBLE END AS score,
      (hash(i + 3) % 1000) / 1000 AS rate, 'country ' || (hash(i + 4) % 60) AS country,
      'product ' || (hash(i + 5) % 20000) AS product, 'customer ' || (hash(i + 6) % 400000) AS customer,
      TIMESTAMP '2026-01-01' + to_seconds(i) AS created
    FROM range(${rows}) t(i)) TO ${quoteText(path)} (FORMAT parquet)`);
}

async function floor(session: Session, source: string): Promise<void> {
  const parts = [
    ...NUMBERS.map(
      (c) => `count(${c}), min(${c}), max(${c}), avg(${c}), approx_quantile(${c}, 0.5), approx_count_distinct(${c})`,
    ),
    ...TEXTS.map(
      (c) => `count(*) FILTER (trim(${c}) <> ''), min(length(${c})), max(length(${c})), approx_count_distinct(${c})`,
    ),
    'count(created), approx_count_distinct(created)',
  ];
  await session.rows(`SELECT count(*), ${parts.join(', ')} FROM ${source}`);
}

async function runSide(side: string, path: string): Promise<void> {
  const source = `read_parquet(${quoteText(path)})`;
  const before = process.cpuUsage();
  await withEngine(async (session) => {
    if (side === 'floor') await floor(session, source);
    else await measureColumns(session, source);
  });
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(
    JSON.stringify({ cpuMs: (user + system) / 1000, peakMb: process.resourceUsage().maxRSS / 1024 }),
  );
}

function measure(side: string, path: string): { cpuMs: number; peakMb: number } {
  const script = process.argv[1];
  const output = execFileSync(process.execPath, [...process.execArgv, script, '--side', side, path], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as { cpuMs: number; peakMb: number };
}

async function main(): Promise<void> {
  const rows = Number(process.argv[2] ?? 5_000_000);
  const folder = mkdtempSync(join(tmpdir(), 'balance-profile-scale-'));
  try {
    const path = join(folder, 'table.parquet');
    await withEngine((session) => generate(session, path, rows));
    const best = (side: string): { cpuMs: number; peakMb: number } =>
      [1, 2, 3].map(() => measure(side, path)).reduce((a, b) => (b.cpuMs < a.cpuMs ? b : a));
    const [peer, own] = [best('floor'), best('profile')];
    console.log(`${rows} rows x 10 columns, Parquet, best CPU of 3`);
    console.log(`floor    ${(peer.cpuMs / 1000).toFixed(2)} CPU-s  ${peer.peakMb.toFixed(0)} MB`);
    console.log(`profile  ${(own.cpuMs / 1000).toFixed(2)} CPU-s  ${own.peakMb.toFixed(0)} MB (goal under 512)`);
    console.log(`ratio    ${(own.cpuMs / peer.cpuMs).toFixed(2)} (goal 1.2 or less)`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[2] === '--side') await runSide(process.argv[3], process.argv[4]);
else await main();
