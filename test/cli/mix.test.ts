import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerMix } from '../../cli/commands/mix.js';
import { loadFile, withEngine } from '../../interfaces/data/table-file.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'balance-mix-'))));
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

interface Report {
  readonly rows: number;
  readonly unlabelled: number;
  readonly files: readonly {
    file: string;
    part: string;
    rows: number;
    share: number;
    gapAfter: number;
    missing: object;
    shortfall: object;
  }[];
}
async function run(...args: string[]): Promise<{ code: unknown; out: string; errors: string; report: () => Report }> {
  const [out, errors]: [string[], string[]] = [[], []];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => errors.push(String(text)) > 0);
  const program = new Command('balance').exitOverride();
  registerMix(program);
  await program.parseAsync(['node', 'balance', 'mix', ...args]);
  vi.restoreAllMocks();
  return {
    code: process.exitCode,
    out: out.join(''),
    errors: errors.join(''),
    report: () => JSON.parse(out.join('')) as Report,
  };
}
/** 400 rows: 90 % `usual`, 10 % `rare`; 40 owners of 10 rows; two rows without a label. */
function table(): string {
  const path = join(folder, 'in.csv');
  const rows = Array.from(
    { length: 400 },
    (_, i) => `${i},owner${i % 40},${i % 10 === 0 ? 'rare' : 'usual'},${i / 2},x`,
  );
  writeFileSync(path, ['id,owner,label,size,same', ...rows, '400,owner1,,1,x', '401,owner1, ,2,x'].join('\n') + '\n');
  return path;
}
interface Row {
  readonly id: number;
  readonly owner: string;
  readonly label: string;
  readonly size: number;
  readonly sample_weight: number;
}
const read = (path: string): Promise<readonly Row[]> =>
  withEngine(async (session) => {
    await loadFile(session, 't', path, { typed: true });
    return (await session.rows(
      'SELECT id::DOUBLE AS id, owner, label, size::DOUBLE AS size, sample_weight FROM t',
    )) as unknown as Row[];
  });
const common = (...more: string[]): string[] => [
  '--label-column',
  'label',
  '--out',
  join(folder, 'out.parquet'),
  '--json',
  ...more,
];

