/** `balance profile`: quality scores, column summaries and suspected cells of one table. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { suggestContract } from '../../domain/quality/suggest-contract.js';
import {
  classGap,
  classGapNoise,
  imbalanceRatio,
  pielouEvenness,
  shortfallOf,
  targetShares,
} from '../../domain/analyzers/balance.js';
import type { ColumnSummary } from '../../domain/quality/column-summary.js';
import { profileTable, type Profile } from '../../domain/quality/profile.js';
import { detectDrift, type DatasetDrift } from '../../domain/quality/shift.js';
import { usageError } from '../../domain/types/errors.js';
import { readContractFile } from '../../interfaces/data/contract-file.js';
import { unwritable, writeCsvFile, type CsvTable } from '../../interfaces/data/csv.js';
import { pairFilesByColumn } from '../../interfaces/data/paired-counts.js';
import { withEngine } from '../../interfaces/data/table-file.js';
import type { ColumnFacts } from '../../interfaces/data/table-profile.js';
import { action, printJson, type RegisterCommand } from '../command.js';
import { countClasses, findOrphans, readLabels, readTables, readTarget, openTable } from './profile-inputs.js';

const FINDING_COLUMNS = ['row', 'column', 'kind', 'score', 'hasSuggestion', 'suggested'] as const;

const HELP = `
Input:  a table; cells of CSV are judged by their exact text.
        --contract: YAML, ODCS 3.1 (schema[].properties[]) or the short form, everything optional:
          columns:
            ounces: {type: number, unit: oz}
            opened: {type: date, format: M/D/YY, required: true}
            state:  {type: string, pattern: "[A-Z]{2}"}
          dependencies: ["zip -> city, state"]
          unique: [[id]]
          rules: ["arrives >= departs", "status = 'closed' -> closed_at IS NOT NULL"]
          references: ["customer_id -> customers.id"]        # checked with --with customers=FILE
        --labels: CSV with a column row (0-based) and the file's columns: at most 20 rows as they should read.
Output: --json: {file, rows, judgedRows, scores: {completeness, validity, uniqueness, consistency, accuracy, timeliness, overall},
        weights, columns, absentColumns, unchecked, dependencies, rules, references, repeatedRows, suspectedCells, findings, balance?, drift?}
        --findings: row,column,kind,score,hasSuggestion,suggested; row 0-based, one line per suspected cell.

Of a table above 4M cells (CSV: 64 MB) the first 20,000 rows are judged (judgedRows) and scored; counts, ranges,
means and distinct values in "columns" are of all rows.

Example: balance profile beers.csv --contract beers.yaml --findings cells.csv --json`;

interface Options {
  readonly reference?: string;
  readonly labelColumn?: string;
  readonly target?: string;
  readonly contract?: string;
  readonly with?: readonly string[];
  readonly findings?: string;
  readonly labels?: string;
  readonly suggest?: string;
  readonly json?: boolean;
}

function writeFindings(path: string, profile: Profile): void {
  writeCsvFile(
    path,
    FINDING_COLUMNS,
    profile.cells.map(({ row, column, kind, score, suggested }) => [
      row,
      column,
      kind,
      Math.round(score * 1e4) / 1e4,
      suggested === undefined ? 'false' : 'true',
      suggested ?? '',
    ]),
  );
}

function writeSuggestion(path: string, yaml: string): void {
  try {
    writeFileSync(path, yaml);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Findings by column and kind, with one example each: what a person reads before the cells themselves. */
function groupFindings(profile: Profile): object[] {
  const groups = new Map<
    string,
    { kind: string; column: string; cells: number; repairable: number; example: object }
  >();
  for (const { row, column, kind, score, evidence, suggested } of profile.cells) {
    const key = JSON.stringify([column, kind]);
    const group = groups.get(key) ?? {
      kind,
      column,
      cells: 0,
      repairable: 0,
      example: { row, score, evidence, suggested },
    };
    group.cells++;
    if (suggested !== undefined) group.repairable++;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.cells - a.cells || (a.column + a.kind < b.column + b.kind ? -1 : 1));
}

/** The class mix of the label column against its target. */
async function measureBalance(table: CsvTable, options: Options): Promise<object | undefined> {
  const { labelColumn, target } = options;
  if (labelColumn === undefined) return undefined;
  const index = table.columns.indexOf(labelColumn);
  if (index < 0) {
    throw usageError({
      type: 'MissingColumn',
      message: `there is no label column ${JSON.stringify(labelColumn)}`,
      expected: table.columns.join(', '),
      got: labelColumn,
    });
  }
  const counts = countClasses(table.rows.map((row) => row[index]));
  const shares = targetShares(await readTarget(target ?? 'uniform', labelColumn), counts);
  const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const wanted = Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, Math.round(share * rows)]));
  return {
    labelColumn,
    target: shares,
    classCounts: counts,
    imbalanceRatio: imbalanceRatio(counts),
    evenness: pielouEvenness(counts),
    gap: classGap(shares, counts),
    gapByChance: classGapNoise(shares, rows),
    shortfall: shortfallOf(wanted, counts),
  };
}

