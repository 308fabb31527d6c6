/** `npm start`: installs and builds what is missing, then becomes `balance up` (one process: signals arrive as they are). */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { ensureInstall, prepare, ROOT } from './ensure-install.mjs';

const ready = await prepare(async () => {
  ensureInstall();
  await build();
});
if (ready) {
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  process.argv = [process.execPath, main, 'up', ...process.argv.slice(2)];
  await import(pathToFileURL(main).href);
}
