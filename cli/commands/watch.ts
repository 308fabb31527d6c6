/** `balance watch`: finds where the level or the spread of a metric's history changes, row by row. */
import type { Command } from 'commander';
import { createShiftDetector } from '../../domain/quality/watch.js';
import { readCsvFile, writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { pairFiles, parseValue, readSeconds, requireColumn, timeColumn, type FilePair } from './stream-files.js';

const HELP = `
Input:  CSV with columns time,value; an empty value is a missing one. Rows are taken in file order.
        A folder stands for its *.csv files; then --out is a folder.
Output: time,value,alarm,kind. Row i depends on rows up to i only. alarm is 1 on the row at which a shift is
        certain; kind is level-up, level-down, spread-up or spread-down, empty without an alarm.
        Nothing is to be set: values are ranked among those before them, whatever their distribution. A season (the day
        and the week by the times, else any period that predicts) is learned after three cycles and taken out.

Example: balance watch null-share.csv --out null-share-watched.csv`;

interface Options {
  readonly out: string;
  readonly json?: boolean;
}
interface FileSummary {
  readonly file: string;
  readonly rows: number;
  readonly alarms: readonly { readonly row: number; readonly time: string; readonly kind: string }[];
}

function watchFile({ input, output }: FilePair): FileSummary {
  const table = readCsvFile(input);
  const time = timeColumn(table, input);
  const value = requireColumn(table, ['value'], input);
  const detector = createShiftDetector();
  const alarms: { row: number; time: string; kind: string }[] = [];
  const rows = table.rows.map((row, index) => {
    const { alarm, kind } = detector.update(parseValue(row[value], input, index), readSeconds(row[time]));
    if (kind !== null) alarms.push({ row: index, time: row[time], kind });
    return [row[time], row[value], alarm ? 1 : 0, kind ?? ''];
  });
  writeCsvFile(output, ['time', 'value', 'alarm', 'kind'], rows);
  return { file: input, rows: rows.length, alarms };
}

export const registerWatch = (program: Command): void => {
  program
    .command('watch')
    .description("find shifts in a metric's history, row by row")
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .requiredOption('--out <path>', 'output file, or folder for several inputs; - is standard output')
    .option('--json', 'print a JSON summary (not with --out -)')
    .addHelpText('after', HELP)
    .action(
      action((files: string[], options: Options) => {
        const summaries = pairFiles(files, options.out).map(watchFile);
        if (options.json && options.out !== '-') printJson({ files: summaries });
        return undefined;
      }),
    );
};
