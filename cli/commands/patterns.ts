/** `balance patterns`: periods, trends, change points and lagged correlations of stored series. */
import type { Command } from 'commander';
import { compareBehaviour, profileBehaviour, type BehaviourChange } from '../../domain/prediction/behaviour.js';
import { confirmedRelations, type KnownPatterns } from '../../domain/prediction/pattern-watch.js';
import { analyzePatterns, type PatternReport, type RecordedSeries } from '../../domain/prediction/pattern.js';
import { readCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';
import { withConnection, type ConnectionOptions } from '../connection-options.js';
import { expandInputs, parseSeconds, parseValue, requireColumn, timeColumn } from './stream-files.js';

const HELP = `
Input:  CSV in long form, columns series,time,value (time_s and timestamp are accepted too): time in seconds or
        ISO 8601. Without a series column the file is one series. A folder stands for its *.csv files; series of
        several files are named file/series.
Output: for each series its periods (steps, seconds, strength: the share of held-out variance that it explains),
        trend, change points and the chance of another change within a day; then the lagged correlations between
        series (leader, follower, lagSteps, lagSeconds, correlation, pValue, qValue), false discovery at most 5 %.

        Without files: the 100 longest series that the pool has recorded (demand by model/dataset, source and system,
        charged bytes, quality figures, rows that match each need), their newest 1,008 points; and how each model's
        demand behaves in the newer half of its record against the older one. Then what the loop has found by itself
        and uses: confirmed leaders, periods, changes of behaviour of the series that it has looked at (\`kept\` in JSON).

Examples: balance patterns demand.csv --json
          balance patterns --pool fraud`;

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

/** How each model's demand differs between the older and the newer half of its record; shorter ones say nothing. */
function behaviourChanges(series: readonly RecordedSeries[]): BehaviourReport[] {
  return series
    .filter(({ id }) => id.startsWith('demand ') && id.includes('/'))
    .map(({ id, points }) => {
      const known = points.flatMap(({ seconds, value }) => (value === null ? [] : [{ seconds, value }]));
      const middle = known.length >> 1;
      const [older, newer] = [known.slice(0, middle), known.slice(middle)];
      return { series: id, ...compareBehaviour(profileBehaviour(older), profileBehaviour(newer)) };
    });
}
type BehaviourReport = { readonly series: string } & BehaviourChange;

function describeBehaviour(changes: readonly BehaviourReport[]): string {
  return changes
    .filter(({ changed }) => changed)
    .map(({ series, magnitude, timing, meanRatio }) => {
      const mean = meanRatio === null ? '' : `, mean ${meanRatio.toFixed(2)} times as before`;
      return `${series}: behaves otherwise in the newer half: size ${magnitude.toFixed(2)}, timing ${timing.toFixed(2)} of 1${mean}\n`;
    })
    .join('');
}

/** What the loop looks for by itself, a few series in each cycle, and uses in its forecasts. */
function describeKept(kept: readonly KnownPatterns[]): string {
  if (kept.length === 0) return '';
  const names = new Set(kept.map(({ series }) => series));
  const related = confirmedRelations(kept).map(({ leader, follower, lagSteps, correlation }) => {
    const used = lagSteps > 0 && names.has(leader) && names.has(follower) ? ', tried as a regressor' : '';
    return `  ${follower} follows ${leader} after ${lagSteps} steps (${correlation.toFixed(2)}${used})\n`;
  });
  const own = kept.map(({ series, periods, behaviour: { usual, recent, shifts }, changeWithinDay }) => {
    if (usual.count + recent.count === 0) return `  ${series}: too few values to look for anything\n`;
    const found = periods.map(({ steps, strength }) => `${steps} steps (${strength.toFixed(2)})`).join(', ');
    const changed = shifts.map(({ atMs }) => new Date(atMs).toISOString()).join(', ');
    return `  ${series}: periods ${found || 'none'}; another level within a day with probability ${changeWithinDay.toFixed(2)}${changed === '' ? '' : `; behaves otherwise since ${changed}`}\n`;
  });
  return ['kept by the loop\n', ...own, ...related].join('');
}

async function poolPatterns(options: ConnectionOptions): Promise<number> {
  const { resolvePool, withDatabase } = await import('../connection.js');
  return withDatabase(options, async (database) => {
    const { knownPatterns, recordedSeries } = await import('../../db/recorded-series.js');
    const ref = await resolvePool(database, options);
    const [series, kept] = [await recordedSeries(database.db, ref), await knownPatterns(database.db, ref)];
    const report = { ...analyzePatterns(series), behaviour: behaviourChanges(series), kept };
    if (options.json) printJson(report);
    else if (series.length === 0) process.stdout.write('nothing is recorded yet: run a few cycles\n');
    else process.stdout.write(describe(report) + describeBehaviour(report.behaviour) + describeKept(kept));
    return 0;
  });
}

export const registerPatterns = (program: Command): void => {
  const command = program
    .command('patterns')
    .description('find periods, trends, change points and lagged correlations of series, or of what a pool recorded')
    .argument('[files...]', 'CSV files or a folder of them; - is standard input. None: what the running pool recorded');
  withConnection(command)
    .addHelpText('after', HELP)
    .action(
      action((inputs: string[], options: ConnectionOptions) => {
        if (inputs.length === 0) return poolPatterns(options);
        const files = expandInputs(inputs);
        const series = files.flatMap((file) => readSeries(file, files.length > 1 ? `${file}/` : ''));
        const report = analyzePatterns(series);
        if (options.json) printJson(report);
        else process.stdout.write(describe(report));
        return undefined;
      }),
    );
};
