/** `balance drift`: does the current file still come from the distribution of the reference? */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { detectDrift, type DatasetDrift, type PairedColumn } from '../../domain/quality/shift.js';
import { usageError } from '../../domain/types/errors.js';
import { pairFilesByColumn } from '../../interfaces/data/paired-counts.js';
import { isTableFile, withEngine } from '../../interfaces/data/table-file.js';
import { action, printJson } from '../command.js';

const HELP = `
REFERENCE and CURRENT are CSV, TSV, Parquet, JSON or NDJSON files, or two folders with files of the same names.
Lists of numbers, in Parquet, JSON or as text ([0.1, 2e-3, ...]), are compared as vectors.

Output with --json: {"columns":[{"column","test","statistic","effect","floor","p","pAdjusted","drift","reason"}],"drift"};
for folders an object with one such value by file name.
  test       the test that speaks for the column: chi-square, fisher, shared-values, wilcoxon, mood,
             kolmogorov-smirnov, single-values; before it "missing:"; of texts "look:" (kinds of characters),
             "length:", "language:"; of vectors "dimension:", "norm:", "mean:" and "covariance:" (along the direction
             that changed most), "signature:" (where they point), "near-duplicates:"; schema, none
  effect     size of the difference on the test's scale; floor: the size that chance alone gives
  p          combined over the column's tests; pAdjusted: false alarms bounded over all columns and files
  drift      pAdjusted <= .0015 and an effect well above its floor

Exit code 0 whether or not there is drift: read "drift".

Example: balance drift january.parquet february.parquet --json`;

interface Options {
  readonly json?: boolean;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Files to compare: by name for two folders, under the name '' for two files. */
function pairPaths(reference: string, current: string): ReadonlyMap<string, readonly [string, string]> {
  if (isFolder(reference) !== isFolder(current) && existsSync(reference) && existsSync(current)) {
    const kind = (path: string): string => (isFolder(path) ? 'a folder' : 'a file');
    throw usageError({
      type: 'MixedInputs',
      message: 'a file cannot be compared with a folder',
      expected: 'two files or two folders',
      got: `${kind(reference)} and ${kind(current)}`,
    });
  }
  if (!isFolder(reference)) return new Map([['', [reference, current]]]);
  const list = (path: string): string[] => readdirSync(path).filter(isTableFile);
  const [before, after] = [list(reference), list(current)];
  const unpaired = [...before, ...after].filter((name) => !before.includes(name) || !after.includes(name)).sort();
  if (unpaired.length > 0 || before.length === 0) {
    throw usageError({
      type: 'UnpairedFiles',
      message: before.length === 0 ? `${reference} holds no table files` : 'the folders hold files without a partner',
      expected: 'two folders with files of the same names',
      got: unpaired.join(', ') || 'no files',
    });
  }
  return new Map(before.map((name) => [name, [join(reference, name), join(current, name)]]));
}

function printText(name: string, result: DatasetDrift): void {
  const lines = result.columns.map(
    (column) =>
      `${column.drift ? 'DRIFT ' : 'stable'}  ${column.column}  ${column.test}  effect ${column.effect.toFixed(3)} ` +
      `(floor ${column.floor.toFixed(3)})  p ${column.pAdjusted.toPrecision(2)}  ${column.reason}`,
  );
  const title = name === '' ? [] : [`${name}: ${result.drift ? 'drift' : 'stable'}`];
  process.stdout.write([...title, ...lines].join('\n') + '\n');
}

async function drift(reference: string, current: string, options: Options): Promise<undefined> {
  const paths = pairPaths(reference, current);
  const paired: Record<string, PairedColumn[]> = {};
  await withEngine(async (session) => {
    for (const [name, [before, after]] of paths) paired[name] = await pairFilesByColumn(session, before, after);
  });
  const results = detectDrift(paired);
  if (options.json) printJson(isFolder(reference) ? results : results['']);
  else for (const [name, result] of Object.entries(results)) printText(name, result);
}

export const registerDrift = (program: Command): void => {
  program
    .command('drift')
    .description('compare two files, or two folders of files, column by column')
    .argument('<reference>', 'file or folder with the data that models know')
    .argument('<current>', 'file or folder with the data at hand')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(action(drift));
};