async function measureDrift(file: string, reference: string | undefined): Promise<DatasetDrift | undefined> {
  if (reference === undefined) return undefined;
  return withEngine(
    async (session) => detectDrift({ current: await pairFilesByColumn(session, reference, file) }).current,
  );
}

/** Summaries of a large table's first rows, with what is known of all rows in their place. */
function withFacts(
  columns: readonly ColumnSummary[],
  facts: readonly ColumnFacts[] | undefined,
): readonly ColumnSummary[] {
  if (facts === undefined) return columns;
  return columns.map((column, index) => {
    const { rows, blank, distinct, min, max, mean, median, minLength, maxLength } = facts[index];
    const implicitMissing = Math.round((column.implicitMissing / Math.max(1, column.rows)) * rows);
    return {
      ...column,
      rows,
      blank,
      implicitMissing,
      completeness: rows === 0 ? 1 : Math.max(0, rows - blank - implicitMissing) / rows,
      distinct,
      min: min ?? column.min,
      max: max ?? column.max,
      mean: mean ?? column.mean,
      median: median ?? column.median,
      minLength: minLength ?? column.minLength,
      maxLength: maxLength ?? column.maxLength,
    };
  });
}

async function runProfile(file: string, options: Options): Promise<undefined> {
  const table = await openTable(file);
  const contract = options.contract === undefined ? undefined : readContractFile(options.contract);
  const corrected = options.labels === undefined ? [] : readLabels(options.labels, table.columns, table.rows.length);
  const references = await findOrphans(table, contract, readTables(options.with ?? []));
  const profile = profileTable({ ...table, contract, corrected, references });
  const balance = await measureBalance(table, options);
  const drift = await measureDrift(file, options.reference);
  if (options.suggest !== undefined)
    writeSuggestion(options.suggest, stringify(suggestContract(table.columns, table.rows, profile.dependencies)));
  if (options.findings !== undefined) writeFindings(options.findings, profile);
  const { cells, ...summary } = profile;
  const columns = withFacts(profile.columns, table.facts);
  const rows = table.facts?.[0]?.rows ?? profile.rows;
  const judged = { rows, judgedRows: profile.rows };
  const result = {
    file,
    ...summary,
    ...judged,
    columns,
    suspectedCells: cells.length,
    findings: groupFindings(profile),
    balance,
    drift,
  };
  if (options.json === true) printJson(result);
  else if (options.findings !== '-') printForPeople(file, profile);
  return undefined;
}

function printForPeople(file: string, profile: Profile): void {
  const { scores } = profile;
  const text = (Object.keys(scores) as (keyof typeof scores)[]).map(
    (name) => `${name} ${scores[name]?.toFixed(3) ?? '-'}`,
  );
  const absent = profile.absentColumns.length === 0 ? [] : [`not in the file: ${profile.absentColumns.join(', ')}`];
  const unchecked = profile.unchecked.map((said) => `in the contract, not checked: ${said}`);
  const head = `${file}: ${profile.rows} rows, ${profile.cells.length} suspected cells`;
  const lines = [head, text.join('  '), ...absent, ...unchecked, ...brokenLines(profile)];
  process.stdout.write(lines.join('\n') + '\n');
}

/** Rules and references that rows break, and references that could not be judged. */
function brokenLines({ rules, references }: Profile): string[] {
  return [
    ...rules
      .filter(({ breaches }) => breaches > 0)
      .map(
        ({ rule, rows, breaches, examples }) =>
          `${breaches} of ${rows} rows break ${rule}, for example row ${examples.join(', ')}`,
      ),
    ...references.flatMap(({ reference, rows, orphans, examples }) => {
      if (orphans === null) return [`not judged, since the other table was not given (--with): ${reference}`];
      const values = examples.map(({ value }) => value).join('; ');
      return orphans === 0 ? [] : [`${orphans} of ${rows} rows refer to nothing (${reference}), for example ${values}`];
    }),
  ];
}

export const registerProfile: RegisterCommand = (program: Command) => {
  program
    .command('profile')
    .description('score the quality of a table and name the cells that are probably wrong')
    .argument('<file>', 'CSV, TSV, Parquet, JSON or NDJSON file; - is standard input (CSV)')
    .option('--contract <file>', 'what the data owner declares (YAML)')
    .option('--reference <file>', 'data that models know: adds the drift of each column')
    .option('--label-column <name>', 'adds the class mix of this column')
    .option('--target <mix>', 'uniform (default), or a file: weights by class, or a table with the label column')
    .option(
      '--with <name=file>',
      'a table that references of the contract name, for example customers=customers.csv; may be repeated',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option('--findings <file>', 'write one line per suspected cell (CSV); - is standard output')
    .option('--labels <file>', 'corrected rows (CSV: row and the columns of the file) that sharpen the detection')
    .option('--suggest <file>', 'write a first contract (YAML) of what the rows are evidence for')
    .option('--json', 'print the whole profile as JSON')
    .addHelpText('after', HELP)
    .action(action(runProfile));
};
