import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerProfile } from '../../cli/commands/profile.js';
import { runCommand } from '../support/command.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'balance-profile-'))));
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const run = (...args: string[]) => runCommand(registerProfile, 'profile', ...args);

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const BEERS = 'id,ounces,style\n1,12.0 oz,ipa\n2,16.0 oz,ipa\n3,12,stout\n4,N/A,stout\n';
const CONTRACT = 'columns:\n  ounces: {type: number, unit: oz}\n';

describe('balance profile', () => {
  it('writes one line per suspected cell, with what was probably meant', async () => {
    const findings = join(folder, 'cells.csv');
    const { code } = await run(
      write('beers.csv', BEERS),
      '--contract',
      write('c.yaml', CONTRACT),
      '--findings',
      findings,
    );
    expect(code).toBe(0);
    expect(readFileSync(findings, 'utf8')).toBe(
      'row,column,kind,score,hasSuggestion,suggested\n' +
        '0,ounces,unit,0.95,true,12\n' +
        '1,ounces,unit,0.95,true,16\n' +
        '3,ounces,implicit-missing,0.95,true,\n',
    );
  });

  it('takes whole numbers at their word, whatever type the file keeps them in', async () => {
    const table = write('t.json', '[{"size":12.0,"share":0.5},{"size":13,"share":1.5}]');
    const contract = write('c.yaml', 'columns:\n  size: {type: integer}\n  share: {type: number}\n');
    const { out } = await run(table, '--contract', contract, '--json');
    expect(JSON.parse(out)).toMatchObject({ rows: 2, suspectedCells: 0 });
  });

  it('prints scores, weights, columns and grouped findings as JSON', async () => {
    const { out } = await run(write('beers.csv', BEERS), '--contract', write('c.yaml', CONTRACT), '--json');
    const result = JSON.parse(out) as Record<string, unknown>;
    expect(result).toMatchObject({
      rows: 4,
      suspectedCells: 3,
      columns: [
        { name: 'id', inferredType: 'integer' },
        { name: 'ounces', implicitMissing: 1 },
        { name: 'style', distinct: 2 },
      ],
      findings: [
        { kind: 'unit', column: 'ounces', cells: 2, repairable: 2 },
        { kind: 'implicit-missing', column: 'ounces', cells: 1 },
      ],
    });
    const weights = Object.values(result.weights as Record<string, number>);
    expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });

  it('learns from corrected rows', async () => {
    const labels = write('labels.csv', 'row,id,ounces,style\n0,1,12,ipa\n');
    const { out } = await run(write('beers.csv', BEERS), '--labels', labels, '--findings', '-');
    expect(out.split('\n').slice(1, 3)).toEqual([
      '0,ounces,labelled,1,true,12',
      expect.stringMatching(/^1,ounces,learned,.*,true,16$/),
    ]);
  });

  describe('with references', () => {
    const ORDERS =
      'id,customer,shop,day\n1,7,a,2020-01-01\n2,8,a,2020-01-02\n3,9,b,2020-01-01\n4,9,b,\n5,,a,2020-01-01\n';
    const references = ['customer -> customers.id', 'shop, day -> openings(shop, day)'];
    const orders = () => [write('orders.csv', ORDERS), '--contract', write('o.yaml', JSON.stringify({ references }))];

    it('counts the rows without a target in the tables that it is given, and says what it could not judge', async () => {
      const { code, out } = await run(
        ...orders(),
        '--with',
        `customers=${write('c.csv', 'id,name\n7.0,x\n 8,y\n')}`,
        '--json',
      );
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        references: [
          { reference: references[0], rows: 4, orphans: 2, share: 0.5, examples: [{ value: '9', rows: 2 }] },
          { reference: references[1], rows: 4, orphans: null, share: null, examples: [] },
        ],
        findings: [{ kind: 'orphan', column: 'customer', cells: 2 }],
      });
    });

    it('holds several columns against a table together', async () => {
      const openings = write('w.csv', 'shop,day\na,2020-01-01\nb,2020-01-02\na,2020-01-02\n');
      const { out } = await run(...orders(), '--with', `openings=${openings}`);
      expect(out).toContain(
        '1 of 4 rows refer to nothing (shop, day -> openings(shop, day)), for example b, 2020-01-01',
      );
      expect(out).toContain('not judged, since the other table was not given (--with): customer -> customers.id');
    });

    it('lists the columns that the file lacks, and does not judge their references', async () => {
      const other = write('other.csv', 'id,shop,day\n1,a,2020-01-01\n');
      const [, ...contract] = orders();
      const { code, out } = await run(other, ...contract, '--with', 'customers=c.csv', '--json');
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        absentColumns: ['customer'],
        references: [{ reference: references[1] }],
      });
    });

    it.each([
      ['shops=c.csv', 'no reference of the contract names the table shops', 'customers, openings'],
      ['customers', '--with customers names no table', 'NAME=FILE'],
      ['customers=nowhere.csv', 'cannot read nowhere.csv', 'a readable file'],
    ])('refuses --with %s', async (given, message, expected) => {
      const { code, errors } = await run(...orders(), '--with', given);
      expect(code).toBe(2);
      expect(errors).toContain(message);
      expect(errors).toContain(expected);
    });
  });

  it('compares the class mix with a target', async () => {
    const target = write('target.csv', 'class,share\nipa,3\nstout,1\n');
    const { out } = await run(write('beers.csv', BEERS), '--label-column', 'style', '--target', target, '--json');
    expect(JSON.parse(out)).toMatchObject({
      balance: {
        classCounts: { ipa: 2, stout: 2 },
        target: { ipa: 0.75, stout: 0.25 },
        gap: 0.25,
        shortfall: { ipa: 1 },
      },
    });
  });

  it('compares with a reference', async () => {
    const file = write('beers.csv', BEERS);
    const { out } = await run(file, '--reference', file, '--json');
    expect(JSON.parse(out)).toMatchObject({ drift: { drift: false } });
  });

  it('reads a table that is not CSV', async () => {
    const { out } = await run(write('beers.ndjson', '{"a":1,"b":null}\n{"a":2,"b":"x"}\n'), '--json');
    expect(JSON.parse(out)).toMatchObject({
      rows: 2,
      columns: [
        { name: 'a', completeness: 1 },
        { name: 'b', completeness: 0.5 },
      ],
    });
  });

  it('describes itself', async () => {
    const out: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
    const program = new Command('balance').exitOverride();
    registerProfile(program);
    await expect(program.parseAsync(['node', 'balance', 'profile', '--help'])).rejects.toMatchObject({ exitCode: 0 });
    expect(out.join('')).toContain('row,column,kind,score,hasSuggestion,suggested');
  });

  it('writes a contract that it reads again', async () => {
    const rows = Array.from({ length: 200 }, (_, at) => `${at},${at % 2 === 0 ? 'ale' : 'stout'}`);
    const file = write('many.csv', ['id,style', ...rows].join('\n') + '\n');
    const contract = join(folder, 'suggested.yaml');
    await run(file, '--suggest', contract, '--json');
    const { code, out } = await run(file, '--contract', contract, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ suspectedCells: 0, absentColumns: [] });
  });

  const misuse: [string, () => string[], string][] = [
    ['a file that is not there', () => [join(folder, 'none.csv')], 'UnreadableFile'],
    [
      'a contract that is not there',
      () => [write('b.csv', BEERS), '--contract', join(folder, 'none.yaml')],
      'UnreadableFile',
    ],
    [
      'a contract that does not fit',
      () => [write('b.csv', BEERS), '--contract', write('c.yaml', 'columns: 3')],
      'InvalidContract',
    ],
    [
      'labels of a row that is not there',
      () => [write('b.csv', BEERS), '--labels', write('l.csv', 'row,id\n4,5\n')],
      'InvalidLabels',
    ],
    [
      'labels that tell a row twice',
      () => [write('b.csv', BEERS), '--labels', write('l.csv', 'row,id\n0,5\n0,6\n')],
      'InvalidLabels',
    ],
    [
      'labels of other columns',
      () => [write('b.csv', BEERS), '--labels', write('l.csv', 'row,brewery\n0,5\n')],
      'InvalidLabels',
    ],
    ['labels without a row', () => [write('b.csv', BEERS), '--labels', write('l.csv', 'id\n4\n')], 'InvalidLabels'],
    ['an unknown label column', () => [write('b.csv', BEERS), '--label-column', 'colour'], 'MissingColumn'],
    [
      'a target that is none',
      () => [write('b.csv', BEERS), '--label-column', 'style', '--target', write('t.csv', 'a,b,c\n1,2,3\n')],
      'InvalidClassTarget',
    ],
  ];
  it.each(misuse)('refuses %s with exit code 2', async (_name, args, type) => {
    const { code, errors } = await run(...args(), '--json');
    expect(code).toBe(2);
    expect((JSON.parse(errors) as { error: { type: string } }).error.type).toBe(type);
  });
});
