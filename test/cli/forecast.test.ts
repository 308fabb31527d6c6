import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RegisterCommand } from '../../cli/command.js';
import { registerBacktest } from '../../cli/commands/backtest.js';
import { registerForecast } from '../../cli/commands/forecast.js';
import { registerPeaks } from '../../cli/commands/peaks.js';

let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'balance-forecast-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs one command in this process; gives its exit code, the output file and stderr. */
async function run(register: RegisterCommand, ...args: string[]): Promise<{ code: number; errors: string }> {
  const errors: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => errors.push(String(text)) > 0);
  const program = new Command('balance').exitOverride();
  program.configureOutput({ writeErr: (text) => errors.push(text) });
  register(program);
  try {
    process.exitCode = 0;
    await program.parseAsync(['node', 'balance', ...args]);
    return { code: process.exitCode, errors: errors.join('') };
  } catch {
    return { code: 2, errors: errors.join('') };
  } finally {
    process.exitCode = 0;
    spy.mockRestore();
  }
}

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n') + '\n');
  return path;
}
const lines = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');

const hour = (t: number): string => `${t * 3600}`;
const wave = (name: string, n: number): string[] =>
  Array.from({ length: n }, (_, t) => `${name},${hour(t)},${(10 + 5 * Math.sin((2 * Math.PI * t) / 24)).toFixed(3)}`);

