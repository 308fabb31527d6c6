import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerMix } from '../../cli/commands/mix.js';
import { quoteText } from '../../interfaces/data/engine.js';
import { withEngine } from '../../interfaces/data/table-file.js';
import { runCommand } from '../support/command.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'balance-mix-laws-'))));
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

interface Drawn {
  readonly file: string;
  readonly part: string;
  readonly rows: number;
  readonly missing: Readonly<Record<string, number>>;
  readonly classes: readonly { class: string; wanted: number; drawn: number; missing: number }[];
}
async function run(input: string, ...args: string[]) {
  const ran = await runCommand(registerMix, 'mix', input, '--label-column', 'label', ...args, '--json');
  vi.restoreAllMocks();
  return ran;
}
async function mix(input: string, ...args: string[]): Promise<readonly Drawn[]> {
  const { code, out, errors } = await run(input, ...args);
  expect([code, errors]).toEqual([0, '']);
  return (JSON.parse(out) as { files: Drawn[] }).files;
}
/** Rows of a query over the files as the engine alone reads them: every value as its text. */
const query = (sql: string): Promise<readonly Record<string, unknown>[]> => withEngine((session) => session.rows(sql));
const text = (path: string): string =>
  `read_csv(${quoteText(path)}, all_varchar = true, header = true, delim = ',', quote = '"')`;
/** Names that once hid what the draw needs stand beside the label. */
const HEADER = 'rowid,label,weight,copy,source,grp';
const CLASSES = ['a', "o'brien", '__proto__', '01', 'x y', 'ünï'];
const tables = fc.array(fc.record({ label: fc.nat(5), group: fc.nat(9), time: fc.nat(40) }), {
  minLength: 30,
  maxLength: 150,
});
function write(rows: readonly { label: number; group: number; time: number }[]): string {
  const path = join(folder, 'in.csv');
  const lines = rows.map(
    ({ label, group, time }, i) => `${i % 3},${CLASSES[label]},${time},${i},s,${group > 6 ? '' : `g${group}`}`,
  );
  writeFileSync(path, [HEADER, ...lines].join('\n') + '\n');
  return path;
}

describe('balance mix, checked by the engine alone', () => {
  it('draws the shares to a row, rows of the file only, and weights that give the target', async () => {
    await fc.assert(
      fc.asyncProperty(
        tables,
        fc.array(fc.nat(9), { minLength: 6, maxLength: 6 }),
        fc.nat(400),
        async (rows, raw, n) => {
          const input = write(rows);
          const weights = raw.map((weight, i) => (i === rows[0].label ? weight + 1 : weight));
          const target = CLASSES.map((name, i) => `${name}=${weights[i]}`).join(',');
          const out = join(folder, 'out.csv');
          const [drawn] = await mix(input, '--target', target, '--rows', String(n), '--out', out);
          const sum = weights.reduce((a, b) => a + b, 0);
          const found = await query(
            `SELECT label, count(*)::DOUBLE AS rows, sum(sample_weight::DOUBLE) AS weight FROM ${text(out)} GROUP BY label`,
          );
          const rowsOf = (name: string): number => Number(found.find(({ label }) => label === name)?.rows ?? 0);
          const have = (i: number): number => rows.filter(({ label }) => label === i).length;
          let [wanted, mass] = [0, 0];
          CLASSES.forEach((name, i) => {
            const entry = drawn.classes.find((one) => one.class === name)!;
            wanted += entry.wanted;
            expect(Math.abs(entry.wanted - (n * weights[i]) / sum)).toBeLessThan(1);
            expect(rowsOf(name)).toBe(Math.min(entry.wanted, 4 * have(i)));
            expect(entry.wanted - rowsOf(name)).toBe(Object.hasOwn(drawn.missing, name) ? drawn.missing[name] : 0);
            if (rowsOf(name) > 0) mass += weights[i];
          });
          expect(wanted).toBe(n);
          const total = found.reduce((all, { rows: count }) => all + Number(count), 0);
          expect(total).toBe(drawn.rows);
          for (const { label, weight } of found)
            expect(Number(weight) / total).toBeCloseTo(weights[CLASSES.indexOf(String(label))] / mass, 9);
          const copies = await query(
            `SELECT label, max(n)::DOUBLE - min(n)::DOUBLE AS spread, max(n)::DOUBLE AS most FROM (SELECT label, copy, count(*) AS n FROM ${text(out)} GROUP BY ALL) GROUP BY label`,
          );
          for (const { spread, most } of copies) expect([Number(spread) <= 1, Number(most) <= 4]).toEqual([true, true]);
          const columns = HEADER.split(',')
            .map((name) => `"${name}"`)
            .join(', ');
          expect(
            await query(`SELECT ${columns} FROM ${text(out)} EXCEPT SELECT ${columns} FROM ${text(input)}`),
          ).toEqual([]);
          const before = readFileSync(out);
          await mix(input, '--target', target, '--rows', String(n), '--out', out);
          expect(readFileSync(out).equals(before)).toBe(true);
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);

  it('lets no group, time or content stand on both sides', async () => {
    const split = fc.constantFrom(0.3, 0.5, 0.8);
    await fc.assert(
      fc.asyncProperty(tables, split, fc.constantFrom('grp', 'weight', ''), async (rows, share, column) => {
        // Two rows that only their place tells apart, one of them without a group.
        const input = write([...rows, rows[0], { ...rows[0], group: 9 }, { ...rows[0], group: 9 }]);
        writeFileSync(input, readFileSync(input, 'utf8').replace(/^(\d+,[^,]*,\d+),\d+,s,$/gm, '$1,0,s,'));
        const by = column === 'grp' ? ['--group-by', 'grp'] : column === 'weight' ? ['--time-by', 'weight'] : [];
        const args = ['--target', 'uniform', '--rows', '60', '--split', String(share), '--out', join(folder, 'o.csv')];
        const { code, out, errors } = await run(input, ...args, ...by);
        if (code === 2) {
          expect(errors).toContain('EmptySplit');
          return;
        }
        const [train, validation] = (JSON.parse(out) as { files: Drawn[] }).files.map(({ file }) => text(file));
        const content = HEADER.split(',')
          .map((name) => `"${name}"`)
          .join(', ');
        expect(await query(`SELECT ${content} FROM ${train} INTERSECT SELECT ${content} FROM ${validation}`)).toEqual(
          [],
        );
        if (column === 'grp')
          expect(
            await query(`SELECT grp FROM ${train} WHERE grp IS NOT NULL INTERSECT SELECT grp FROM ${validation}`),
          ).toEqual([]);
        if (column === 'weight') {
          const [edge] = await query(
            `SELECT (SELECT max(weight::DOUBLE) FROM ${train}) < (SELECT min(weight::DOUBLE) FROM ${validation}) AS apart`,
          );
          expect(edge.apart ?? true).toBe(true);
        }
      }),
      { numRuns: 15 },
    );
  }, 60_000);
});
