/** `balance merge`: which requests for key ranges one read serves. */
import type { Command } from 'commander';
import { mergeInstance } from '../../domain/batch/range-instance.js';
import { action, printJson } from '../command.js';
import { eachInstance, readJsonFile } from './json-file.js';

const HELP = `
Input:  {"requests": [{"id", "model", "dataset", "fields": [..], "ranges": [[lo, hi], ..], "freshnessMs", "deadlineMs"}],
         "cost": {"perOperation", "perUnit"}}, or an array of such instances (the output is then an array of results).
        Keys are whole numbers, ranges half-open. Instead of "ranges" also "keys": [..] or "where": "k >= 0 AND k < 9".
        Optional "allowedFields": a request for others is refused, and no batch it is in holds others.
Output: {"batches": [{"dataset", "fields", "ranges", "requests": [ids]}], "read": {"operations", "units"}, "asked": {..},
         "lowerBound": {..}, "refused": [{"request", "reason"}]}
        An operation is one contiguous range of one batch, a unit one key x field. A batch reads its fields x its ranges.
        A gap is bridged when reading it costs no more than a new operation; requests of different fields share a batch
        when the rectangle costs less than separate reads. lowerBound: the measure of the union, and its connected parts.

Example: balance merge requests.json --json`;

function mergeFile(path: string, options: { readonly json?: boolean }): undefined {
  const results = eachInstance(readJsonFile(path), mergeInstance);
  if (options.json) {
    printJson(results);
    return;
  }
  for (const result of [results].flat()) {
    const { batches, read, asked, lowerBound, refused } = result;
    const row = (name: string, volume: typeof read) =>
      `${name.padEnd(12)}${String(volume.operations).padStart(12)}${String(volume.units).padStart(16)}`;
    process.stdout.write(
      `${batches.length} batches, ${refused.length} refused\n${''.padEnd(12)}  operations           units\n`,
    );
    process.stdout.write([row('asked', asked), row('read', read), row('lower bound', lowerBound), ''].join('\n'));
    for (const { request, reason } of refused) process.stdout.write(`refused ${request}: ${reason}\n`);
  }
}

export const registerMerge = (program: Command): void => {
  program
    .command('merge')
    .description('merge overlapping requests for key ranges into few reads')
    .argument('<file>', 'JSON file; - is standard input')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', HELP)
    .action(action(mergeFile));
};
