/**
 * Cell errors by kind in tables of many kinds: seeded errors in clean tables (`described`: the errors that are described of
 * published tables), found with nothing declared, with the
 * owner's types and formats, with 20 corrected rows, and with both. The corrected rows are not counted. `false` is the share of sound cells reported in
 * the clean table.
 * LIST=undeclared (or another setting) lists where cells were reported in excess, where errors were missed and where repairs were wrong.
 * `further`: other tables, with the eleven kinds; `systematic`: all tables, with habits of their sources.
 * Run: npx tsx bench/error-kinds.ts [development | held-out | described | further | systematic] [seeds, default 2] [table]
 */
import { parseContract, type QualityContract } from '../domain/quality/contract.js';
import { profileTable, type Profile } from '../domain/quality/profile.js';
import { DEVELOPMENT, HELD_OUT } from './clean-tables.js';
import { DESCRIBED, type SpoiledTable } from './described-errors.js';
import { uniforms } from './drift-samples.js';
import { MADE_TABLES } from './more-tables.js';
import { MORE_MADE_TABLES } from './more-made-tables.js';
import { injectHabits } from './systematic-errors.js';
import { ERROR_KINDS, injectErrors, ownersContract, type CleanTable, type DirtyTable } from './error-injection.js';

const seeds = Number(process.argv[3] ?? 2);
const only = process.argv[4];
/** Cells that go wrong: the share in the published error benchmarks is 3 to 30 %. */
const ERROR_SHARE = 0.04;
const LABELLED_ROWS = 20;
const SETTINGS = ['undeclared', 'declared', 'labelled', 'both'] as const;
type Setting = (typeof SETTINGS)[number];

type Maker = (random: () => number) => CleanTable;
const spoiled = (make: Maker) => (random: () => number) => {
  const clean = make(random);
  return { clean, dirty: injectErrors(clean, ERROR_SHARE, random) };
};
const habitual = (make: Maker) => (random: () => number) => {
  const clean = make(random);
  return { clean, dirty: injectHabits(clean, random) };
};
const FURTHER = [...MADE_TABLES, ...MORE_MADE_TABLES];
const CASES: Readonly<Record<string, readonly ((random: () => number) => SpoiledTable)[]>> = {
  development: DEVELOPMENT.map(spoiled),
  'held-out': HELD_OUT.map(spoiled),
  described: DESCRIBED,
  further: FURTHER.map(spoiled),
  systematic: [...FURTHER, ...DEVELOPMENT, ...HELD_OUT].map(habitual),
};
const cases = CASES[process.argv[2] ?? 'development'];

interface Counts {
  hits: number;
  reported: number;
  errors: number;
  proposed: number;
  repaired: number;
}
const none = (): Counts => ({ hits: 0, reported: 0, errors: 0, proposed: 0, repaired: 0 });

const totals = new Map<Setting, Counts>();
const byKind = new Map<string, { found: number; errors: number }>();
const missed = new Map<string, number>();
const surplus = new Map<string, number>();
const misrepaired = new Map<string, number>();

function count(
  clean: CleanTable,
  dirty: DirtyTable,
  profile: Profile,
  setting: Setting,
  labelled: Set<number>,
): Counts {
  const result = none();
  const width = clean.columns.length;
  const found = new Set<number>();
  for (const { row, column, suggested, kind } of profile.cells) {
    if (labelled.has(row)) continue;
    const index = clean.columns.indexOf(column);
    const key = row * width + index;
    found.add(key);
    result.reported++;
    if (dirty.errors.has(key)) result.hits++;
    else {
      const name = `${clean.name}/${column}/${kind}`;
      if (setting === process.env.LIST) surplus.set(name, (surplus.get(name) ?? 0) + 1);
    }
    if (suggested === undefined) continue;
    result.proposed++;
    if (suggested === clean.rows[row][index]) result.repaired++;
    else if (setting === process.env.LIST) {
      const name = `${clean.name}/${column}/${kind}`;
      misrepaired.set(name, (misrepaired.get(name) ?? 0) + 1);
    }
  }
  for (const [key, kind] of dirty.errors) {
    if (labelled.has(Math.floor(key / width))) continue;
    result.errors++;
    const name = `${setting}/${kind}`;
    const entry = byKind.get(name) ?? { found: 0, errors: 0 };
    entry.errors++;
    if (found.has(key)) entry.found++;
    else if (setting === process.env.LIST) {
      const where = `${clean.name}/${clean.columns[key % width]}/${kind}`;
      missed.set(where, (missed.get(where) ?? 0) + 1);
    }
    byKind.set(name, entry);
  }
  return result;
}

