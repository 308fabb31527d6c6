/** `balance patterns`: periods, trends, change points and lagged correlations of stored series. */
import type { Command } from 'commander';
import { analyzePatterns, type PatternReport, type RecordedSeries } from '../../domain/prediction/pattern.js';
import { readCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { expandInputs, parseSeconds, parseValue, requireColumn, timeColumn } from './stream-files.js';

const HELP = `
Input:  CSV in long form, columns series,time,value (time_s and timestamp are accepted too): time in seconds or
        ISO 8601. Without a series column the file is one series. A folder stands for its *.csv files; series of
        several files are named file/series.
Output: for each series its periods (steps, seconds, strength: the share of held-out variance that it explains),
        trend, change points and the chance of another change within a day; then the lagged correlations between
        series (leader, follower, lagSteps, lagSeconds, correlation, pValue, qValue), false discovery at most 5 %.

Example: balance patterns demand.csv --json`;

/** The series of one file in long form. */
function readSeries(file: string, prefix: string): RecordedSeries[] {
  const table = readCsvFile(file);
  const time = timeColumn(table, file);
  const value = requireColumn(table, ['value'], file);
  const name = table.columns.findIndex((column) => column.trim().toLowerCase() === 'series');
  const byId = new Map<string, { seconds: number; value: number | null }[]>();
  table.rows.forEach((row, index) => {
    const id = prefix + (name < 0 ? 'value' : row[name]);
    const points = byId.get(id) ?? [];
    byId.set(id, points);
    points.push({ seconds: parseSeconds(row[time], file, index), value: parseValue(row[value], file, index) });
  });
  return [...byId].map(([id, points]) => ({ id, points }));
}

/** A few lines for people. */
function describe(report: PatternReport): string {
  const lines = report.series.map((one) => {
    const periods = one.periods.map((p) => `${p.steps} rows (${p.strength.toFixed(2)})`).join(', ') || 'none';
    return `${one.series}: periods ${periods}; trend ${one.trend.direction}; ${one.changePoints.length} change(s)`;
  });
  const pairs = report.correlations.map(
    (c) =>
      `${c.leader} -> ${c.follower} after ${c.lagSteps} rows: ${c.correlation.toFixed(2)} (q ${c.qValue.toExponential(1)})`,
  );
  return [...lines, ...pairs].join('\n') + '\n';
}

export const registerPatterns = (program: Command): void => {
  program
    .command('patterns')
    .description('find periods, trends, change points and lagged correlations of series')
    .argument('<files...>', 'CSV files or a folder of them; - is standard input')
    .option('--json', 'print the full report as JSON')
    .addHelpText('after', HELP)
    .action(
      action((inputs: string[], options: { json?: boolean }) => {
        const files = expandInputs(inputs);
        const series = files.flatMap((file) => readSeries(file, files.length > 1 ? `${file}/` : ''));
        const report = analyzePatterns(series);
        if (options.json) printJson(report);
        else process.stdout.write(describe(report));
        return undefined;
      }),
    );
};
