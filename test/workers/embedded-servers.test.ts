import { describe, expect, test } from 'vitest';
import postgres from 'postgres';
import {
  startTestPostgres,
  startTestTemporal,
  startTimeSkipping,
  createDevServerEnvironment,
} from '../support/servers.js';

describe('servers for tests', () => {
  test('two callers get two databases', async () => {
    const [one, two] = await Promise.all([startTestPostgres(), startTestPostgres()]);
    expect(one.url).not.toBe(two.url);
    const sql = postgres(one.url, { max: 1 });
    expect((await sql`SELECT current_database() AS name`)[0].name).toBe(one.url.split('/').at(-1));
    await sql.end();
    await one.stop();
    await two.stop();
  });

  test('the dev server is shared and the time-skipping server starts', async () => {
    const [one, two] = await Promise.all([startTestTemporal(), startTestTemporal()]);
    expect(one.address).toBe(two.address);
    expect(one.taskQueue).not.toBe(two.taskQueue);
    const env = await createDevServerEnvironment();
    expect(env.supportsTimeSkipping).toBe(false);
    await env.teardown();
    const skipping = await startTimeSkipping();
    expect(skipping.supportsTimeSkipping).toBe(true);
    await skipping.teardown();
  });
});
