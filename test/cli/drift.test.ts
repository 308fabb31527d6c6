import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerDrift } from '../../cli/commands/drift.js';
import { runCommand } from '../support/command.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'balance-drift-'))));
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const run = (...args: string[]) => runCommand(registerDrift, 'drift', ...args);
function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
const rows = (n: number, line: (i: number) => string, header: string): string =>
  `${header}\n${Array.from({ length: n }, (_, i) => line(i)).join('\n')}\n`;
/** The same n values in scrambled order: 7919 is prime, so the map is a permutation. */
const scramble = (i: number, n: number): number => (i * 7919) % n;

describe('balance drift', () => {
  const HEADER = 'id,time,size,label';
  const base = (i: number): string =>
    `${i},2026-01-01 00:${String(i % 60).padStart(2, '0')}:00,${scramble(i, 1000) / 10},${i % 50 === 0 ? 'rare' : 'usual'}`;
  const keys = ['column', 'test', 'statistic', 'effect', 'floor', 'p', 'pAdjusted', 'drift', 'reason'];

  it('compares two files column by column', async () => {
    const reference = write('a.csv', rows(1000, base, HEADER));
    const later = (i: number): string => `${i + 1000},2026-02-01 01:00:00,${scramble(i, 1000)},usual`;
    const current = write('b.csv', rows(1000, later, HEADER));
    const { out, code } = await run(reference, current, '--json');
    const result = JSON.parse(out) as { columns: Record<string, unknown>[]; drift: boolean };
    expect(code).toBe(0);
    expect(result.drift).toBe(true);
    expect(Object.keys(result.columns[0])).toEqual(keys);
    expect(result.columns.map((column) => [column.column, column.drift])).toEqual([
      ['id', false],
      ['label', true],
      ['size', true],
      ['time', false],
    ]);
  });

  it('does not call stable what has no rows any more, or had none', async () => {
    const some = write('a.csv', 'size\n1\n2\n');
    const none = write('b.csv', 'size\n');
    for (const [reference, current] of [
      [some, none],
      [none, some],
    ]) {
      const { errors, code } = await run(reference, current, '--json');
      expect(code).toBe(2);
      expect(errors).toContain('NoRows');
      expect(errors).toContain('b.csv');
    }
  });

  it('sees another way of writing in text that never repeats, and is quiet about new texts', async () => {
    const code = (i: number): string => `ab-${scramble(i, 100_003)}-x`;
    const reference = write('a.csv', rows(600, code, 'code'));
    const verdict = async (line: (i: number) => string) => {
      const { out } = await run(reference, write('b.csv', rows(600, line, 'code')), '--json');
      return (JSON.parse(out) as { columns: { drift: boolean; test: string }[] }).columns[0];
    };
    expect(await verdict((i) => code(i + 600))).toMatchObject({ drift: false });
    expect(await verdict((i) => code(i + 600).toUpperCase())).toMatchObject({
      drift: true,
      test: expect.stringMatching(/^look:/) as string,
    });
    expect(await verdict((i) => code(i + 600).slice(0, 5))).toMatchObject({ drift: true });
  });

  it('sees another mix of languages in texts of the same look and length', async () => {
    const clauses = {
      english: [
        'the weather in the north was cold',
        'they had been waiting for the train',
        'nobody knew what had happened there',
      ],
      german: [
        'das Wetter im Norden war sehr kalt',
        'sie hatten lange auf den Zug gewartet',
        'niemand wusste was dort geschehen war',
      ],
    };
    const sentence = (language: keyof typeof clauses, i: number): string =>
      `${10_000 + i} ${clauses[language][i % 3]} And ${clauses[language][scramble(i, 10_007) % 3]}`.slice(0, 72);
    const texts = (shift: number, german: number) => (i: number) =>
      sentence(i % 100 < german ? 'german' : 'english', i + shift);
    const verdict = async (line: (i: number) => string) => {
      const reference = write('a.csv', rows(600, texts(0, 5), 'note'));
      const { out } = await run(reference, write('b.csv', rows(600, line, 'note')), '--json');
      return (JSON.parse(out) as { columns: { drift: boolean; test: string }[] }).columns[0];
    };
    expect(await verdict(texts(5_000, 5))).toMatchObject({ drift: false });
    expect(await verdict(texts(5_000, 25))).toMatchObject({
      drift: true,
      test: expect.stringMatching(/^language:/) as string,
    });
  });

  it('reads files as people save them: semicolons, short rows, Latin-1', async () => {
    const lines = Array.from({ length: 60 }, (_, i) => `${i % 7};café`);
    const plain = write('a.csv', ['n,c', ...lines].join('\n').replaceAll(';', ','));
    const path = join(folder, 'b.csv');
    writeFileSync(path, Buffer.from(['n;c', ...lines, '1'].join('\n'), 'latin1'));
    const { out } = await run(plain, path, '--json');
    const result = JSON.parse(out) as { columns: { column: string }[]; drift: boolean };
    expect(result.columns.map(({ column }) => column)).toEqual(['c', 'n']);
    expect(result.drift).toBe(false);
  });

  it('is quiet about a file and itself, in another order and another format of numbers', async () => {
    const reference = write(
      'a.csv',
      rows(1000, (i) => `${scramble(i, 1000)},x`, 'n,c'),
    );
    const current = write(
      'b.csv',
      rows(1000, (i) => `${i}.0,x`, 'n,c'),
    );
    const { out } = await run(reference, current, '--json');
    expect((JSON.parse(out) as { drift: boolean }).drift).toBe(false);
  });

  it('lets times move on, and sees that they are written in another way', async () => {
    const day = (month: number, i: number): string =>
      `2026-${String(month).padStart(2, '0')}-${String((i % 28) + 1).padStart(2, '0')}`;
    const reference = write(
      'a.csv',
      rows(300, (i) => day(1, i), 'at'),
    );
    const verdict = async (line: (i: number) => string) => {
      const { out } = await run(reference, write('b.csv', rows(300, line, 'at')), '--json');
      return (JSON.parse(out) as { columns: { drift: boolean; test: string }[] }).columns[0];
    };
    expect(await verdict((i) => day(11, i))).toMatchObject({ drift: false });
    expect(await verdict((i) => `${day(2, i)}T10:00:00Z`)).toMatchObject({
      drift: true,
      test: expect.stringMatching(/^look:/) as string,
    });
    expect(await verdict((i) => day(2, i).split('-').reverse().join('.'))).toMatchObject({ drift: true });
  });

  it('finds suffixes in a number column, new columns and lost ones', async () => {
    const reference = write(
      'a.csv',
      rows(100, (i) => `${(i % 10) / 10},x`, 'weight,old'),
    );
    const current = write(
      'b.csv',
      rows(100, (i) => `${(i % 10) / 10} kg,x`, 'weight,new'),
    );
    const { out } = await run(reference, current, '--json');
    const { columns } = JSON.parse(out) as { columns: { column: string; test: string; drift: boolean }[] };
    expect(columns.map(({ column, test, drift }) => [column, test, drift])).toEqual([
      ['new', 'schema', true],
      ['old', 'schema', true],
      ['weight', 'missing:fisher', true],
    ]);
  });

  it('pairs the files of two folders by name', async () => {
    for (const side of ['ref', 'cur']) mkdirSync(join(folder, side));
    for (const name of ['one', 'two']) {
      write(
        `ref/${name}.csv`,
        rows(400, (i) => String(i % 4), 'k'),
      );
      write(
        `cur/${name}.csv`,
        rows(400, (i) => String(name === 'two' ? i % 2 : i % 4), 'k'),
      );
    }
    const { out } = await run(join(folder, 'ref'), join(folder, 'cur'), '--json');
    const results = JSON.parse(out) as Record<string, { drift: boolean }>;
    expect(Object.entries(results).map(([name, { drift }]) => [name, drift])).toEqual([
      ['one.csv', false],
      ['two.csv', true],
    ]);
  });

  it('prints one line a column for people', async () => {
    const path = write(
      'a.csv',
      rows(40, (i) => String(i % 4), 'k'),
    );
    const { out } = await run(path, path);
    expect(out).toMatch(/^stable {2}k /);
  });

  it.each([
    ['a missing file', 'UnreadableFile', () => ['nowhere.csv', 'nowhere.csv']],
    ['an empty file', 'EmptyFile', () => [write('e.csv', ''), write('f.csv', '')]],
    ['an unknown ending', 'UnknownFormat', () => [write('e.xls', 'a'), write('f.xls', 'a')]],
    [
      'a row with more cells than the header',
      'MalformedCsv',
      () => [write('e.csv', 'a,b\n1,2\n3,4,5\n'), write('f.csv', 'a\n1\n')],
    ],
    ['a file against a folder', 'MixedInputs', () => [write('e.csv', 'a\n1\n'), folder]],
    ['a folder without tables', 'UnpairedFiles', () => [folder, folder]],
  ])('refuses %s', async (_name, type, args) => {
    const { code, errors } = await run(...args(), '--json');
    expect(code).toBe(2);
    expect((JSON.parse(errors) as { error: { type: string } }).error.type).toBe(type);
  });

  it('calls a header without rows stable: there is nothing to compare', async () => {
    const { out } = await run(write('a.csv', 'k,v\n'), write('b.csv', 'k,v\n'), '--json');
    expect((JSON.parse(out) as { drift: boolean }).drift).toBe(false);
  });
});
