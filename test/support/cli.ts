/** The `balance` command as a user runs it: the build, in a folder of its own, as a process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const MAIN = resolve('dist/cli/main.js');

export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The environment without what would point commands elsewhere. */
export function cleanEnv(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const ours = /^(TEMPORAL_|BALANCE_DELIVERIES_DIR$|BALANCE_DEBUG$|DATABASE_URL$|NO_COLOR$)/;
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name))), ...more };
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  /** Settles when standard error has the text; fails when the process ends first. */
  said(text: string): Promise<void>;
}

/** Starts a program and gathers what it prints. */
export function start(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Running {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  let told: (() => void)[] = [];
  const tell = (): void => told.forEach((one) => one());
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    tell();
  });
  const ended = new Promise<Result>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => {
      done({ code, out, err });
      tell();
    });
  });
  const said = (text: string): Promise<void> =>
    new Promise((done, fail) => {
      const look = (): void => {
        if (err.includes(text)) done();
        else if (child.exitCode !== null)
          fail(new Error(`ended with ${child.exitCode} before saying ${text}:\n${err}`));
        else return;
        told = told.filter((one) => one !== look);
      };
      told.push(look);
      look();
    });
  return { child, ended, said };
}

/** Starts `balance` with these arguments in the folder. */
export function startCli(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  if (!existsSync(MAIN)) throw new Error('dist is missing: run `npm run build` first');
  return start(process.execPath, [MAIN, ...args], cwd, cleanEnv(env));
}

/** Ends the `balance up` of a folder and everything that it left there. */
export async function endCli(folder: string, up: Running): Promise<void> {
  if (up.child.exitCode === null) up.child.kill('SIGTERM');
  await up.ended;
  await startCli(folder, ['reset', '--yes']).ended;
  rmSync(folder, { recursive: true, force: true });
}

/** A folder with a pool of one table: 4,000 events, one need, two models. */
export function smallProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'balance-cli-'));
  const rows = Array.from({ length: 4_000 }, (_, id) => `${id},${id % 20 === 0 ? 'rare' : 'common'},${id % 100}`);
  writeFileSync(join(folder, 'events.csv'), ['id,label,value', ...rows].join('\n') + '\n');
  writeFileSync(
    join(folder, 'balance.yaml'),
    `version: 1
pools:
  small:
    sources:
      lake: { kind: files, root: . }
    datasets:
      events: { source: lake, path: events.csv, key: [id] }
    models:
      trainer:
        kind: training
        needs:
          - { id: sample, dataset: events, fields: [id, value], rows: 100 }
      auditor: { kind: serving }
`,
  );
  return folder;
}
