/**
 * Detection and false alarms by fault kind: seeded faults in deliveries drawn from real and made tables. Judged twice: by the
 * kernels of `balance profile`, `balance drift` and the gate with nothing declared but what an earlier sample shows, and by
 * the stages of the loop (`test/simulation/loop.ts`), which know 21 earlier sound deliveries, with nothing promised and
 * with the contract that `--suggest` writes for the first of them.
 * Bound in the same run: the row `none` is the share of sound deliveries that alarm.
 * LIST=1 lists what the loop found, by fault and kind of finding.
 * Run: npx tsx bench/fault-simulation.ts [deliveries of each kind, table and size] [table]
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readCsvFile } from '../interfaces/data/csv.js';
import {
  DETECTORS,
  drawPair,
  FAULT_KINDS,
  injectFault,
  judgeDelivery,
  newestTime,
  seededRandom,
  type FaultColumns,
  type FaultKind,
  type TextTable,
} from '../test/simulation/faults.js';
import { openLoop, type LoopVerdict } from '../test/simulation/loop.js';
import { REAL_TABLES } from '../test/simulation/tables.js';
import { HELD_OUT } from './clean-tables.js';

const deliveries = Number(process.argv[2] ?? 20);
const only = process.argv[3];
const SIZES = [200, 1000];
/** The first has no values before it: twenty have a figure of what looks misspelt. */
const PAST = 21;
const BEERS = join(
  process.env.BALANCE_BENCH_DATA ?? join(import.meta.dirname, '../../shared/data'),
  'errors/beers-clean.csv',
);

interface Case {
  readonly name: string;
  readonly columns: FaultColumns;
  readonly read: () => TextTable;
}

const CASES: readonly Case[] = [
  ...REAL_TABLES,
  ...(existsSync(BEERS)
    ? [
        {
          name: 'beers',
          columns: { label: 'style', text: 'city', number: 'abv', swapped: ['abv', 'ounces'] as const },
          read: () => readCsvFile(BEERS),
        },
      ]
    : []),
  {
    name: 'adults (made)',
    columns: {
      ...{ label: 'workclass', text: 'marital-status', number: 'hours-per-week' },
      swapped: ['age', 'education-num'],
    },
    read: () => HELD_OUT[2](seededRandom(1)),
  },
];

/** `tool`: one of the kernels alarms; `loop` and `contract`: not passed, without and with a contract; `kept`: of them those held back. */
const COLUMNS = [...DETECTORS, 'tool', 'loop', 'loopKept', 'contract', 'contractKept'] as const;
type Found = Record<(typeof COLUMNS)[number], number> & { deliveries: number };
const none = (): Found => ({
  ...{ profile: 0, drift: 0, gate: 0, tool: 0, loop: 0, loopKept: 0, contract: 0, contractKept: 0 },
  deliveries: 0,
});

const loop = await openLoop();
const why = new Map<string, number>();

function count(found: Found, kind: FaultKind, name: 'loop' | 'contract', verdict: LoopVerdict): void {
  if (verdict.verdict !== 'pass' || verdict.profiled.length > 0) found[name]++;
  if (verdict.verdict === 'quarantine') found[`${name}Kept`]++;
  const kinds = [...verdict.findings.map((one) => `${one.kind} ${one.column ?? ''}`), ...verdict.profiled];
  for (const one of kinds) why.set(`${kind} / ${name} / ${one}`, (why.get(`${kind} / ${name} / ${one}`) ?? 0) + 1);
}

async function runCase({ columns, read }: Case, size: number, seed: number, totals: Map<FaultKind, Found>) {
  const table = read();
  const past = Array.from({ length: PAST }, (_, at) => drawPair(table, size, seededRandom(1000 * seed + at))[0]);
  const learned = await loop.learn(past, columns);
  for (const kind of FAULT_KINDS) {
    if (kind === 'late data' && columns.time === undefined) continue;
    const random = seededRandom(seed);
    const [reference, sound] = drawPair(table, size, random);
    const delivery = injectFault(kind, sound, columns, random);
    const found = totals.get(kind)!;
    found.deliveries++;
    const verdicts = judgeDelivery(reference, sound, delivery, columns);
    for (const name of DETECTORS) if (verdicts[name]) found[name]++;
    if (DETECTORS.some((name) => verdicts[name])) found.tool++;
    const nowMs = newestTime(sound, columns);
    count(found, kind, 'loop', await loop.judge({ ...learned, promised: {} }, delivery, nowMs));
    count(found, kind, 'contract', await loop.judge(learned, delivery, nowMs));
  }
}

for (const size of SIZES) {
  const totals = new Map(FAULT_KINDS.map((kind) => [kind, none()]));
  for (const one of CASES) {
    if (only !== undefined && one.name !== only) continue;
    for (let seed = 1; seed <= deliveries; seed++) await runCase(one, size, seed, totals);
  }
  console.log(`${size} rows: share found`);
  console.log(`  ${'fault'.padEnd(16)}${['n', ...COLUMNS].map((name) => name.padStart(13)).join('')}`);
  for (const [kind, found] of totals) {
    const shares = COLUMNS.map((name) => (found[name] / found.deliveries).toFixed(2).padStart(13));
    console.log(`  ${kind.padEnd(16)}${String(found.deliveries).padStart(13)}${shares.join('')}`);
  }
}
loop.close();
if (process.env.LIST !== undefined)
  for (const [name, times] of [...why].sort((a, b) => (a[0] < b[0] ? -1 : 1))) console.log(times, name);
