/** Checks Node and installs the packages when they are missing or not those of package-lock.json. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A failure that the user can mend: its message says how, its code is the exit code. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs the steps before the actual work. A failure is told in its own words, without a stack. Result: whether they worked. */
export async function prepare(steps) {
  try {
    await steps();
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
    return false;
  }
}

/** Refuses a Node older than package.json's `engines` says. */
function checkNode() {
  const { engines } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  const wanted = engines.node.replace('>=', '').split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > wanted[0] || (major === wanted[0] && minor >= wanted[1])) return;
  throw new Failure(
    `Balance needs Node ${wanted.join('.')} or newer; this is ${process.versions.node}. Get one from https://nodejs.org.`,
    2,
  );
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Whether node_modules holds what package-lock.json asks for. npm writes down what it installed in
 * node_modules/.package-lock.json, last of all, so an interrupted install counts as none.
 */
function isInstalled() {
  const wanted = readLock(`${ROOT}package-lock.json`);
  const found = readLock(`${ROOT}node_modules/.package-lock.json`);
  if (!wanted)
    throw new Failure('package-lock.json is missing or damaged: restore it with `git checkout package-lock.json`.', 2);
  if (!found) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const installed = found[path];
    // An optional package may be for another platform.
    if (!installed) return optional === true;
    return installed.version === version && installed.integrity === integrity;
  });
}

/** Installs the packages unless they are there. What npm says goes to stderr. */
export function ensureInstall() {
  checkNode();
  if (isInstalled()) return;
  process.stderr.write('installing the packages (npm ci)\n');
  // Started by npm, the same npm installs.
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? process.env.npm_execpath : undefined;
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const [program, all] = npm ? [process.execPath, [npm, ...args]] : ['npm', args];
  const { status, error } = spawnSync(program, all, { cwd: ROOT, stdio: ['ignore', process.stderr, process.stderr] });
  if (status !== 0) {
    const reason = error ? `: ${error.message}` : '';
    throw new Failure(
      `The packages could not be installed${reason}. Check the network and the registry that npm is set up for, then run this again.`,
      5,
    );
  }
}
