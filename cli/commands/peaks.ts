/** `balance peaks`: capacity per window at a chosen rate of violations, planned online. */
import { InvalidArgumentError, type Command } from 'commander';
import { planPeaks } from '../../domain/prediction/peak-planner.js';
import { writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { readSeriesFile, rounded, seasonList, knownSeasons, SERIES_INPUT_HELP, wholeNumber } from './series-files.js';
import { pairFiles, type FilePair } from './stream-files.js';

const HELP = `${SERIES_INPUT_HELP}
Output: series,step,capacity: the capacity for the steps from "step" on, until the next row of the series. A window
        uses values before its first step minus the lead only; it is 0 as long as nothing was seen.
        The violation rate is the share of steps whose value exceeds the capacity.

Example: balance peaks demand.csv --violation 0.05 --every 6 --lead 1 --out capacity.csv`;

interface Options {
  readonly violation: number;
  readonly every: number;
  readonly lead: number;
  readonly season?: number[];
  readonly out: string;
  readonly json?: boolean;
}

function rate(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 0.5)) throw new InvalidArgumentError('expected a share above 0, at most 0.5.');
  return value;
}

function planFile({ input, output }: FilePair, { violation, every, lead, season }: Options): object {
  const rows: (string | number)[][] = [];
  const series = readSeriesFile(input).map((one) => {
    const seasons = knownSeasons(one, season);
    const windows = planPeaks(one.values, { violation, every, lead, seasons });
    for (const { step, capacity } of windows) rows.push([one.name, step, rounded(capacity)]);
    return { series: one.name, windows: windows.length, seasons, ...one.reading };
  });
  writeCsvFile(output, ['series', 'step', 'capacity'], rows);
  return { file: input, series };
}

export const registerPeaks = (program: Command): void => {
  program
    .command('peaks')
    .description('recommend capacity per window at a chosen rate of violations')
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .requiredOption('--violation <share>', 'share of steps that may exceed the capacity', rate)
    .requiredOption('--every <steps>', 'steps of a window', wholeNumber(1))
    .option('--lead <steps>', 'steps between the last value used and the window', wholeNumber(0), 1)
    .option('--season <steps>', 'seasons in steps, for example 144,1008', seasonList)
    .requiredOption('--out <path>', 'output file, or output folder for several inputs; - is standard output')
    .option('--json', 'print windows and seasons per series as JSON')
    .addHelpText('after', HELP)
    .action(
      action((files: string[], options: Options) => {
        const summaries = pairFiles(files, options.out).map((pair) => planFile(pair, options));
        if (options.json) printJson({ files: summaries });
        else process.stderr.write(`${summaries.length} file(s) planned\n`);
        return undefined;
      }),
    );
};
