/** Runs one command of `balance` in this process, and gives what it printed. Restore the mocks after each test. */
import { Command } from 'commander';
import { vi } from 'vitest';
import type { RegisterCommand } from '../../cli/command.js';

export async function runCommand(
  register: RegisterCommand,
  ...args: string[]
): Promise<{ code: unknown; out: string; errors: string }> {
  const [out, errors]: [string[], string[]] = [[], []];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => errors.push(String(text)) > 0);
  const program = new Command('balance').exitOverride();
  register(program);
  await program.parseAsync(['node', 'balance', ...args]);
  return { code: process.exitCode, out: out.join(''), errors: errors.join('') };
}
