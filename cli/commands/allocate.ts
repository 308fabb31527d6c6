/** `balance allocate`: shares resources fairly among models, with a reason for each. */
import type { Command } from 'commander';
import { parseAllocationInstance, type AllocationResult } from '../../domain/scheduler/allocation-instance.js';
import { allocate, allocateOverTime } from '../../domain/scheduler/resource-allocator.js';
import { action, printJson } from '../command.js';
import { eachInstance, readJsonFile } from './json-file.js';

const HELP = `
Input:  {"resources": {"cpu": 9, "mem": 18}, "divisible": true,
         "models": [{"id", "weight": 1, "demand": {"cpu": 1, "mem": 4}, "cap": null, "cohort": null,
                     "running"?, "gang"?, "credits"?}],
         "cohorts": [{"id", "parent": null, "weight": 1, "nominal": {}, "lendingLimit": {}, "borrowingLimit": {}}],
         "quanta"?: [{"demands": {id: units}}]}, or an array of such instances (the output is then an array of results).
        demand: resources one unit takes. cap: units at most. gang: units come in whole gangs of this size.
        nominal: guaranteed to a cohort and all below it. lendingLimit: most of it that others may use while it is idle.
        borrowingLimit: most above it that the cohort may use. divisible false: whole units.
        With quanta the result is a list, one entry a quantum, fair over time by Karma credits (between the members of one cohort).
Output: {"allocations": [{"id", "units", "dominantShare", "binding", "cohort"?, "reason"}], "utilization": {}, "jain"}
        Weighted dominant-resource fairness. binding is the resource that stopped the model, "cap" when it has all that
        it asked for, or "demand" when it asks for nothing; cohort is the one whose limit it was. Ordered by id; the order of the input never matters.

Example: echo '{"resources":{"cpu":9,"mem":18},"models":[{"id":"A","demand":{"cpu":1,"mem":4}},
         {"id":"B","demand":{"cpu":3,"mem":1}}]}' | balance allocate - --json`;

function allocateInstance(input: unknown): AllocationResult | AllocationResult[] {
  const instance = parseAllocationInstance(input);
  return instance.quanta === undefined ? allocate(instance) : allocateOverTime(instance);
}

function printTable({ allocations, utilization, jain }: AllocationResult): void {
  const width = Math.max(5, ...allocations.map(({ id }) => id.length)) + 2;
  const lines = allocations.map(
    ({ id, units, dominantShare, reason }) =>
      `${id.padEnd(width)}${units.toPrecision(6).padStart(12)}${`${(dominantShare * 100).toFixed(1)} %`.padStart(10)}  ${reason}`,
  );
  const used = Object.entries(utilization).map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`);
  const head = `${'model'.padEnd(width)}${'units'.padStart(12)}${'share'.padStart(10)}  reason`;
  process.stdout.write([head, ...lines, `used: ${used.join(', ')}; evenness (Jain) ${jain.toFixed(3)}`, ''].join('\n'));
}

function allocateFile(path: string, options: { readonly json?: boolean }): undefined {
  const results = eachInstance(readJsonFile(path), allocateInstance);
  if (options.json) printJson(results);
  else [results].flat(2).forEach(printTable);
}

export const registerAllocate = (program: Command): void => {
  program
    .command('allocate')
    .description('share resources fairly among models, each with its reason')
    .argument('<file>', 'JSON file; - is standard input')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', HELP)
    .action(action(allocateFile));
};