describe('balance forecast', () => {
  it('writes the documented columns for every series and step', async () => {
    const input = file('two.csv', ['series,time,value', ...wave('b', 200), ...wave('a', 200)]);
    const out = join(folder, 'two-out.csv');
    expect((await run(registerForecast, 'forecast', input, '--horizon', '3', '--out', out)).code).toBe(0);
    const [header, ...rows] = lines(out);
    expect(header).toBe('series,step,mean,lo80,hi80,lo95,hi95');
    expect(rows.map((row) => row.split(',').slice(0, 2).join())).toEqual(['b,1', 'b,2', 'b,3', 'a,1', 'a,2', 'a,3']);
    const [, , mean] = rows[0].split(',').map(Number);
    expect(mean).toBeCloseTo(10 + 5 * Math.sin((2 * Math.PI * 200) / 24), 1);
  });

  it('names the columns of other levels', async () => {
    const input = file('levels.csv', ['series,time_s,value', ...wave('x', 100)]);
    const out = join(folder, 'levels-out.csv');
    await run(registerForecast, 'forecast', input, '--horizon', '1', '--levels', '0.5,0.999', '--out', out);
    expect(lines(out)[0]).toBe('series,step,mean,lo50,hi50,lo99.9,hi99.9');
  });

  it('gives the same answer whatever the order of the rows, with gaps and corrected duplicates', async () => {
    const rows = wave('x', 120).filter((_, t) => t !== 50);
    const tidy = file('tidy.csv', ['series,time,value', ...rows]);
    const first = rows[7].split(',');
    const wrong = `${first[0]},${first[1]},999`;
    const messy = file('messy.csv', ['series,time,value', wrong, ...[...rows].reverse(), 'x,180000,']);
    const outs = [join(folder, 'tidy-out.csv'), join(folder, 'messy-out.csv')];
    await run(registerForecast, 'forecast', tidy, '--horizon', '4', '--out', outs[0]);
    await run(registerForecast, 'forecast', messy, '--horizon', '4', '--out', outs[1]);
    expect(lines(outs[1])).toEqual(lines(outs[0]));
  });

  it.each([
    ['the first of each', (month: number) => new Date(Date.UTC(2015, month, 1)), 1],
    ['the last of each', (month: number) => new Date(Date.UTC(2015, month + 1, 0, 12)), 1],
    ['each quarter, across 1970', (quarter: number) => new Date(Date.UTC(1955, quarter * 3, 15, 12)), 3],
  ])('takes months for steps: %s', async (_, timeOf, months) => {
    const value = (i: number): number => 100 + 40 * Math.sin((2 * Math.PI * i * months) / 12);
    const rows = Array.from({ length: 96 }, (_row, i) => `a,${timeOf(i).toISOString()},${value(i)}`);
    // One month lacks.
    const input = file('months.csv', ['series,time,value', ...rows.slice(0, 40), ...rows.slice(41)]);
    const out = join(folder, 'months-out.csv');
    const { code, errors } = await run(registerForecast, 'forecast', input, '--horizon', '6', '--out', out);
    expect({ code, errors }).toEqual({ code: 0, errors: '1 file(s) forecast\n' });
    const means = lines(out)
      .slice(1)
      .map((line) => Number(line.split(',')[2]));
    for (const [step, mean] of means.entries()) expect(Math.abs(mean - value(96 + step))).toBeLessThan(4);
  });

  it('says how many rows were replaced and how many values are infinite', async () => {
    const wave = Array.from({ length: 60 }, (_, i) => `a,${i * 3600},${10 + (i % 24)}`);
    const input = file('noted.csv', ['series,time,value', ...wave, 'a,3600,7', 'a,7200,inf', 'b,0,-Infinity']);
    const out = join(folder, 'noted-out.csv');
    const { code, errors } = await run(registerForecast, 'forecast', input, '--horizon', '2', '--out', out);
    expect(code).toBe(0);
    expect(errors).toContain(`${input}: 2 row(s) replaced by a later row of the same series and step`);
    expect(errors).toContain(`${input}: 2 row(s) of infinite value, read as missing`);
  });

  it.each([1e3, 1e6, 1e9])('reads times in seconds times %d as the same times', async (unit) => {
    const rows = (per: number): string[] => [
      'series,time,value',
      ...Array.from({ length: 100 }, (_, i) => `a,${(1_700_000_000 + i * 3600) * per},${10 + ((i * 7) % 24)}`),
    ];
    const [one, other] = [file('unit-1.csv', rows(1)), file('unit-n.csv', rows(unit))].map((path) => ({ path }));
    for (const { path } of [one, other]) {
      await run(registerForecast, 'forecast', path, '--horizon', '3', '--out', `${path}.out`);
    }
    expect(lines(`${other.path}.out`)).toEqual(lines(`${one.path}.out`));
    expect(lines(`${one.path}.out`)).toHaveLength(4);
  });

  it('reads ISO times and a file without a series column', async () => {
    const input = file(
      'iso.csv',
      ['timestamp,value'].concat(
        Array.from(
          { length: 48 },
          (_, t) => `2024-01-0${1 + Math.floor(t / 24)} ${String(t % 24).padStart(2, '0')}:00:00,7`,
        ),
      ),
    );
    const out = join(folder, 'iso-out.csv');
    expect((await run(registerForecast, 'forecast', input, '--horizon', '1', '--out', out)).code).toBe(0);
    expect(lines(out)[1]).toBe('value,1,7,7,7,7,7');
  });

  it('takes a folder and writes a folder', async () => {
    const inputs = join(folder, 'many');
    mkdirSync(inputs);
    file('many/one.csv', ['series,time,value', ...wave('x', 60)]);
    file('many/two.csv', ['series,time,value', ...wave('y', 60)]);
    const out = join(folder, 'many-out');
    expect((await run(registerForecast, 'forecast', inputs, '--horizon', '2', '--out', out)).code).toBe(0);
    expect(lines(join(out, 'one.csv'))).toHaveLength(3);
    expect(lines(join(out, 'two.csv'))).toHaveLength(3);
  });

  it.each([
    ['a missing value column', ['series,time', 'x,1'], 'MissingColumn'],
    ['an unreadable value', ['series,time,value', 'x,1,many'], 'MalformedValue'],
    ['an unreadable time', ['series,time,value', 'x,soon,1'], 'MalformedTime'],
    ['times without a regular step', ['series,time,value', 'x,0,1', 'x,1,1', 'x,2,1', 'x,1e9,1'], 'IrregularTimes'],
    ['an empty file', [], 'EmptyFile'],
  ])('refuses %s', async (name, content, type) => {
    const input = file(`${name}.csv`, content);
    const { code, errors } = await run(
      registerForecast,
      'forecast',
      input,
      '--horizon',
      '1',
      '--out',
      join(folder, 'no.csv'),
    );
    expect(code).toBe(2);
    expect(errors).toContain(type);
  });

  it.each([
    ['a horizon of zero', ['--horizon', '0']],
    ['a level of one', ['--horizon', '1', '--levels', '1']],
    ['a season of one step', ['--horizon', '1', '--season', '1']],
  ])('refuses %s', async (_, options) => {
    const { code } = await run(registerForecast, 'forecast', 'x.csv', ...options, '--out', 'y.csv');
    expect(code).toBe(2);
  });
});

