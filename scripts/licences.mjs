/** Checks that every package of package-lock.json has a licence that the project may be shipped with. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Permissive licences, and the public domain in its usual wordings. */
const ALLOWED = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  '0BSD',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
]);
/** Packages allowed by name, each with the reason. */
const EXCEPTIONS = {
  'caniuse-lite': 'CC-BY-4.0: data used while bundling, not shipped',
  unionfs: 'its package.json states no licence; its repository is under the Unlicense',
};

/** Allowed for tools of development only, which no package of ours contains. */
const ALLOWED_IN_DEVELOPMENT = new Set(['MPL-2.0']);

/** Whether an SPDX expression of OR and AND is satisfied by the allowed licences. */
function isAllowed(expression) {
  const terms = expression.replace(/[()]/g, '').split(/\s+OR\s+/);
  return terms.some((term) => term.split(/\s+AND\s+/).every((licence) => ALLOWED.has(licence)));
}

const { packages } = JSON.parse(readFileSync(fileURLToPath(new URL('../package-lock.json', import.meta.url)), 'utf8'));
const refused = Object.entries(packages)
  .map(([path, { license = 'none stated', dev }]) => ({ name: path.split('node_modules/').at(-1), license, dev }))
  .filter(({ name, license, dev }) => {
    return !isAllowed(license) && !(name in EXCEPTIONS) && !(dev && ALLOWED_IN_DEVELOPMENT.has(license));
  });
for (const { name, license } of refused) console.error(`licence not allowed: ${name} (${license})`);
console.log(`${Object.keys(packages).length - refused.length} licences allowed, ${refused.length} refused`);
process.exitCode = refused.length > 0 ? 1 : 0;
