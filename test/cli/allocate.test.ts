import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'balance-allocate-'));
afterAll(() => rmSync(folder, { recursive: true }));

function balance(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
    cwd: root,
    input,
    encoding: 'utf8',
  });
}

const paper = {
  resources: { cpu: 9, mem: 18 },
  models: [
    { id: 'A', weight: 1, demand: { cpu: 1, mem: 4 }, cap: null, cohort: null },
    { id: 'B', demand: { cpu: 3, mem: 1 } },
  ],
  cohorts: [],
  divisible: true,
};

describe('balance allocate', () => {
  it('allocates an instance of a file, and lists instances and quanta of standard input', () => {
    const file = join(folder, 'paper.json');
    writeFileSync(file, JSON.stringify(paper));
    const single = balance(['allocate', file, '--json']);
    expect(single.status).toBe(0);
    const result = JSON.parse(single.stdout) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(['allocations', 'utilization', 'jain']);
    expect(result.allocations).toEqual([
      {
        id: 'A',
        units: expect.closeTo(3, 9),
        dominantShare: expect.closeTo(2 / 3, 9),
        binding: 'cpu',
        reason: expect.stringContaining('held by B 6'),
      },
      {
        id: 'B',
        units: expect.closeTo(2, 9),
        dominantShare: expect.closeTo(2 / 3, 9),
        binding: 'cpu',
        reason: expect.stringContaining('held by A 3'),
      },
    ]);
    const quanta = {
      resources: { cpu: 4 },
      models: [{ id: 'a', demand: { cpu: 1 } }],
      quanta: [{ demands: { a: 1 } }, { demands: { a: 9 } }],
    };
    const several = balance(['allocate', '-', '--json'], JSON.stringify([paper, quanta]));
    const results = JSON.parse(several.stdout) as [unknown, { allocations: { units: number }[] }[]];
    expect(results[0]).toEqual(result);
    expect(results[1].map(({ allocations }) => allocations[0].units)).toEqual([1, 4]);
  });

  it('prints a table for a person', () => {
    const { stdout } = balance(['allocate', '-'], JSON.stringify(paper));
    expect(stdout).toMatch(/^model +units +share +reason\nA +3\.00000 +66\.7 % +Gets 3 units/);
    expect(stdout).toMatch(/used: cpu 100\.0 %, mem 77\.8 %; evenness \(Jain\) 1\.000\n$/);
  });

  it.each([
    ['a file that does not exist', ['allocate', 'none.json', '--json'], '', 'UnreadableFile', /none\.json/],
    ['text that is not JSON', ['allocate', '-', '--json'], '{', 'MalformedJson', /not JSON/],
    [
      'a field that nobody knows',
      ['allocate', '-', '--json'],
      JSON.stringify({ ...paper, model: [] }),
      'InvalidAllocation',
      /model/,
    ],
    [
      'a weight that is text',
      ['allocate', '-', '--json'],
      JSON.stringify({ ...paper, models: [{ id: 'a', weight: 'x' }] }),
      'InvalidAllocation',
      /models\[0\]\.weight/,
    ],
    [
      'an unknown resource',
      ['allocate', '-', '--json'],
      JSON.stringify({ ...paper, resources: { cpu: 1 } }),
      'InvalidAllocation',
      /unknown resource "mem"/,
    ],
  ])('refuses %s with exit code 2', (_name, args, input, type, message) => {
    const { status, stderr } = balance(args, input);
    expect(status).toBe(2);
    expect((JSON.parse(stderr) as { error: unknown }).error).toMatchObject({
      type,
      message: expect.stringMatching(message),
    });
  });
});
