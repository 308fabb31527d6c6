/** `balance mix`: draws rows with a wanted class mix, with their weights, and says what is missing. */
import { existsSync, realpathSync } from 'node:fs';
import { extname } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { ClassCounts } from '../../domain/analyzers/analyzer.js';
import { classGap, sortedKeys, targetShares, totalOf, type ClassTarget } from '../../domain/analyzers/balance.js';
import {
  drawnCounts,
  parseTarget,
  planMixture,
  REPEATS_MAX,
  type Mixture,
  type WeightRule,
} from '../../domain/quality/mixture.js';
import { usageError } from '../../domain/types/errors.js';
import {
  assignRows,
  classCountsOf,
  prepareSource,
  WEIGHT_COLUMN,
  writeMixture,
  type SplitRule,
} from '../../interfaces/data/mixture-draw.js';
import { loadFile, requireTableColumn, withEngine } from '../../interfaces/data/table-file.js';
import { action, printJson } from '../command.js';
import { readTarget } from './profile-inputs.js';

const HELP = `
FILE is CSV, TSV, Parquet, JSON or NDJSON; the output has its columns and ${WEIGHT_COLUMN} (mean 1), as Parquet or CSV.
The target is "uniform" (over the classes there are), shares such as 'cat=0.7,dog=0.3', or a file: JSON or YAML
{"cat": 0.7, ...}, CSV class,share, or a table whose own mix of the label column is wanted.
A label keeps its text: 01 of a CSV file is not 1; a blank one is none, NULL and NA are classes unless the target leaves them out. A class with too few rows is repeated, each row at most ${REPEATS_MAX} times; what is then missing is reported and weighted.
The same file, seed and options give the same rows in the same order.

With --split S the rows are divided before the draw: S of them and of --rows for OUT-train, the rest for OUT-validation
(drawn to the same target, nothing repeated). --group-by keeps a group on one side, --time-by puts the earliest rows in
train; without either, rows with equal content stay together. A split that leaves a side empty is refused; share says how
much of the labelled rows a side has.

Output with --json: {"rows","unlabelled","untimed","files":[{"file","part","rows","share","gapBefore","gapAfter","missing",
"shortfall","classes":[{"class","have","wanted","drawn","distinct","shortfall","missing","copies","extra","weight"}]}]}
shortfall: new rows to ask for; missing: rows that even repeats could not give.

Example: balance mix flights.parquet --label-column late --target uniform --rows 10000 --out balanced.parquet`;

interface Options {
  readonly labelColumn: string;
  readonly target: string;
  readonly rows?: number;
  readonly out: string;
  readonly seed: number;
  readonly weights: WeightRule;
  readonly split?: number;
  readonly groupBy?: string;
  readonly timeBy?: string;
  readonly json?: boolean;
}
interface DrawnFile extends Mixture {
  readonly file: string;
  readonly part: string;
  /** Labelled rows that are of this part, of all: groups that stay whole may make it another than was asked. */
  readonly share: number;
  readonly gapBefore: number;
  readonly gapAfter: number;
  readonly missing: Readonly<Record<string, number>>;
  readonly shortfall: Readonly<Record<string, number>>;
}

function whole(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number >= 0.');
  return value;
}
function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('expected a number between 0 and 1.');
  return value;
}
function weightRule(text: string): WeightRule {
  if (text === 'target' || text === 'effective') return text;
  throw new InvalidArgumentError('expected target or effective.');
}

async function wantedMix(text: string, label: string): Promise<ClassTarget> {
  if (text !== 'uniform' && existsSync(text)) return readTarget(text, label);
  const written = parseTarget(text);
  if (written !== null) return written;
  throw usageError({
    type: 'InvalidClassTarget',
    message: `${text} is neither a mix nor a file`,
    expected: "uniform, shares such as 'cat=0.7,dog=0.3', or a file that exists",
    got: text,
  });
}

/** At most so many names are told. */
const LISTED = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > LISTED ? ', …' : '');
}

/** A draw that can hold nothing is a mistake in the target or the split. */
function checkDrawable(counts: ReadonlyMap<string, ClassCounts>, shares: ClassCounts, path: string): void {
  const known = [...new Set([...counts.values()].flatMap((held) => Object.keys(held)))].sort();
  const wanted = sortedKeys(shares).filter((name) => shares[name] > 0);
  if (!wanted.some((name) => known.includes(name))) {
    throw usageError({
      type: 'UnknownClasses',
      message: `${path} has no row of any class of the target`,
      expected: `classes of the file: ${listed(known)}`,
      got: listed(wanted),
    });
  }
  for (const [part, held] of counts) {
    if (totalOf(held) > 0) continue;
    throw usageError({
      type: 'EmptySplit',
      message: `the split leaves ${part} without a labelled row`,
      expected: 'rows on both sides',
      got: `no row in ${part}`,
      hint: 'Rows of one group, one time or the same content stay together: another share or column may part them.',
    });
  }
}

function splitOf(options: Options, columns: readonly string[], path: string): SplitRule | null {
  const { split, groupBy, timeBy } = options;
  if (split === undefined && groupBy === undefined && timeBy === undefined) return null;
  if (split === undefined || (groupBy !== undefined && timeBy !== undefined)) {
    throw usageError({
      type: 'InvalidSplit',
      message: 'the split is not clear',
      expected: '--split S, alone or with one of --group-by and --time-by',
      got: `--split ${split ?? 'absent'}, --group-by ${groupBy ?? 'absent'}, --time-by ${timeBy ?? 'absent'}`,
    });
  }
  for (const column of [groupBy, timeBy]) if (column !== undefined) requireTableColumn(columns, column, path);
  return { share: split, groupBy, timeBy };
}

