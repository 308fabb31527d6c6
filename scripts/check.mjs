/** `npm run check`: everything that is not a test. Runs all, even after a failure, and ends with `N passed, N failed`. */
import { spawnSync } from 'node:child_process';
import { ensureInstall, prepare, ROOT } from './ensure-install.mjs';

const ROOMS = ['domain', 'workflows', 'activities', 'workers', 'db', 'interfaces', 'client', 'cli', 'test'];
const CHECKS = [
  ['types', 'tsc', '--noEmit'],
  ['lint', 'eslint', '.', '--max-warnings=0'],
  ['formatting', 'prettier', '--check', '.'],
  ['import law', 'depcruise', '--config', '.dependency-cruiser.cjs', ...ROOMS],
  ['unused code', 'knip'],
  ['licences', process.execPath, 'scripts/licences.mjs'],
];

if (await prepare(ensureInstall)) runChecks();
else console.log('0 passed, 1 failed');

function runChecks() {
  const env = { ...process.env, PATH: `${ROOT}node_modules/.bin:${process.env.PATH}` };
  const failed = CHECKS.filter(([name, program, ...args]) => {
    console.log(`-- ${name}`);
    return spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env }).status !== 0;
  });
  for (const [name] of failed) console.log(`failed: ${name}`);
  console.log(`${CHECKS.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
