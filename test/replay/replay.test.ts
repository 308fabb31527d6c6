/** Histories of released shapes replay against today's workflow code: what is under way when the code changes goes on. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { parseHistory } from './history-file.js';
import { workflowCode } from '../support/balance.js';

const folder = fileURLToPath(new URL('histories/', import.meta.url));
const histories = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => ({ name, text: readFileSync(folder + name, 'utf8') }));

async function replay(name: string, text: string): Promise<Error | undefined> {
  const results = Worker.runReplayHistories({ workflowBundle: { code: await workflowCode() } }, [
    { workflowId: name, history: parseHistory(text) },
  ]);
  for await (const { error } of results) return error;
  throw new Error('nothing was replayed');
}

describe('recorded histories', () => {
  test('there is one of each workflow', () => {
    const names = histories.map(({ name }) => name);
    for (const workflow of ['cycle-delivered', 'cycle-delivered-batch', 'cycle-failed', 'loop', 'trigger'])
      expect(names).toContain(`${workflow}.json`);
  });

  test.each(histories)('$name replays', async ({ name, text }) => {
    expect(await replay(name, text)).toBeUndefined();
  });

  test('a history that the code would not have made is found out', async () => {
    const { text } = histories.find(({ name }) => name === 'cycle-delivered.json')!;
    const changed = text.replace('"name": "predict"', '"name": "somethingElse"');
    expect(changed).not.toBe(text);
    expect(await replay('changed', changed)).toBeInstanceOf(DeterminismViolationError);
  });
});
