/**
 * Process hygiene: every server that is started is written down with the moment it began, so that what
 * a SIGKILL left behind is found and cleared by the next start, and a process id that now belongs to
 * something else is never touched.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BalanceError } from '../../domain/types/errors.js';
import type { Report } from './ports.js';

/** A process that this project started. */
export interface ProcessRecord {
  /** What it is, for messages: `Temporal`, `PostgreSQL`, `balance`. */
  readonly name: string;
  readonly pid: number;
  /** When it began, in the words of the system. With `pid` it names one process for good. */
  readonly identity: string;
  /** The signal that makes it stop in good order. */
  readonly signal: 'SIGTERM' | 'SIGINT';
}

interface RunFile {
  readonly owner: ProcessRecord;
  readonly children: readonly ProcessRecord[];
}

/** How long a process may take to stop in good order before it is killed. */
const STOP_GRACE_MS = 10_000;
/** Each failed claim meets a dead owner, which the next one has cleared. */
const CLAIM_ATTEMPTS = 3;
/** How long `stopAll` waits for a running `balance up`, which itself drains its worker and stops its servers. */
const OWNER_GRACE_MS = 40_000;

/** Where a project keeps its state. */
export function stateDir(projectDir: string): string {
  return join(projectDir, '.balance');
}

function runFilePath(projectDir: string): string {
  return join(stateDir(projectDir), 'run.json');
}

/**
 * When process `pid` began, as text that no later process with the same id can have: on Linux the boot
 * id and the start tick of proc(5) stat field 22, elsewhere what `ps -o lstart` says.
 * Undefined when there is no such process, or only its unreaped remains (state Z).
 */
export function processIdentity(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The command name, field 2, is in brackets and may hold anything: fields count from the last bracket.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
    }
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

/** Whether the very process of the record still runs. */
export function isAlive(record: ProcessRecord): boolean {
  return processIdentity(record.pid) === record.identity;
}

/** The record of a process that was just started. */
export function recordProcess(name: string, pid: number, signal: ProcessRecord['signal']): ProcessRecord {
  return { name, pid, identity: processIdentity(pid) ?? 'gone', signal };
}

async function waitGone(record: ProcessRecord, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(record)) {
    if (Date.now() > deadline) return false;
    await sleep(25);
  }
  return true;
}

/**
 * Stops one recorded process: its own signal, `graceMs` to obey, then SIGKILL.
 * A process id that was reused is left alone. Result: what happened to it.
 */
export async function terminate(
  record: ProcessRecord,
  graceMs: number = STOP_GRACE_MS,
): Promise<'gone' | 'stopped' | 'killed'> {
  if (!signalIfAlive(record, record.signal)) return 'gone';
  if (await waitGone(record, graceMs)) return 'stopped';
  signalIfAlive(record, 'SIGKILL');
  await waitGone(record, STOP_GRACE_MS);
  return 'killed';
}

/** Signals the very process of the record; false when it is gone. */
export function signalIfAlive(record: ProcessRecord, signal: NodeJS.Signals): boolean {
  if (!isAlive(record)) return false;
  try {
    process.kill(record.pid, signal);
    return true;
  } catch (error) {
    // It ended between the look and the signal. Anything else (EPERM) is for the user to see.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readRunFile(projectDir: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(runFilePath(projectDir), 'utf8')) as RunFile;
  } catch {
    // Absent, or torn by a crash of the machine: then nothing in it can still run.
    return undefined;
  }
}

/** The claim of this process on a project: it alone may start servers there. */
export interface Run {
  /** Writes a started process down. Call it right after the spawn. */
  add(record: ProcessRecord): void;
  /** Crosses a stopped process out. */
  remove(record: ProcessRecord): void;
  /** Gives the project free again. */
  release(): void;
}

/**
 * Claims the project for this process: clears what a dead owner left behind, then writes `.balance/run.json`.
 * @throws BalanceError `AlreadyRunning` when the owner lives.
 */
export async function claimRun(projectDir: string, report: Report): Promise<Run> {
  mkdirSync(stateDir(projectDir), { recursive: true, mode: 0o700 });
  const path = runFilePath(projectDir);
  const owner = recordProcess('balance', process.pid, 'SIGTERM');
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ owner, children: [] } satisfies RunFile), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
      try {
        // Two starts at once: a link is made whole and by one of them; the other then meets a living owner.
        linkSync(draft, path);
        return openRun(path, owner);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      await clearLeftovers(projectDir, report);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw alreadyRunning(projectDir);
}

function openRun(path: string, owner: ProcessRecord): Run {
  let children: readonly ProcessRecord[] = [];
  const write = (): void => {
    const draft = `${path}.new`;
    writeFileSync(draft, JSON.stringify({ owner, children } satisfies RunFile), { mode: 0o600 });
    renameSync(draft, path);
  };
  return {
    add: (record) => {
      children = [...children, record];
      write();
    },
    remove: (record) => {
      children = children.filter((child) => child !== record);
      write();
    },
    release: () => rmSync(path, { force: true }),
  };
}

function alreadyRunning(projectDir: string): BalanceError {
  const pid = readRunFile(projectDir)?.owner.pid;
  return new BalanceError('usage', {
    type: 'AlreadyRunning',
    message: 'Balance already runs in this folder.',
    expected: 'one `balance up` for each project folder',
    got: `process ${pid ?? 'unknown'} in ${projectDir}`,
    hint: 'Use it as it is (`balance status`), or stop it first with `balance stop`.',
  });
}

async function clearLeftovers(projectDir: string, report: Report): Promise<void> {
  const run = readRunFile(projectDir);
  if (run && isAlive(run.owner)) throw alreadyRunning(projectDir);
  for (const child of run?.children ?? []) {
    const end = await terminate(child);
    if (end !== 'gone') report(`cleared ${child.name} (process ${child.pid}) that an earlier run left behind`);
  }
  // Another start may have cleared it too, and claimed the project meanwhile.
  if (readRunFile(projectDir)?.owner.pid === run?.owner.pid) rmSync(runFilePath(projectDir), { force: true });
}

/**
 * Stops everything that runs for the project: a living owner first, so that it stops its servers in order,
 * then whatever is still there. Result: one line for each thing stopped; empty when nothing ran.
 */
export async function stopAll(projectDir: string): Promise<string[]> {
  const run = readRunFile(projectDir);
  if (!run) return [];
  const stopped: string[] = [];
  for (const record of [run.owner, ...run.children]) {
    if (record.pid === process.pid) continue;
    const end = await terminate(record, record === run.owner ? OWNER_GRACE_MS : STOP_GRACE_MS);
    if (end !== 'gone') stopped.push(`${record.name} (process ${record.pid}) ${end}`);
  }
  rmSync(runFilePath(projectDir), { force: true });
  rmSync(join(stateDir(projectDir), 'endpoints.json'), { force: true });
  return stopped;
}
