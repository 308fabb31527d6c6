/** `balance forecast`: forecasts the steps after the end of each series, with intervals. */
import { InvalidArgumentError, type Command } from 'commander';
import { forecastSeries } from '../../domain/prediction/forecast-batch.js';
import { DEFAULT_LEVELS } from '../../domain/prediction/series-forecaster.js';
import { writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { readSeriesFile, rounded, seasonList, knownSeasons, SERIES_INPUT_HELP, wholeNumber } from './series-files.js';
import { pairFiles, type FilePair } from './stream-files.js';

const HELP = `${SERIES_INPUT_HELP}
Output: series,step,mean,lo80,hi80,lo95,hi95: one row per step 1 to H after the last time of the series, and one
        pair of columns per level. Seasons that are not given are the day and the week of the time column, or found.

Example: balance forecast demand.csv --horizon 48 --season 24,168 --out forecast.csv`;

interface Options {
  readonly horizon: number;
  readonly season?: number[];
  readonly levels: readonly number[];
  readonly out: string;
  readonly json?: boolean;
}

function levelList(text: string): number[] {
  return text.split(',').map((part) => {
    const level = Number(part);
    if (!(level > 0 && level < 1)) throw new InvalidArgumentError('expected levels between 0 and 1, such as 0.8,0.95.');
    return level;
  });
}

/** Percent for a column's name, without the noise of binary fractions. */
function percent(level: number): string {
  return String(Number((100 * level).toPrecision(6)));
}

function forecastFile({ input, output }: FilePair, { horizon, season, levels }: Options): object {
  const rows: (string | number)[][] = [];
  const series = readSeriesFile(input).map((one) => {
    const seasons = knownSeasons(one, season);
    const { mean, quantiles, method, history, reliable } = forecastSeries(one.values, { horizon, seasons, levels });
    mean.forEach((value, i) => {
      const bounds = quantiles.flatMap(({ lower, upper }) => [rounded(lower[i]), rounded(upper[i])]);
      rows.push([one.name, i + 1, rounded(value), ...bounds]);
    });
    return { series: one.name, method, history, reliable, seasons, ...one.reading };
  });
  const bounds = levels.flatMap((level) => [`lo${percent(level)}`, `hi${percent(level)}`]);
  writeCsvFile(output, ['series', 'step', 'mean', ...bounds], rows);
  return { file: input, series };
}

export const registerForecast = (program: Command): void => {
  program
    .command('forecast')
    .description('forecast the steps after the end of each series, with calibrated intervals')
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .requiredOption('--horizon <steps>', 'steps ahead', wholeNumber(1))
    .option('--season <steps>', 'seasons in steps, for example 24,168', seasonList)
    .option('--levels <levels>', 'levels of the central intervals', levelList, [...DEFAULT_LEVELS])
    .requiredOption('--out <path>', 'output file, or output folder for several inputs; - is standard output')
    .option('--json', 'print method, history and seasons of each series as JSON')
    .addHelpText('after', HELP)
    .action(
      action((files: string[], options: Options) => {
        const summaries = pairFiles(files, options.out).map((pair) => forecastFile(pair, options));
        if (options.json) printJson({ files: summaries });
        else process.stderr.write(`${summaries.length} file(s) forecast\n`);
        return undefined;
      }),
    );
};
