/** `balance up`, `stop`, `reset`, `worker`: the life of the servers and the worker. */
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { usageError } from '../../domain/types/errors.js';
import { action, printJson, type RegisterCommand } from '../command.js';
import { packageRoot } from '../package-root.js';

interface UpOptions {
  readonly config: string;
  readonly demo?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
}

export const registerUp: RegisterCommand = (program) => {
  program
    .command('up')
    .description('start the servers and a worker, apply balance.yaml, run a cycle, and stay up')
    .option('--config <file>', 'what to run', 'balance.yaml')
    .option('--demo', 'run the demo pool that comes with the package')
    .option('--once', 'run one cycle, then stop everything and exit')
    .option('--json', 'print the first decision as JSON')
    .addHelpText(
      'after',
      '\nServers: TEMPORAL_ADDRESS and DATABASE_URL are used when set; otherwise embedded ones are started.\nState lies in .balance in this folder. Ctrl-C stops everything that was started.\n\nExample:\n  balance up --once',
    )
    .action(
      action(async (options: UpOptions) => {
        const { runUp } = await import('../run-up.js');
        const root = packageRoot();
        return runUp({
          projectDir: process.cwd(),
          packageRoot: root,
          configPath: options.demo ? join(root, 'balance.yaml') : resolve(options.config),
          once: options.once === true,
          json: options.json === true,
        });
      }),
    );
  program
    .command('worker')
    .description('run a worker against servers that exist (DATABASE_URL, TEMPORAL_ADDRESS, BALANCE_DELIVERIES_DIR)')
    .option('--config <file>', 'apply this file before working')
    .option('--json', 'print an error as JSON')
    .addHelpText(
      'after',
      '\nMigrates the database first. Any number of workers may run; give all of them the same deliveries folder.\n\nExample:\n  DATABASE_URL=postgres://balance:…@db/balance TEMPORAL_ADDRESS=temporal:7233 BALANCE_DELIVERIES_DIR=/deliveries \\\n    balance worker --config balance.yaml',
    )
    .action(
      action(async (options: { readonly config?: string }) => {
        const { runWorker } = await import('../run-up.js');
        return runWorker({
          projectDir: process.cwd(),
          packageRoot: packageRoot(),
          configPath: options.config === undefined ? null : resolve(options.config),
        });
      }),
    );
};

/** `stop` and `reset`. */
export const registerEnd: RegisterCommand = (program) => {
  program
    .command('stop')
    .description('stop everything that runs for this folder')
    .option('--json', 'print {stopped: [...]}')
    .addHelpText('after', '\nExample:\n  balance stop')
    .action(
      action(async (options: { readonly json?: boolean }) => {
        const { stopAll } = await import('../../workers/embedded/processes.js');
        const stopped = await stopAll(process.cwd());
        if (options.json) printJson({ stopped });
        else
          process.stdout.write(
            stopped.length === 0 ? 'nothing was running\n' : stopped.map((line) => `${line}\n`).join(''),
          );
        return 0;
      }),
    );
  program
    .command('reset')
    .description('stop everything and delete all state of this folder: decisions, deliveries, workflow history')
    .option('--yes', 'do not ask')
    .option('--json', 'print {reset: true}')
    .addHelpText(
      'after',
      '\nServers of your own (DATABASE_URL, TEMPORAL_ADDRESS) are not touched.\n\nExample:\n  balance reset --yes',
    )
    .action(
      action(async (options: { readonly yes?: boolean; readonly json?: boolean }) => {
        if (options.yes !== true && !(await confirmed(`Delete all of ${join(process.cwd(), '.balance')}?`))) {
          throw usageError({
            type: 'NotConfirmed',
            message: 'nothing was deleted',
            expected: 'yes',
            got: 'no answer or another one',
            hint: 'Run it again and answer yes, or pass --yes.',
          });
        }
        const { resetData } = await import('../../workers/embedded/index.js');
        await resetData(process.cwd());
        if (options.json) printJson({ reset: true });
        else process.stdout.write('all state was deleted\n');
        return 0;
      }),
    );
};

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await asking.question(`${question} Type yes: `)).trim() === 'yes';
  } finally {
    asking.close();
  }
}
