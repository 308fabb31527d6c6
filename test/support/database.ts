/** A database with Balance's tables for the tests of a file. */
import { afterAll, beforeAll } from 'vitest';
import { migrateDatabase, openDatabase, type DatabaseHandle } from '../../db/client.js';
import { startTestPostgres } from './servers.js';

export type TestDatabase = DatabaseHandle & { readonly url: string };

/**
 * Called once at the top of a test file: before its tests a fresh, migrated database is there, after them it is gone.
 * What it returns may be read in tests and in later `beforeAll`s only.
 */
export function testDatabase(connectionsMax = 2): TestDatabase {
  let server: Awaited<ReturnType<typeof startTestPostgres>> | undefined;
  let handle: DatabaseHandle | undefined;
  beforeAll(async () => {
    server = await startTestPostgres();
    await migrateDatabase(server.url);
    handle = openDatabase(server.url, { connectionsMax });
  });
  afterAll(async () => {
    await handle?.close();
    await server?.stop();
  });
  return {
    get db() {
      return handle!.db;
    },
    get sql() {
      return handle!.sql;
    },
    close: () => handle!.close(),
    get url() {
      return server!.url;
    },
  };
}
