/** Where the package lies. Loads nothing: `--version` stays quick. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the package: one above `cli` in the sources, two above in the build. */
export function packageRoot(): string {
  for (const path of ['../', '../../']) {
    const folder = fileURLToPath(new URL(path, import.meta.url));
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  throw new Error('package.json of balance was not found');
}