describe('balance backtest', () => {
  it('writes one row per origin and step with the value that came', async () => {
    const input = file('replay.csv', ['series,time,value', ...wave('x', 100)]);
    const out = join(folder, 'replay-out.csv');
    const { code } = await run(
      registerBacktest,
      'backtest',
      input,
      '--horizon',
      '2',
      '--origins',
      '90:5',
      '--out',
      out,
    );
    expect(code).toBe(0);
    const [header, ...rows] = lines(out);
    expect(header).toBe('series,origin,step,mean,q10,q50,q90,actual');
    const cells = rows.map((row) => row.split(','));
    expect(cells.map(([, origin, step]) => `${origin}+${step}`)).toEqual(['90+1', '90+2', '95+1', '95+2']);
    expect(cells[0][7]).toBe('5');
  });

  it('says which series has no origin and writes the header alone', async () => {
    const input = file('few.csv', ['series,time,value', ...wave('x', 10)]);
    const out = join(folder, 'few-out.csv');
    const args = ['backtest', input, '--horizon', '2', '--origins', '90:5', '--out', out];
    const { code, errors } = await run(registerBacktest, ...args);
    expect(code).toBe(0);
    expect(errors).toContain('no forecasts of series x: it has 10 values, the first origin is 90');
    expect(readFileSync(out, 'utf8')).toBe('series,origin,step,mean,q10,q50,q90,actual\n');
  });

  it('does not look ahead: a file that ends earlier gives the same forecasts', async () => {
    const rows = wave('x', 300).map((row, t) => (t % 11 === 3 ? row.replace(/[^,]*$/, 'NaN') : row));
    const forecasts = async (n: number): Promise<string[]> => {
      const input = file(`cut-${n}.csv`, ['series,time,value', ...rows.slice(0, n)]);
      const out = join(folder, `cut-${n}-out.csv`);
      await run(registerBacktest, 'backtest', input, '--horizon', '3', '--origins', '50:7', '--out', out);
      // A cut may shift nothing but which steps have come: the last column.
      return lines(out).map((line) => line.replace(/,[^,]*$/, ''));
    };
    const whole = await forecasts(300);
    const cut = await forecasts(200);
    expect(cut.length).toBeGreaterThan(60);
    expect(whole.slice(0, cut.length - 3)).toEqual(cut.slice(0, -3));
  });

  it('refuses origins that are no FROM:STEP', async () => {
    const { code } = await run(
      registerBacktest,
      'backtest',
      'x.csv',
      '--horizon',
      '1',
      '--origins',
      '5',
      '--out',
      'y.csv',
    );
    expect(code).toBe(2);
  });
});

describe('balance peaks', () => {
  it('plans a window every six steps', async () => {
    const input = file('peaks.csv', ['series,time,value', ...wave('x', 100)]);
    const out = join(folder, 'peaks-out.csv');
    const args = ['--violation', '0.05', '--every', '6', '--out', out];
    expect((await run(registerPeaks, 'peaks', input, ...args)).code).toBe(0);
    const [header, ...rows] = lines(out);
    expect(header).toBe('series,step,capacity');
    expect(rows.map((row) => Number(row.split(',')[1]))).toEqual(Array.from({ length: 17 }, (_, i) => 6 * i));
  });

  it.each([0, 1, 4])('uses values before the step minus a lead of %d only', async (lead) => {
    const rows = wave('x', 240).map((row, t) => (t % 13 === 5 ? row.replace(/[^,]*$/, '') : row));
    const capacities = async (name: string, content: string[]): Promise<string[]> => {
      const input = file(`${name}-${lead}.csv`, ['series,time,value', ...content]);
      const out = join(folder, `${name}-${lead}-out.csv`);
      const args = ['--violation', '0.05', '--every', '6', '--lead', String(lead), '--season', '24', '--out', out];
      await run(registerPeaks, 'peaks', input, ...args);
      return lines(out);
    };
    const whole = await capacities('whole', rows);
    expect(whole.slice(1).map((row) => Number(row.split(',')[1]))).toEqual(Array.from({ length: 40 }, (_, i) => 6 * i));
    // All from step 120 - lead on is different: the plan for step 120 must not be.
    const changed = rows.map((row, t) => (t >= 120 - lead ? row.replace(/[^,]*$/, '999') : row));
    const other = await capacities('changed', changed);
    expect(other.slice(0, 22)).toEqual(whole.slice(0, 22));
    expect(other[23]).not.toEqual(whole[23]);
    const cut = await capacities('cut', rows.slice(0, 130));
    expect(cut).toEqual(whole.slice(0, cut.length));
  });

  it('refuses a violation rate above one half', async () => {
    const args = ['--violation', '0.7', '--every', '6', '--out', 'y.csv'];
    expect((await run(registerPeaks, 'peaks', 'x.csv', ...args)).code).toBe(2);
  });
});
