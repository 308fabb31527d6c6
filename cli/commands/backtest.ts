/** `balance backtest`: replays each series online and writes what was forecast at each origin beside what came. */
import { InvalidArgumentError, type Command } from 'commander';
import { backtestSeries } from '../../domain/prediction/backtest.js';
import { writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { readSeriesFile, rounded, seasonList, knownSeasons, SERIES_INPUT_HELP, wholeNumber } from './series-files.js';
import { pairFiles, type FilePair } from './stream-files.js';

const COLUMNS = ['series', 'origin', 'step', 'mean', 'q10', 'q50', 'q90', 'actual'] as const;

const HELP = `${SERIES_INPUT_HELP}
Output: series,origin,step,mean,q10,q50,q90,actual. An origin is the 0-based index of the first unseen value of the
        series; step 1 forecasts it. The forecaster sees values before the origin only and learns one at a time.
        Steps after the end of the series are left out; actual is empty where the value is missing.

Example: balance backtest demand.csv --horizon 12 --origins 1008:6 --out backtest.csv`;

interface Options {
  readonly horizon: number;
  readonly origins: { readonly from: number; readonly step: number };
  readonly season?: number[];
  readonly out: string;
  readonly json?: boolean;
}

function originList(text: string): Options['origins'] {
  const [from, step, ...rest] = text.split(':').map(Number);
  if (!Number.isInteger(from) || from < 0 || !Number.isInteger(step) || step < 1 || rest.length > 0) {
    throw new InvalidArgumentError('expected FROM:STEP, for example 1008:6.');
  }
  return { from, step };
}

function backtestFile({ input, output }: FilePair, { horizon, origins, season }: Options): object {
  const rows: (string | number)[][] = [];
  const series = readSeriesFile(input).map((one) => {
    const seasons = knownSeasons(one, season);
    const report = backtestSeries(one.values, { horizon, seasons, ...origins });
    if (report.rows.length === 0) {
      const held = `has ${one.values.length} values, the first origin is ${origins.from}`;
      process.stderr.write(`${input}: no forecasts of series ${one.name}: it ${held}\n`);
    }
    for (const { origin, step, mean, q10, q50, q90, actual } of report.rows) {
      const values = [mean, q10, q50, q90].map(rounded);
      rows.push([one.name, origin, step, ...values, actual ?? '']);
    }
    return { series: one.name, seasons, ...report.accuracy, ...one.reading };
  });
  writeCsvFile(output, COLUMNS, rows);
  return { file: input, series };
}

export const registerBacktest = (program: Command): void => {
  program
    .command('backtest')
    .description('replay each series online and compare its forecasts with what came')
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .requiredOption('--horizon <steps>', 'steps ahead', wholeNumber(1))
    .requiredOption('--origins <from:step>', 'first origin and distance between origins', originList)
    .option('--season <steps>', 'seasons in steps, for example 24,168', seasonList)
    .requiredOption('--out <path>', 'output file, or output folder for several inputs; - is standard output')
    .option('--json', 'print the accuracy per series as JSON')
    .addHelpText('after', HELP)
    .action(
      action((files: string[], options: Options) => {
        const summaries = pairFiles(files, options.out).map((pair) => backtestFile(pair, options));
        if (options.json) printJson({ files: summaries });
        else process.stderr.write(`${summaries.length} file(s) replayed\n`);
        return undefined;
      }),
    );
};