function add(to: Counts, from: Counts): void {
  for (const key of Object.keys(to) as (keyof Counts)[]) to[key] += from[key];
}

function describe({ hits, reported, errors, proposed, repaired }: Counts): string {
  const share = (a: number, b: number): string => (b === 0 ? '-' : (a / b).toFixed(3)).padStart(7);
  return [
    share(2 * hits, reported + errors),
    share(hits, reported),
    share(hits, errors),
    share(repaired, proposed),
  ].join('');
}

console.log(
  `${''.padEnd(24)}  false         ${SETTINGS.map((name) => `${name}: F1, precision, recall, repairs`.padEnd(30)).join('')}`,
);
for (const make of cases) {
  const sums = new Map(SETTINGS.map((setting) => [setting, none()]));
  let { clean } = make(uniforms(1));
  if (only !== undefined && !clean.name.startsWith(only)) continue;
  for (let seed = 1; seed <= seeds; seed++) {
    const random = uniforms(seed);
    const made = make(random);
    ({ clean } = made);
    const { dirty } = made;
    const declared: QualityContract = parseContract(ownersContract(clean));
    const rows = new Set<number>();
    while (rows.size < LABELLED_ROWS) rows.add(Math.floor(random() * clean.rows.length));
    const corrected = [...rows].map((row) => ({ row, values: clean.rows[row] }));
    for (const setting of SETTINGS) {
      const contract = setting === 'declared' || setting === 'both' ? declared : undefined;
      const knows = setting === 'labelled' || setting === 'both';
      const profile = profileTable({
        columns: clean.columns,
        rows: dirty.rows,
        contract,
        corrected: knows ? corrected : [],
      });
      add(sums.get(setting)!, count(clean, dirty, profile, setting, knows ? rows : new Set()));
    }
  }
  const falseShare = [undefined, parseContract(ownersContract(clean))].map((contract) => {
    const { cells } = profileTable({ columns: clean.columns, rows: clean.rows, contract });
    return (cells.length / (clean.rows.length * clean.columns.length)).toFixed(4).padStart(7);
  });
  console.log(
    `${clean.name.padEnd(24)}${falseShare.join('')}  ${SETTINGS.map((name) => describe(sums.get(name)!)).join('  ')}`,
  );
  for (const setting of SETTINGS) {
    const total = totals.get(setting) ?? none();
    add(total, sums.get(setting)!);
    totals.set(setting, total);
  }
}
console.log(`${'all'.padEnd(24)}${''.padStart(14)}  ${SETTINGS.map((name) => describe(totals.get(name)!)).join('  ')}`);
console.log(`\nrecall by kind  ${SETTINGS.map((name) => name.padStart(11)).join('')}`);
for (const kind of ERROR_KINDS) {
  const shares = SETTINGS.map((setting) => {
    const entry = byKind.get(`${setting}/${kind}`);
    return (entry === undefined ? '-' : (entry.found / entry.errors).toFixed(3)).padStart(11);
  });
  console.log(`${kind.padEnd(16)}${shares.join('')}`);
}
for (const [title, listed] of [
  ['in excess', surplus],
  ['missed', missed],
  ['repaired wrongly', misrepaired],
] as const) {
  if (listed.size > 0) console.log(title);
  for (const [name, cells] of [...listed].sort((a, b) => b[1] - a[1]).slice(0, 30)) console.log(cells, name);
}
