/** The servers of a test run: one PostgreSQL and one dev server for all files, a database of its own for each caller. */
import { randomBytes } from 'node:crypto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import postgres from 'postgres';
import { inject } from 'vitest';

async function ask(path: string): Promise<string> {
  const response = await fetch(`${inject('serversUrl')}${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`test servers: ${path}: ${text}`);
  return text;
}

/** A fresh, empty database in the run's PostgreSQL. `stop` drops it with whoever is still connected. */
export async function startTestPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = await ask('/postgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = async (statement: string): Promise<void> => {
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    await sql.unsafe(statement).finally(() => sql.end());
  };
  await admin(`CREATE DATABASE ${name}`);
  return {
    url: url.replace(/\/[^/]*$/, `/${name}`),
    stop: () => admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** The run's dev server: its address, and a task queue that no other caller has. Its namespace is shared: `default`. */
export async function startTestTemporal(): Promise<{ readonly address: string; readonly taskQueue: string }> {
  return { address: await ask('/temporal'), taskQueue: `test-${randomBytes(6).toString('hex')}` };
}

/** A test environment (client, native connection) on the run's dev server. `teardown()` closes its connections only. */
export async function createDevServerEnvironment(): Promise<TestWorkflowEnvironment> {
  return TestWorkflowEnvironment.createFromExistingServer({ address: await ask('/temporal'), namespace: 'default' });
}

/** A time-skipping server for the caller alone: time is global in it. Call `teardown()` in `afterAll`. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const path = await ask('/test-server-program');
  return TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
}

/** The path of the `temporal` program, for a test that starts and kills a dev server of its own. */
export function temporalProgram(): Promise<string> {
  return ask('/temporal-program');
}
