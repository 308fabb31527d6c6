/** `balance anomalies`: scores each row of a series online and raises named alarms. */
import { InvalidArgumentError, type Command } from 'commander';
import { createAnomalyDetector } from '../../domain/prediction/anomaly.js';
import { readCsvFile, writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { pairFiles, parseSeconds, parseValue, requireColumn, timeColumn, type FilePair } from './stream-files.js';

const COLUMNS = ['timestamp', 'value', 'anomaly_score', 'is_anomaly', 'type', 'action'] as const;

const HELP = `
Input:  CSV with columns timestamp,value: time in seconds or ISO 8601 (UTC unless it says otherwise),
        an empty value is a missing one. Rows are taken in file order. A folder stands for its *.csv files.
Output: timestamp,value,anomaly_score,is_anomaly,type,action. Row i depends on rows up to i only.
        anomaly_score is in [0, 1] and comparable between files; is_anomaly is 1 on the row that raises an alarm,
        which is the row on which the event can be named; type is spike, dip, level-shift, trend, variance,
        flatline (stuck or missing values) or season-break.

Example: balance anomalies cpu.csv --max-per-week 3 --out cpu-scored.csv`;

interface Options {
  readonly maxPerWeek?: number;
  readonly out: string;
  readonly json?: boolean;
}

/** Summary of one file, for `--json`. */
interface FileSummary {
  readonly file: string;
  readonly rows: number;
  readonly alarms: readonly { readonly timestamp: string; readonly type: string; readonly severity: string }[];
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a positive number.');
  return value;
}

function scoreFile({ input, output }: FilePair, maxPerWeek: number | undefined): FileSummary {
  const table = readCsvFile(input);
  const time = timeColumn(table, input);
  const value = requireColumn(table, ['value'], input);
  const detector = createAnomalyDetector({ maxPerWeek });
  const alarms: { timestamp: string; type: string; severity: string }[] = [];
  const rows = table.rows.map((row, index) => {
    const verdict = detector.update(parseSeconds(row[time], input, index), parseValue(row[value], input, index));
    const { type, severity } = verdict;
    if (type !== null && severity !== null) alarms.push({ timestamp: row[time], type, severity });
    const score = Math.round(verdict.score * 1e6) / 1e6;
    return [row[time], row[value], score, verdict.isAnomaly ? 1 : 0, type ?? '', verdict.action ?? ''];
  });
  writeCsvFile(output, COLUMNS, rows);
  return { file: input, rows: rows.length, alarms };
}

export const registerAnomalies = (program: Command): void => {
  program
    .command('anomalies')
    .description('score a series row by row, raise named alarms, suggest actions')
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .option('--max-per-week <n>', 'most alarms in any seven days (default 7)', positive)
    .requiredOption('--out <path>', 'output file, or output folder for several inputs; - is standard output')
    .option('--json', 'print a summary of the alarms as JSON')
    .addHelpText('after', HELP)
    .action(
      action((files: string[], options: Options) => {
        const summaries = pairFiles(files, options.out).map((pair) => scoreFile(pair, options.maxPerWeek));
        const alarms = summaries.reduce((sum, summary) => sum + summary.alarms.length, 0);
        if (options.json) printJson({ files: summaries });
        else process.stderr.write(`${summaries.length} file(s), ${alarms} alarm(s)\n`);
        return undefined;
      }),
    );
};
