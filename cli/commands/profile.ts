/** `balance profile`: quality scores, column summaries and suspected cells of one table. */
import type { Command } from 'commander';
import type { CorrectedRow } from '../../domain/quality/cell-labels.js';
import { nameFinder } from '../../domain/quality/contract.js';
import { profileTable, type Profile } from '../../domain/quality/profile.js';
import { usageError } from '../../domain/types/errors.js';
import { readContractFile } from '../../interfaces/data/contract-file.js';
import { readCsvFile, writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson, type RegisterCommand } from '../command.js';

const FINDING_COLUMNS = ['row', 'column', 'kind', 'score', 'hasSuggestion', 'suggested'] as const;

const HELP = `
Input:  CSV with a header line; cells are judged by their exact text.
        --contract: YAML, ODCS 3.1 (schema[].properties[]) or the short form, everything optional:
          columns:
            ounces: {type: number, unit: oz}
            opened: {type: date, format: M/D/YY, required: true}
            state:  {type: string, pattern: "[A-Z]{2}"}
          dependencies: ["zip -> city, state"]
          unique: [[id]]
Output: --findings: row,column,kind,score,hasSuggestion,suggested; row 0-based, one line per suspected cell.

Example: balance profile beers.csv --contract beers.yaml --findings cells.csv --json`;

interface Options {
  readonly contract?: string;
  readonly findings?: string;
  readonly labels?: string;
  readonly json?: boolean;
}

/** Reads corrected rows: a column `row` (0-based) and columns of the file, named as there. */
function readLabels(path: string, columns: readonly string[], rows: number): CorrectedRow[] {
  const labels = readCsvFile(path);
  const rowIndex = labels.columns.indexOf('row');
  const find = nameFinder(labels.columns.filter((name) => name !== 'row'));
  const sources = columns.map((name) =>
    labels.columns.indexOf(find(name) ?? '', columns.includes('row') ? rowIndex + 1 : 0),
  );
  return labels.rows.map((cells, index) => {
    const row = rowIndex < 0 ? NaN : Number(cells[rowIndex]);
    if (cells[rowIndex] === '' || !Number.isInteger(row) || row < 0 || row >= rows) {
      throw usageError({
        type: 'InvalidLabels',
        message: `${path}: line ${index + 1} after the header names no row of the file`,
        expected: `a column "row" with whole numbers from 0 to ${rows - 1}`,
        got: rowIndex < 0 ? 'no column "row"' : JSON.stringify(cells[rowIndex]),
      });
    }
    return { row, values: sources.map((source) => (source < 0 ? undefined : cells[source])) };
  });
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

function runProfile(file: string, options: Options): undefined {
  const { columns, rows } = readCsvFile(file);
  const contract = options.contract === undefined ? undefined : readContractFile(options.contract);
  const corrected = options.labels === undefined ? [] : readLabels(options.labels, columns, rows.length);
  const profile = profileTable({ columns, rows, contract, corrected });
  if (options.findings !== undefined) writeFindings(options.findings, profile);
  const findings = groupFindings(profile);
  if (options.json === true) {
    printJson({
      file,
      rows: profile.rows,
      scores: profile.scores,
      weights: profile.weights,
      columns: profile.columns,
      absentColumns: profile.absentColumns,
      dependencies: profile.dependencies,
      repeatedRows: profile.repeatedRows,
      suspectedCells: profile.cells.length,
      findings,
    });
  } else {
    printForPeople(file, profile);
  }
  return undefined;
}

function printForPeople(file: string, profile: Profile): void {
  const { scores } = profile;
  const text = (Object.keys(scores) as (keyof typeof scores)[]).map(
    (name) => `${name} ${scores[name]?.toFixed(3) ?? '-'}`,
  );
  const lines = [`${file}: ${profile.rows} rows, ${profile.cells.length} suspected cells`, text.join('  ')];
  process.stdout.write(lines.join('\n') + '\n');
}

export const registerProfile: RegisterCommand = (program: Command) => {
  program
    .command('profile')
    .description('score the quality of a table and name the cells that are probably wrong')
    .argument('<file>', 'CSV file; - is standard input')
    .option('--contract <file>', 'what the data owner declares (YAML)')
    .option('--findings <file>', 'write one line per suspected cell (CSV); - is standard output')
    .option('--labels <file>', 'corrected rows (CSV: row and the columns of the file) that sharpen the detection')
    .option('--json', 'print the whole profile as JSON')
    .addHelpText('after', HELP)
    .action(action(runProfile));
};
