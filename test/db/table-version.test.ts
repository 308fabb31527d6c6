/** The content id of a table is the digest of its rows, though the rows are read only where one may have changed. */
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tableVersion, type KnownDigests } from '../../interfaces/data/table-version.js';
import { startTestPostgres } from '../support/servers.js';

let sql: postgres.Sql;
let server: Awaited<ReturnType<typeof startTestPostgres>>;
beforeAll(async () => {
  server = await startTestPostgres();
  sql = postgres(server.url, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await sql.end();
  await server.stop();
});
beforeEach(async () => {
  await sql.unsafe(
    'DROP TABLE IF EXISTS made; CREATE TABLE made AS SELECT i AS id, i::text AS word FROM generate_series(1, 1000) i',
  );
});

const known: KnownDigests = new Map();
/** Statements that read all rows' text, of the calls since. */
let digests = 0;
const version = (of: KnownDigests = known): Promise<string> => {
  const watched = {
    unsafe: (text: string) => {
      if (text.includes('md5')) digests++;
      return sql.unsafe(text);
    },
  } as unknown as postgres.Sql;
  return tableVersion(watched, 'set', '"public"."made"', of);
};

describe('the version of a table', () => {
  it('reads its rows once as long as none changes', async () => {
    const first = await version();
    digests = 0;
    expect([await version(), await version()]).toEqual([first, first]);
    expect(digests).toBe(0);
    await sql.unsafe('VACUUM FREEZE made');
    expect(await version()).toBe(first);
  });

  it.each([
    ['an update', "UPDATE made SET word = 'other' WHERE id = 7"],
    [
      'two updates of one row in one transaction',
      "BEGIN; UPDATE made SET word = 'a' WHERE id = 7; UPDATE made SET word = 'b' WHERE id = 7; COMMIT",
    ],
    ['a row for another', "DELETE FROM made WHERE id = 7; INSERT INTO made VALUES (7, 'other')"],
    [
      'a row in the place of one that was vacuumed away',
      "DELETE FROM made WHERE id = 1000; VACUUM made; INSERT INTO made VALUES (1000, 'other')",
    ],
    [
      'a truncation and as many rows',
      "TRUNCATE made; INSERT INTO made SELECT i, 'x' || i FROM generate_series(1, 1000) i",
    ],
    ['a column with a default, which touches no row', "ALTER TABLE made ADD COLUMN more text DEFAULT 'd'"],
    ['another type of a column', 'ALTER TABLE made ALTER COLUMN id TYPE numeric(10, 2)'],
    [
      'a table of the same name',
      "DROP TABLE made; CREATE TABLE made AS SELECT i AS id, 'y' || i AS word FROM generate_series(1, 1000) i",
    ],
  ])('is never that of rows before %s', async (_name, statements) => {
    const before = await version();
    for (const statement of statements.startsWith('BEGIN') ? [statements] : statements.split('; '))
      await sql.unsafe(statement);
    const after = await version();
    expect(after).not.toBe(before);
    expect(after).toBe(await version(new Map()));
  });

  it('is that of the same rows again, whatever was done between', async () => {
    const before = await version();
    await sql.unsafe('UPDATE made SET word = word; VACUUM FULL made'.split('; ')[0]);
    await sql.unsafe('VACUUM FULL made');
    expect(await version()).toBe(before);
  });

  it('reads every row each time where a value can change without its row', async () => {
    await sql.unsafe(
      "DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('good', 'bad'); ALTER TABLE made ADD COLUMN m mood DEFAULT 'good'",
    );
    const before = await version();
    await sql.unsafe("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'");
    expect(await version()).not.toBe(before);
  });

  it('is that of what is visible: neither of rolled back rows nor of those of others that are not committed', async () => {
    const before = await version();
    const other = postgres(server.url, { max: 1 });
    try {
      await other.begin(async (tx) => {
        await tx.unsafe("UPDATE made SET word = 'other'");
        expect(await version()).toBe(before);
      });
      expect(await version()).not.toBe(before);
    } finally {
      await other.end();
    }
  });
});
