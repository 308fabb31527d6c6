import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerMerge } from '../../cli/commands/merge.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'balance-merge-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function run(content: string, ...flags: string[]) {
  const file = join(folder, 'requests.json');
  writeFileSync(file, content);
  const out: string[] = [];
  const err: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
  const program = new Command('balance');
  registerMerge(program);
  await program.parseAsync(['node', 'balance', 'merge', file, ...flags]);
  return { out: out.join(''), err: err.join(''), exitCode: process.exitCode };
}

const instance = {
  requests: [
    { id: 'a', model: 'm', dataset: 'd', fields: ['x'], ranges: [[0, 10]], freshnessMs: 1000, deadlineMs: null },
    { id: 'b', model: 'n', dataset: 'd', fields: ['x'], ranges: [[4, 12]], freshnessMs: 50, deadlineMs: 900 },
  ],
  cost: { perOperation: 10, perUnit: 1 },
};
const result = {
  batches: [{ dataset: 'd', fields: ['x'], ranges: [[0, 12]], requests: ['a', 'b'] }],
  read: { operations: 1, units: 12 },
  asked: { operations: 2, units: 18 },
  lowerBound: { operations: 1, units: 12 },
  refused: [],
};

describe('balance merge', () => {
  it('answers an instance with a result and an array with an array', async () => {
    expect(JSON.parse((await run(JSON.stringify(instance), '--json')).out)).toEqual(result);
    expect(JSON.parse((await run(JSON.stringify([instance, { requests: [] }]), '--json')).out)).toMatchObject([
      result,
      { batches: [] },
    ]);
  });

  it('prints a table for a person', async () => {
    expect((await run(JSON.stringify(instance))).out.split('\n')).toEqual([
      '1 batches, 0 refused',
      '              operations           units',
      'asked                  2              18',
      'read                   1              12',
      'lower bound            1              12',
      '',
    ]);
  });

  it('tells a person why a request is refused, and in which instance of an array an error is', async () => {
    const hidden = { ...instance.requests[0], allowedFields: ['y'] };
    expect((await run(JSON.stringify({ requests: [hidden] }))).out).toContain('refused a: may not see x');
    const { err } = await run(JSON.stringify([instance, { requests: 3 }]), '--json');
    expect(JSON.parse(err)).toMatchObject({ error: { message: expect.stringMatching(/^instance \[1\]: requests: /) } });
  });

  it('reads a file that begins with a byte order mark', async () => {
    const { out } = await run(`\ufeff${JSON.stringify(instance)}`, '--json');
    expect(JSON.parse(out)).toEqual(result);
  });

  it.each([
    ['{', 'MalformedJson'],
    ['{}', 'InvalidMerge'],
    ['[{"requests":[{"id":"a","model":"m","dataset":"d","fields":["x"],"where":"k LIKE 1"}]}]', 'InvalidPredicate'],
  ])('reports %s as %s, with exit code 2', async (content, type) => {
    const { err, out, exitCode } = await run(content, '--json');
    expect(JSON.parse(err)).toMatchObject({ error: { type } });
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 2 });
  });
});
