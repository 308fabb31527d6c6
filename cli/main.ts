#!/usr/bin/env node
/** The `balance` command: lists its commands, parses the line, reports errors with the documented exit codes. */
import { Command, CommanderError } from 'commander';
import { EXIT_CODES } from '../domain/types/errors.js';
import type { RegisterCommand } from './command.js';
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

const program = new Command('balance')
  .description('Data balancing for many models on shared data: analyze, predict, batch, quality-check, coordinate.')
  .showHelpAfterError('(run with --help for what is expected)')
  .exitOverride();
for (const register of commands) register(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version end with 0; anything else that commander refuses is a usage error.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_CODES.usage;
}
