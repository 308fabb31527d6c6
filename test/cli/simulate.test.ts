import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerSimulate } from '../../cli/commands/simulate.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'balance-simulate-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function run(csv: string, ...flags: string[]) {
  const file = join(folder, 'arrivals.csv');
  writeFileSync(file, csv);
  const out: string[] = [];
  const err: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
  const program = new Command('balance');
  registerSimulate(program);
  await program.parseAsync(['node', 'balance', 'simulate', file, ...flags]);
  return { out: out.join(''), err: err.join(''), exitCode: process.exitCode };
}

describe('balance simulate', () => {
  it('prints the summary and writes the trace', async () => {
    const trace = join(folder, 'out.csv');
    const csv = 'time_ms,items,deadline_ms\n0,1,\n5,2,10\n60,1,\n';
    const { out } = await run(csv, '--deadline-ms', '100', '--trace', trace, '--json');
    expect(JSON.parse(out)).toEqual({
      policy: 'balance',
      requests: 3,
      onTime: 2,
      late: 0,
      dropped: 1,
      batches: 2,
      waitMs: { mean: 0, p50: 0, p95: 0, p99: 0 },
      cost: null,
    });
    // The second needs 14 ms alone but has 10; it is never served.
    expect(readFileSync(trace, 'utf8')).toBe(
      'request,release_ms,batch,done_ms,dropped\n0,0,0,12,0\n1,,,,1\n2,60,1,72,0\n',
    );
  });

  it('counts the cost of batches and waiting without a server', async () => {
    const { out } = await run(
      'time_ms\n0\n5\n30\n',
      '--policy',
      'fixed',
      '--size',
      '2',
      '--batch-cost',
      '0.01',
      '--json',
    );
    // Two batches at 0.01 and five milliseconds of waiting.
    expect(JSON.parse(out)).toMatchObject({ batches: 2, cost: 0.025, onTime: 3 });
  });

  it.each([
    ['time\n0\n', [], 'MissingColumn'],
    ['time_ms\n5\n4\n', [], 'MalformedTrace'],
    ['time_ms\nx\n', [], 'MalformedTrace'],
    ['time_ms,items\n0,0\n', [], 'MalformedTrace'],
    ['time_ms,deadline_ms\n0,-1\n', [], 'MalformedTrace'],
    ['time_ms\n0\n', ['--deadline-ms', '-1'], 'MalformedTrace'],
    ['time_ms,time_ms\n0,0\n', [], 'DuplicateColumn'],
    ['time_ms\n0\n', ['--policy', 'fixed'], 'InvalidPolicy'],
    ['time_ms\n0\n', ['--max-batch', '0'], 'InvalidPolicy'],
  ])('reports %j %j as %s, with exit code 2', async (csv, flags, type) => {
    const { err, exitCode } = await run(csv, '--json', ...flags);
    expect(JSON.parse(err)).toMatchObject({ error: { type, hint: expect.stringContaining('--help') as string } });
    expect(exitCode).toBe(2);
  });
});