/** `out.parquet` with the part before the ending; one part alone keeps the name. */
function partFile(out: string, part: string): string {
  if (part === 'all') return out;
  const ending = extname(out);
  return `${out.slice(0, out.length - ending.length)}-${part}${ending}`;
}

function positive(mixture: Mixture, of: 'missing' | 'shortfall'): Record<string, number> {
  return Object.fromEntries(mixture.classes.filter((entry) => entry[of] > 0).map((entry) => [entry.class, entry[of]]));
}

/** The draw must not take the place of what it is drawn from. */
function checkOutput(path: string, files: readonly string[]): void {
  const same = files.find((file) => existsSync(file) && existsSync(path) && realpathSync(file) === realpathSync(path));
  if (same === undefined) return;
  throw usageError({
    type: 'OutputIsInput',
    message: `${same} would be written over the rows that it is drawn from`,
    expected: '--out with another name than the input',
    got: `--out ${same}`,
  });
}

async function mix(path: string, options: Options): Promise<undefined> {
  const target = await wantedMix(options.target, options.labelColumn);
  await withEngine(async (session) => {
    const columns = await loadFile(session, 'source', path, { typed: true, textColumns: [options.labelColumn] });
    requireTableColumn(columns, options.labelColumn, path);
    const reserved = columns.find((column) => column.toLowerCase() === WEIGHT_COLUMN);
    if (reserved !== undefined) {
      const message = `${path} has a column ${reserved} already`;
      throw usageError({ type: 'ReservedColumn', message, expected: 'another name', got: reserved });
    }
    await prepareSource(session, columns);
    const split = splitOf(options, columns, path);
    const left = await assignRows(session, options.labelColumn, options.seed, split);
    const parts = split === null ? ['all'] : ['train', 'validation'];
    checkOutput(
      path,
      parts.map((part) => partFile(options.out, part)),
    );
    const counts = new Map<string, Record<string, number>>();
    for (const part of parts) counts.set(part, await classCountsOf(session, part));
    const known = [...counts.values()].flatMap((entry) => Object.keys(entry));
    const shares = targetShares(target, Object.fromEntries(known.map((name) => [name, 1])));
    const labelled = [...counts.values()].flatMap((entry) => Object.values(entry)).reduce((a, b) => a + b, 0);
    if (labelled === 0) {
      const message = `${path} has no row with a label and a place in the split`;
      throw usageError({
        type: 'NoLabels',
        message,
        expected: `values in ${options.labelColumn}`,
        got: JSON.stringify(left),
      });
    }
    checkDrawable(counts, shares, path);
    const rows = options.rows ?? labelled;
    const trainRows = Math.round(rows * (split?.share ?? 1));
    const files: DrawnFile[] = [];
    for (const part of parts) {
      const have = counts.get(part)!;
      const wanted = part === 'validation' ? rows - trainRows : trainRows;
      const repeatsMax = part === 'validation' ? 1 : REPEATS_MAX;
      const mixture = planMixture(have, shares, wanted, { repeatsMax, weights: options.weights });
      const file = partFile(options.out, part);
      await writeMixture(session, part, mixture, options.seed, file, columns);
      files.push({
        file,
        part,
        rows: mixture.rows,
        share: totalOf(have) / labelled,
        gapBefore: classGap(shares, have),
        gapAfter: classGap(shares, drawnCounts(mixture)),
        missing: positive(mixture, 'missing'),
        shortfall: positive(mixture, 'shortfall'),
        classes: mixture.classes,
      });
    }
    const drawn = files.reduce((sum, file) => sum + file.rows, 0);
    if (options.json) printJson({ rows: drawn, ...left, files });
    else files.forEach(printText);
  });
  return undefined;
}

function printText(file: DrawnFile): void {
  const lines = file.classes.map(
    (entry) =>
      `  ${entry.class}: ${entry.drawn} of ${entry.wanted} rows from ${entry.have}, weight ${entry.weight.toFixed(3)}` +
      (entry.shortfall > 0 ? `; ask for ${entry.shortfall} more` : '') +
      (entry.missing > 0 ? `; ${entry.missing} missing` : ''),
  );
  const of = file.part === 'all' ? '' : `, drawn from ${(100 * file.share).toFixed(1)} % of what is labelled`;
  process.stdout.write([`${file.file}: ${file.rows} rows${of}`, ...lines].join('\n') + '\n');
}

export const registerMix = (program: Command): void => {
  program
    .command('mix')
    .description('draw rows with a wanted class mix, with weights, and say what is missing')
    .argument('<file>', 'table file')
    .requiredOption('--label-column <name>', 'column with the class')
    .requiredOption(
      '--target <mix>',
      'uniform, a=0.5,b=0.5, or a file: weights by class, or a table with the label column',
    )
    .option('--rows <n>', 'rows wanted (default: as many as are labelled)', whole)
    .requiredOption('--out <path>', 'output file, .parquet or .csv')
    .option('--seed <n>', 'seed of the draw', whole, 0)
    .option('--weights <rule>', 'target, or effective (Cui et al. 2019)', weightRule, 'target')
    .option('--split <share>', 'share of train; the rest is validation', share)
    .option('--group-by <column>', 'rows of one group stay on one side')
    .option('--time-by <column>', 'the earliest rows are train')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(action(mix));
};
