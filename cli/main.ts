#!/usr/bin/env node
/** The `balance` command: lists its commands, parses the line, reports errors with the documented exit codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { usageError } from '../domain/types/errors.js';
import { reportError, type RegisterCommand } from './command.js';
import { packageRoot } from './package-root.js';
import { registerAllocate } from './commands/allocate.js';
import { registerDeclare } from './commands/declare.js';
import { registerLook } from './commands/look.js';
import { registerEnd, registerUp } from './commands/up.js';
import { registerWork } from './commands/work.js';
import { registerAnomalies } from './commands/anomalies.js';
import { registerBacktest } from './commands/backtest.js';
import { registerDrift } from './commands/drift.js';
import { registerForecast } from './commands/forecast.js';
import { registerDoctor } from './commands/doctor.js';
import { registerPatterns } from './commands/patterns.js';
import { registerMerge } from './commands/merge.js';
import { registerSimulate } from './commands/simulate.js';
import { registerPeaks } from './commands/peaks.js';
import { registerProfile } from './commands/profile.js';
import { registerMix } from './commands/mix.js';
import { registerWatch } from './commands/watch.js';

const commands: readonly RegisterCommand[] = [
  registerUp,
  registerEnd,
  registerWork,
  registerLook,
  registerDeclare,
  registerAllocate,
  registerAnomalies,
  registerBacktest,
  registerForecast,
  registerDoctor,
  registerDrift,
  registerPatterns,
  registerMerge,
  registerSimulate,
  registerPeaks,
  registerProfile,
  registerMix,
  registerWatch,
];

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
const program = new Command('balance')
  .description('Data balancing for many models on shared data: analyze, predict, batch, quality-check, coordinate.')
  .version(version, '--version', 'print the version')
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 internal, 2 usage or configuration, 3 refused or quarantined, 4 wait timed out,\n5 dependency unreachable, 130 interrupted. With --json an error is one object on stderr.\n\nExample:\n  balance up --demo --once',
  )
  .exitOverride()
  // What is wrong with the line is told below, in the form that was asked for.
  .configureOutput({ outputError: () => undefined });
for (const register of commands) register(program);

// Who reads the output may stop early (`balance decisions | head`): it has all that it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version end with 0; anything else that commander refuses is a usage error.
  process.exitCode = error.exitCode === 0 ? 0 : refuse(error);
}

/** Tells what is wrong with the line. Without any command, the help that was printed says it all. */
function refuse(error: CommanderError): number {
  const facts = {
    type: 'InvalidCommand',
    message: error.code === 'commander.help' ? 'no command was given' : error.message.replace(/^error: /, ''),
    hint: 'Run it with --help for what is expected.',
  };
  return reportError(usageError(facts), process.argv.includes('--json'));
}
