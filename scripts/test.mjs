/** `npm test`: installs and builds what is missing, runs every test, ends with `N passed, N failed`. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensureInstall, prepare, ROOT } from './ensure-install.mjs';

const ready = await prepare(async () => {
  ensureInstall();
  await build();
});
if (ready) runTests();
else console.log('0 passed, 1 failed');

function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'balance-result-'));
  const result = join(folder, 'result.json');
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${result}`];
  const child = spawn(process.execPath, [vitest, ...args, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
  // A signal of the terminal reaches vitest too: wait for it to stop its servers.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('close', (code) => {
    const { passed, failed, skipped } = count(result, code);
    rmSync(folder, { recursive: true, force: true });
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  });
}

/** Counts tests; a file that could not be loaded and an error outside any test count as one failure each. */
function count(result, code) {
  let report;
  try {
    report = JSON.parse(readFileSync(result, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
  ).length;
  const failed = report.numFailedTests + unloaded;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
