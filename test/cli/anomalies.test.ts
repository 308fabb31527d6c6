import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { registerAnomalies } from '../../cli/commands/anomalies.js';
import { registerPatterns } from '../../cli/commands/patterns.js';

let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'balance-anomalies-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs one command in this process; gives its exit code and what it wrote. */
async function run(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  let [out, errors] = ['', ''];
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true)),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true)),
  ];
  const program = new Command('balance').exitOverride();
  registerAnomalies(program);
  registerPatterns(program);
  try {
    process.exitCode = 0;
    await program.parseAsync(['node', 'balance', ...args]);
    return { code: process.exitCode, out, errors };
  } catch {
    return { code: 2, out, errors };
  } finally {
    process.exitCode = 0;
    spies.forEach((spy) => spy.mockRestore());
  }
}

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n') + '\n');
  return path;
}
const lines = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');

/** Two weeks of hourly values with one spike on row 300. */
const rows = Array.from({ length: 336 }, (_, i) => {
  const at = new Date(Date.UTC(2024, 0, 1, i)).toISOString().slice(0, 19).replace('T', ' ');
  return `${at},${(50 + 10 * Math.sin((2 * Math.PI * i) / 24) + ((i * 7919) % 13) / 10 + (i === 300 ? 60 : 0)).toFixed(2)}`;
});

describe('balance anomalies', () => {
  it('writes the documented columns, the input cells unchanged, one alarm for one spike', async () => {
    const input = file('spike.csv', ['timestamp,value', ...rows]);
    const out = join(folder, 'spike-out.csv');
    const { code, out: text } = await run('anomalies', input, '--out', out, '--json');
    expect(code).toBe(0);
    const [header, ...scored] = lines(out);
    expect(header).toBe('timestamp,value,anomaly_score,is_anomaly,type,action');
    expect(scored.map((row) => row.split(',').slice(0, 2).join(','))).toEqual(rows);
    const alarms = scored.map((row) => row.split(',')).filter((cells) => cells[3] === '1');
    expect(alarms).toHaveLength(1);
    expect(alarms[0][4]).toBe('spike');
    expect(Number(scored[300].split(',')[2])).toBeGreaterThan(0.5);
    expect(JSON.parse(text)).toMatchObject({ files: [{ file: input, rows: 336, alarms: [{ type: 'spike' }] }] });
  });

  it('gives a truncated file the identical prefix', async () => {
    const [whole, part] = [join(folder, 'whole.csv'), join(folder, 'part.csv')];
    await run('anomalies', file('a.csv', ['timestamp,value', ...rows]), '--out', whole);
    for (const length of [10, 301, 303]) {
      await run('anomalies', file('b.csv', ['timestamp,value', ...rows.slice(0, length)]), '--out', part);
      expect(lines(part)).toEqual(lines(whole).slice(0, length + 1));
    }
  });

  it('takes a folder and writes a folder with the same names', async () => {
    const inputs = join(folder, 'in');
    mkdirSync(inputs);
    for (const name of ['one.csv', 'two.csv'])
      writeFileSync(join(inputs, name), ['timestamp,value', ...rows].join('\n'));
    writeFileSync(join(inputs, 'notes.txt'), 'not a table');
    const out = join(folder, 'deep', 'out');
    expect((await run('anomalies', inputs, '--out', out)).code).toBe(0);
    expect(lines(join(out, 'one.csv'))).toEqual(lines(join(out, 'two.csv')));
  });

  it('reads seconds, ISO times and missing values', async () => {
    const input = file('mixed.csv', [
      'timestamp,value',
      '0,1',
      '60,',
      '1970-01-01T00:02:00Z,nan',
      '1970-01-01 00:03:00,2',
    ]);
    const out = join(folder, 'mixed-out.csv');
    expect((await run('anomalies', input, '--out', out)).code).toBe(0);
    expect(lines(out).slice(1)).toEqual([
      '0,1,0,0,,',
      '60,,0,0,,',
      '1970-01-01T00:02:00Z,nan,0,0,,',
      '1970-01-01 00:03:00,2,0,0,,',
    ]);
  });

  it.each<[string, string[], RegExp]>([
    ['a missing column', ['time,level', '0,1'], /MissingColumn[\s\S]*value/],
    ['an unreadable time', ['timestamp,value', 'yesterday,1'], /MalformedTime[\s\S]*row 0/],
    ['an unreadable value', ['timestamp,value', '0,1', '60,much'], /MalformedValue[\s\S]*row 1[\s\S]*much/],
  ])('refuses %s with exit code 2 and says where', async (_, content, message) => {
    const { code, errors } = await run('anomalies', file('bad.csv', content), '--out', join(folder, 'bad-out.csv'));
    expect(code).toBe(2);
    expect(errors).toMatch(message);
  });

  it('refuses two inputs of one name, an empty folder and a budget that is not positive', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const one = file('same.csv', ['timestamp,value', '0,1']);
    const out = join(folder, 'none');
    expect((await run('anomalies', one, one, '--out', out)).errors).toMatch(/AmbiguousOutput/);
    expect((await run('anomalies', empty, '--out', out)).errors).toMatch(/EmptyFolder/);
    expect((await run('anomalies', one, '--max-per-week', '0', '--out', out)).code).toBe(2);
  });
});

describe('balance patterns', () => {
  it('prints periods, trend, change points and who follows whom as JSON', async () => {
    let state = 1;
    const uniform = (): number => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647 - 0.5;
    const drive = Array.from({ length: 480 }, uniform);
    const long = drive.flatMap((x, i) => [
      `lead,${i * 3600},${x}`,
      `late,${i * 3600},${(drive[i - 4] ?? 0) + 3 * Math.sin((2 * Math.PI * i) / 24) + 0.1 * uniform()}`,
    ]);
    const { code, out } = await run('patterns', file('long.csv', ['series,time_s,value', ...long]), '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { series: { series: string; periods: unknown[] }[]; correlations: unknown[] };
    expect(report.series.map((one) => [one.series, one.periods.length])).toEqual([
      ['late', 1],
      ['lead', 0],
    ]);
    expect(report.series[0].periods[0]).toMatchObject({ steps: 24, seconds: 86_400 });
    expect(report.correlations).toMatchObject([{ leader: 'lead', follower: 'late', lagSteps: 4, lagSeconds: 14_400 }]);
  });

  it('reads timestamp,value as one series and prints a line for people', async () => {
    const { code, out } = await run('patterns', file('one.csv', ['timestamp,value', ...rows]));
    expect(code).toBe(0);
    expect(out).toMatch(/^value: periods 24 rows \(0\.\d+\); trend none; \d+ change\(s\)\n$/);
  });
});