describe('balance mix', () => {
  it('draws the target mix with weights of mean 1, no row more than four times', async () => {
    const { code, report } = await run(table(), ...common('--target', 'uniform', '--rows', '200'));
    expect(code).toBe(0);
    expect(report()).toMatchObject({
      rows: 200,
      unlabelled: 2,
      files: [{ gapAfter: 0, missing: {}, shortfall: { rare: 60 } }],
    });
    const rows = await read(join(folder, 'out.parquet'));
    expect(rows.filter((row) => row.label === 'rare')).toHaveLength(100);
    expect(rows.every((row) => row.sample_weight === 1)).toBe(true);
    const usual = rows.filter((row) => row.label === 'usual').map((row) => row.id);
    expect(new Set(usual).size).toBe(100);
    const copies = new Map<number, number>();
    for (const row of rows) copies.set(row.id, (copies.get(row.id) ?? 0) + 1);
    expect(Math.max(...copies.values())).toBe(3);
  });

  it('says what even repeats could not give, and weights it', async () => {
    const { report } = await run(table(), ...common('--target', 'usual=1,rare=3', '--rows', '400'));
    expect(report().files[0]).toMatchObject({ missing: { rare: 140 }, shortfall: { rare: 260 } });
    const rows = await read(join(folder, 'out.parquet'));
    const rare = rows.filter((row) => row.label === 'rare').reduce((sum, row) => sum + row.sample_weight, 0);
    expect(rare / rows.reduce((sum, row) => sum + row.sample_weight, 0)).toBeCloseTo(0.75, 9);
  });

  it('is byte-identical for the same seed and differs for another', async () => {
    const input = table();
    const files = [];
    for (const seed of ['1', '1', '2']) {
      await run(input, ...common('--target', 'uniform', '--rows', '50', '--seed', seed));
      files.push(readFileSync(join(folder, 'out.parquet')).toString('base64'));
    }
    expect(files[1]).toBe(files[0]);
    expect(files[2]).not.toBe(files[0]);
  });

  it('keeps every group on one side', async () => {
    const { report } = await run(
      table(),
      ...common('--target', 'uniform', '--rows', '60', '--split', '0.8', '--group-by', 'owner'),
    );
    const [train, validation] = report().files.map((file) => file.file);
    expect([train, validation].map((file) => file.slice(folder.length + 1))).toEqual([
      'out-train.parquet',
      'out-validation.parquet',
    ]);
    const owners = new Set((await read(train)).map((row) => row.owner));
    const held = await read(validation);
    expect(held.length).toBeGreaterThan(0);
    expect(held.some((row) => owners.has(row.owner))).toBe(false);
    expect(new Set(held.map((row) => row.id)).size).toBe(held.length);
    expect(existsSync(join(folder, 'out.parquet'))).toBe(false);
  });

  it('puts the earliest rows in train', async () => {
    const { report } = await run(
      table(),
      ...common('--target', 'usual=1,rare=1', '--rows', '100', '--split', '0.75', '--time-by', 'size'),
    );
    const [train, validation] = report().files.map((file) => file.file);
    const last = Math.max(...(await read(train)).map((row) => row.size));
    expect(last).toBeLessThan(Math.min(...(await read(validation)).map((row) => row.size)));
    expect(last).toBeLessThanOrEqual(150);
  });

  it('keeps rows of equal content on one side of a plain split', async () => {
    const path = join(folder, 'twins.csv');
    const rows = Array.from({ length: 200 }, (_, i) => `${i >> 1},o,${(i >> 1) % 2 === 0 ? 'a' : 'b'},1`);
    writeFileSync(path, ['id,owner,label,size', ...rows].join('\n') + '\n');
    const { report } = await run(path, ...common('--target', 'uniform', '--split', '0.5'));
    const [train, validation] = await Promise.all(report().files.map((file) => read(file.file)));
    const ids = new Set(train.map((row) => row.id));
    expect(validation.length).toBeGreaterThan(50);
    expect(validation.some((row) => ids.has(row.id))).toBe(false);
  });

  it('fills the smaller side with small groups where one group is too large for it', async () => {
    const path = join(folder, 'groups.csv');
    const rows = Array.from({ length: 1_000 }, (_, i) => `${i},g${i < 600 ? 0 : i % 50},${i % 4 === 0 ? 'b' : 'a'},1`);
    writeFileSync(path, ['id,owner,label,size', ...rows].join('\n') + '\n');
    for (const [split, larger] of [
      ['0.3', 1],
      ['0.7', 0],
    ] as const) {
      const args = ['--target', 'uniform', '--rows', '100', '--split', split, '--group-by', 'owner'];
      const { files } = (await run(path, ...common(...args))).report();
      const shares = files.map(({ share }) => share);
      expect(shares[0] + shares[1]).toBeCloseTo(1, 9);
      // A group of 608 on the side of 700, and groups of 8 that fill the rest to within half a group.
      expect(Math.abs(shares[larger] - 0.7)).toBeLessThanOrEqual(0.008);
      const owners = await Promise.all(
        files.map(async ({ file }) => new Set((await read(file)).map((row) => row.owner))),
      );
      expect([...owners[0]].filter((owner) => owners[1].has(owner))).toEqual([]);
      expect(owners[larger].has('g0')).toBe(true);
    }
  });

  it('says which value is no time', async () => {
    const path = join(folder, 'times.csv');
    writeFileSync(path, 'id,label,at\n1,a,2020-01-01\n2,b,soon\n3,a,\n');
    const { errors } = await run(path, ...common('--target', 'uniform', '--split', '0.5', '--time-by', 'at'));
    expect(JSON.parse(errors)).toMatchObject({ error: { type: 'MalformedTime', got: '"soon"' } });
  });

  it('reads the target from a JSON file and writes CSV', async () => {
    const target = join(folder, 'target.json');
    writeFileSync(target, '{"usual": 1, "ghost": 1}');
    const out = join(folder, 'out.csv');
    const { report } = await run(
      table(),
      '--label-column',
      'label',
      '--target',
      target,
      '--rows',
      '10',
      '--out',
      out,
      '--json',
    );
    expect(report().files[0].missing).toEqual({ ghost: 5 });
    expect(readFileSync(out, 'utf8').split('\n')[0]).toBe('id,owner,label,size,same,sample_weight');
  });

  it('keeps the text of the labels of a CSV file: 01 is neither 1 nor 1.0', async () => {
    const path = join(folder, 'codes.csv');
    const rows = Array.from({ length: 30 }, (_, i) => `${i},${['01', '1', '1.0'][i % 3]}`);
    writeFileSync(path, ['id,label', ...rows, '30,""'].join('\n') + '\n');
    const out = join(folder, 'codes-out.csv');
    const { report } = await run(path, ...common('--target', '01=1,1=1,1.0=2', '--rows', '20', '--out', out));
    expect(report()).toMatchObject({ unlabelled: 1, files: [{ rows: 20, gapAfter: 0 }] });
    const labels = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[1]);
    expect(labels.sort()).toEqual([
      ...Array<string>(5).fill('01'),
      ...Array<string>(5).fill('1'),
      ...Array<string>(10).fill('1.0'),
    ]);
  });

  it('takes the wanted mix from a file: weights by class, or a table with the label', async () => {
    const targets = {
      'target.yaml': 'usual: 1\nrare: 3\n',
      'target.csv': 'class,share\nusual,0.25\nrare,0.75\n',
      'table.csv': 'label\nrare\nusual\nrare\nrare\n',
    };
    for (const [name, text] of Object.entries(targets)) {
      writeFileSync(join(folder, name), text);
      const out = join(folder, 'new', 'out.csv');
      const { report } = await run(
        ...[table(), '--label-column', 'label', '--target', join(folder, name), '--rows', '40', '--out', out, '--json'],
      );
      expect(report().files[0]).toMatchObject({ classes: [{ wanted: 30 }, { wanted: 10 }] });
    }
  });

  it('refuses a file without any label, and an output of another kind', async () => {
    const path = join(folder, 'bare.csv');
    writeFileSync(path, 'id,label\n1,\n2,\n');
    const attempt = (input: string, out: string) =>
      run(input, '--label-column', 'label', '--target', 'uniform', '--out', join(folder, out), '--json');
    expect((await attempt(path, 'o.csv')).errors).toContain('NoLabels');
    expect((await attempt(table(), 'o.xlsx')).errors).toContain('UnknownFormat');
  });

  it('never writes over the rows that it draws from, nor where no file can be', async () => {
    const input = table();
    const before = readFileSync(input, 'utf8');
    const attempt = async (out: string) =>
      JSON.parse((await run(input, ...common('--target', 'uniform', '--rows', '5', '--out', out))).errors) as unknown;
    expect(await attempt(join(folder, '.', 'in.csv'))).toMatchObject({ error: { type: 'OutputIsInput' } });
    expect(readFileSync(input, 'utf8')).toBe(before);
    mkdirSync(join(folder, 'folder.csv'));
    for (const out of [join(input, 'out.csv'), join(folder, 'folder.csv')])
      expect(await attempt(out)).toMatchObject({ error: { type: 'UnwritableFile' } });
    expect(process.exitCode).toBe(2);
  });

  it.each([
    [
      'a target that names a class twice',
      'InvalidClassTarget',
      ['--label-column', 'label', '--target', 'usual=1,usual=3'],
    ],
    [
      'weights whose sum is no number',
      'InvalidClassTarget',
      ['--label-column', 'label', '--target', 'usual=1e308,rare=1e308'],
    ],
    ['an unknown label column', 'MissingColumn', ['--label-column', 'no', '--target', 'uniform']],
    [
      'a group without a split',
      'InvalidSplit',
      ['--label-column', 'label', '--target', 'uniform', '--group-by', 'owner'],
    ],
    ['a target that is no mix', 'InvalidClassTarget', ['--label-column', 'label', '--target', 'a=0']],
    [
      'a target that is neither a mix nor a file',
      'InvalidClassTarget',
      ['--label-column', 'label', '--target', 'a.json'],
    ],
    ['a target none of whose classes is there', 'UnknownClasses', ['--label-column', 'label', '--target', 'a=1,b=1']],
    [
      'a split that leaves a side empty',
      'EmptySplit',
      ['--label-column', 'label', '--target', 'uniform', '--split', '0.5', '--group-by', 'same'],
    ],
    [
      'a time column without times',
      'MalformedTime',
      ['--label-column', 'label', '--target', 'uniform', '--split', '0.5', '--time-by', 'owner'],
    ],
  ])('refuses %s', async (_name, type, args) => {
    const { code, errors } = await run(table(), ...args, '--rows', '5', '--out', join(folder, 'o.parquet'), '--json');
    expect(code).toBe(2);
    expect((JSON.parse(errors) as { error: { type: string } }).error.type).toBe(type);
  });
});
