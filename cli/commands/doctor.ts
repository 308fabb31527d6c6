/** `balance doctor`: what keeps a start from working, and the fix of each failure. */
import { EXIT_CODES } from '../../domain/types/errors.js';
import type { Finding } from '../../workers/embedded/checkup.js';
import { action, printJson, type RegisterCommand } from '../command.js';

export const registerDoctor: RegisterCommand = (program) => {
  program
    .command('doctor')
    .description('check everything that a start needs, and name the fix of each failure')
    .option('--json', 'print {ok, checks: [{name, status: ok|warn|fail, found, fix}]}')
    .addHelpText('after', '\nExit code 0 when nothing failed, 2 otherwise.\n\nExample:\n  balance doctor --json')
    .action(
      action(async (options: { readonly json?: boolean }) => {
        // Loaded here: the other commands need no servers.
        const { examine } = await import('../../workers/embedded/checkup.js');
        const checks = await examine(process.cwd(), process.env);
        const ok = checks.every((check) => check.status !== 'fail');
        if (options.json) printJson({ ok, checks });
        else process.stdout.write(checks.map(line).join(''));
        return ok ? 0 : EXIT_CODES.usage;
      }),
    );
};

function line({ status, name, found, fix }: Finding): string {
  const fixLine = fix === undefined ? '' : `${' '.repeat(6)}fix: ${fix}\n`;
  return `${status.padEnd(4)}  ${name}: ${found}\n${fixLine}`;
}
