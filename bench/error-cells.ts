/**
 * Cell-level F1 of the suspected cells against dirty != clean, by position, and the precision of proposed repairs.
 * Contracts say what an owner would: types, units, key columns as text. Labelled rows are drawn at random (5 seeds,
 * the worst is shown). Bound in the same run: the detectors without any contract or label.
 * Run: npx tsx bench/error-cells.ts
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseContract, type QualityContract } from '../domain/quality/contract.js';
import { profileTable } from '../domain/quality/profile.js';
import { readCsvFile } from '../interfaces/data/csv.js';

const folder = join(process.env.BALANCE_BENCH_DATA ?? join(import.meta.dirname, '../../shared/data'), 'errors');
const LABELLED_ROWS = 20;
const SEEDS = 5;

const CONTRACTS: Readonly<Record<string, unknown>> = {
  hospital: {
    columns: {
      provider_number: { type: 'integer' },
      zip: { type: 'integer' },
      phone: { type: 'integer' },
      state: { type: 'string' },
      emergency_service: { values: ['yes', 'no'] },
    },
  },
  beers: {
    columns: {
      id: { type: 'integer' },
      ounces: { type: 'number', unit: 'oz' },
      abv: { type: 'number' },
      ibu: { type: 'integer' },
      brewery_id: { type: 'integer' },
      city: { type: 'string' },
      state: { type: 'string' },
    },
  },
};

/** Goals: zero labels, 20 labels, repairs; and what is known elsewhere (Raha with 20 labels, ETSB-RNN). */
const GOALS: Readonly<Record<string, string>> = {
  hospital: 'goals .90 / .97 / .95; elsewhere .60 undeclared, Raha .74, ETSB-RNN .97',
  beers: 'goals .85 / .99 / .95; elsewhere .38 undeclared, Raha .999, ETSB-RNN .98',
};

interface Measured {
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
  readonly repairs: number;
}

function measure(name: string, contract: QualityContract | undefined, labelled: number, seed: number): Measured {
  const dirty = readCsvFile(join(folder, `${name}-dirty.csv`));
  const clean = readCsvFile(join(folder, `${name}-clean.csv`));
  // MINSTD (Park and Miller 1988): enough to draw rows.
  let state = seed;
  const draw = (): number => (state = (state * 48271) % 2147483647);
  const corrected = Array.from({ length: labelled }, () => draw() % dirty.rows.length).map((row) => ({
    row,
    values: clean.rows[row],
  }));
  const { cells } = profileTable({ ...dirty, contract, corrected });
  const errors = dirty.rows.reduce(
    (sum, row, at) => sum + row.filter((text, column) => text !== clean.rows[at][column]).length,
    0,
  );
  let hits = 0;
  let proposed = 0;
  let repaired = 0;
  for (const { row, column, suggested } of cells) {
    const index = dirty.columns.indexOf(column);
    if (dirty.rows[row][index] !== clean.rows[row][index]) hits++;
    if (suggested === undefined) continue;
    proposed++;
    if (suggested === clean.rows[row][index]) repaired++;
  }
  return {
    f1: (2 * hits) / (cells.length + errors),
    precision: hits / Math.max(1, cells.length),
    recall: hits / errors,
    repairs: repaired / Math.max(1, proposed),
  };
}

function print(label: string, { f1, precision, recall, repairs }: Measured): void {
  const numbers = [f1, precision, recall, repairs].map((value) => value.toFixed(4).padStart(10)).join('');
  console.log(`  ${label.padEnd(34)}${numbers}`);
}

for (const name of Object.keys(CONTRACTS)) {
  if (!existsSync(join(folder, `${name}-dirty.csv`))) {
    console.log(`skipped: ${name}, no data in ${folder}`);
    continue;
  }
  const contract = parseContract(CONTRACTS[name]);
  console.log(`${name}: ${GOALS[name]}`);
  console.log(`  ${''.padEnd(34)}        F1 precision    recall   repairs`);
  print('nothing declared, no labels', measure(name, undefined, 0, 1));
  print('declared, no labels', measure(name, contract, 0, 1));
  const runs = (declared: QualityContract | undefined): Measured =>
    Array.from({ length: SEEDS }, (_, seed) => measure(name, declared, LABELLED_ROWS, seed + 1)).reduce((a, b) =>
      b.f1 < a.f1 ? b : a,
    );
  print(`nothing declared, ${LABELLED_ROWS} labelled rows`, runs(undefined));
  print(`declared, ${LABELLED_ROWS} labelled rows`, runs(contract));
}
