/** `--help` of every command: with an example, and exit code 0; the version; a line that is wrong. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startCli } from '../support/cli.js';

const COMMANDS =
  'up worker stop reset run request cancel pause resume status decisions explain apply schedule doctor allocate anomalies backtest forecast drift patterns merge simulate peaks profile mix watch'.split(
    ' ',
  );
const SCHEDULE = 'create list pause trigger backfill delete'.split(' ').map((name) => `schedule ${name}`);
const run = (line: string) => startCli(process.cwd(), line.split(' ')).ended;

describe('balance --help', () => {
  test('lists every command, and docs/CLI.md knows each', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    const listed = [...out.matchAll(/^ {2}([a-z]+) [[<|]?.*$/gm)]
      .map((match) => match[1])
      .filter((name) => name !== 'help');
    expect(new Set(listed)).toEqual(new Set([...COMMANDS, 'schedule', 'balance']));
    const page = readFileSync('docs/CLI.md', 'utf8');
    for (const name of COMMANDS) expect(page, name).toContain(`\`${name}`);
  });

  test.each([...COMMANDS, ...SCHEDULE])('%s: usage and an example', async (name) => {
    const { code, out } = await run(`${name} --help`);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: balance ${name}`);
    expect(out).toContain('Example');
  });

  test('--version is that of package.json', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await run('--version')).out).toBe(`${version}\n`);
  });

  test('a reader that stops early ends the command in peace', async () => {
    const running = startCli(process.cwd(), ['--help']);
    running.child.stdout!.destroy();
    expect(await running.ended).toMatchObject({ code: 0, err: '' });
  });

  test('without --json an error is told in words', async () => {
    const { code, err } = await run('nothing');
    expect(code).toBe(2);
    expect(err).toContain("error InvalidCommand: unknown command 'nothing'");
  });
});
