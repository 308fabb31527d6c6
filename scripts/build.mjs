/**
 * Builds `dist/` when a source changed: TypeScript, the files beside it (migrations), the JSON Schema of balance.yaml,
 * the workflow bundle.
 * Run as a program it takes `--clean` (start from nothing, as for a package).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstall, Failure, prepare, ROOT } from './ensure-install.mjs';

const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.build-stamp');

/** Rooms that are built, as tsconfig.build.json lists them. */
function rooms() {
  return JSON.parse(readFileSync(join(ROOT, 'tsconfig.build.json'), 'utf8')).include;
}

/** Every file of the rooms, relative to the root, in a fixed order. */
function sources() {
  const under = (folder) =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? under(join(folder, entry.name)) : [join(folder, entry.name)],
    );
  return rooms()
    .filter((room) => existsSync(join(ROOT, room)))
    .flatMap(under)
    .sort();
}

/** One digest over name, size and time of everything the build reads. */
function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of [...files, 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs']) {
    const { size, mtimeMs } = statSync(join(ROOT, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Files that are not compiled are copied beside what is. */
function copyAssets(files) {
  for (const file of files.filter((name) => !name.endsWith('.ts'))) {
    mkdirSync(dirname(join(DIST, file)), { recursive: true });
    cpSync(join(ROOT, file), join(DIST, file));
  }
}

/** Editors check balance.yaml with it. Made by what reads the file, so the two cannot differ. */
async function publishSchema() {
  const { configJsonSchema } = await import(pathToFileURL(join(DIST, 'interfaces', 'config', 'load.js')).href);
  writeFileSync(join(DIST, 'balance.schema.json'), JSON.stringify(configJsonSchema(), null, 2) + '\n');
}

async function bundleWorkflows() {
  const workflowsPath = join(DIST, 'workflows', 'index.js');
  if (!existsSync(workflowsPath)) return;
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const silent = () => undefined;
  const logger = { log: silent, trace: silent, debug: silent, info: silent, warn: console.error, error: console.error };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  writeFileSync(join(DIST, 'workflow-bundle.js'), code);
}

/** Builds when anything changed since the last build. */
export async function build({ clean = false } = {}) {
  if (clean) rmSync(DIST, { recursive: true, force: true });
  const files = sources();
  const now = fingerprint(files);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === now) return;
  process.stderr.write('building\n');
  rmSync(STAMP, { force: true });
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) throw new Failure('The build failed: correct the errors above.');
  copyAssets(files);
  chmodSync(join(DIST, 'cli', 'main.js'), 0o755);
  await publishSchema();
  await bundleWorkflows();
  writeFileSync(STAMP, now);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await prepare(async () => {
    ensureInstall();
    await build({ clean: process.argv.includes('--clean') });
  });
}
