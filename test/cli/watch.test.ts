import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerWatch } from '../../cli/commands/watch.js';
import { runCommand } from '../support/command.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'balance-watch-'))));
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const run = (...args: string[]) => runCommand(registerWatch, 'watch', ...args);
/** 200 values around 0, then 60 around 3. */
const series = Array.from({ length: 260 }, (_, i) => `${i},${Math.sin(i * i) + (i < 200 ? 0 : 3)}`);
const text = `time,value\n${series.join('\n')}\n`;

describe('balance watch', () => {
  it('writes time, value, alarm and kind for every row', async () => {
    const input = join(folder, 'a.csv');
    const output = join(folder, 'out.csv');
    writeFileSync(input, text);
    const { code, out } = await run(input, '--out', output, '--json');
    expect(code).toBe(0);
    const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe('time,value,alarm,kind');
    expect(lines).toHaveLength(261);
    expect(lines[1]).toBe(`${series[0]},0,`);
    const alarmed = lines.filter((line) => line.endsWith(',1,level-up'));
    expect(alarmed).toHaveLength(1);
    const summary = JSON.parse(out) as { files: { rows: number; alarms: { row: number; kind: string }[] }[] };
    expect(summary.files[0].rows).toBe(260);
    expect(summary.files[0].alarms.map(({ row, kind }) => [lines[row + 1], kind])).toEqual([[alarmed[0], 'level-up']]);
  });
  it('takes a folder and writes one', async () => {
    const input = join(folder, 'in');
    mkdirSync(input);
    for (const name of ['a.csv', 'b.csv']) writeFileSync(join(input, name), text);
    await run(input, '--out', join(folder, 'out'));
    expect(readFileSync(join(folder, 'out', 'b.csv'), 'utf8')).toBe(readFileSync(join(folder, 'out', 'a.csv'), 'utf8'));
  });
  it('never writes over what it reads', async () => {
    const input = join(folder, 'a.csv');
    writeFileSync(input, text);
    for (const [from, to] of [
      [input, join(folder, '.', 'a.csv')],
      [folder, folder],
    ]) {
      const { code, errors } = await run(from, '--out', to, '--json');
      expect(code).toBe(2);
      expect((JSON.parse(errors) as { error: { type: string } }).error.type).toBe('OutputIsInput');
    }
    expect(readFileSync(input, 'utf8')).toBe(text);
  });
  it('refuses a file without values', async () => {
    const input = join(folder, 'a.csv');
    writeFileSync(input, 'time,speed\n1,2\n');
    const { code, errors } = await run(input, '--out', join(folder, 'o.csv'), '--json');
    expect(code).toBe(2);
    expect((JSON.parse(errors) as { error: { type: string } }).error.type).toBe('MissingColumn');
  });
});
