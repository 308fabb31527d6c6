/** The outbox relay: publishes what decisions left, in order, at least once; consumers de-duplicate by subject. */
import { sql } from 'drizzle-orm';
import type postgres from 'postgres';
import type { Database, DatabaseHandle } from './client.js';
import { OUTBOX_CHANNEL } from './close-store.js';

/** Channel on which a published message is announced: payload `tenant/pool/kind/subject`. */
export const PUBLISHED_CHANNEL = 'balance_published';
/** Messages published in one transaction. */
const PAGE = 500;
/** A notification may be lost with its connection: look again after this long. */
const POLL_MS = 1_000;

export interface OutboxMessage {
  readonly id: number;
  readonly tenant: string;
  readonly pool: string;
  readonly kind: 'response' | 'decision' | 'ask';
  readonly subject: string;
  readonly payload: unknown;
}
/** Where messages go besides the announcement in Postgres. Throws to have them sent again. */
export type Publisher = (messages: readonly OutboxMessage[]) => Promise<void>;

/** Publishes one page; returns how many. Rows that another relay holds are skipped, none is lost: the mark commits with the announcement. */
export async function publishPage(db: Database, publish: Publisher): Promise<number> {
  return db.transaction(async (tx) => {
    const rows = await tx.execute<{
      id: string;
      tenant: string;
      pool: string;
      kind: 'response' | 'decision' | 'ask';
      subject: string;
      payload: unknown;
    }>(sql`
      select id, tenant, pool, kind, subject, payload from outbox where published_at is null order by id limit ${PAGE} for update skip locked`);
    if (rows.length === 0) return 0;
    const messages = rows.map((row): OutboxMessage => ({ ...row, id: Number(row.id) }));
    await publish(messages);
    const ids = JSON.stringify(messages.map(({ id }) => id));
    await tx.execute(
      sql`update outbox set published_at = now() where id in (select value::bigint from jsonb_array_elements_text(${ids}::jsonb))`,
    );
    await tx.execute(sql`
      select pg_notify(${PUBLISHED_CHANNEL}, m.tenant || '/' || m.pool || '/' || m.kind || '/' || m.subject)
      from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) as m(tenant text, pool text, kind text, subject text)`);
    return messages.length;
  });
}

/** Runs until stopped: woken by commits, and by a slow poll for what a lost notification left. */
export function startOutboxRelay(
  handle: DatabaseHandle,
  publish: Publisher,
  onError: (error: Error) => void,
): { stop(): Promise<void> } {
  let stopped = false;
  let wake: () => void = () => undefined;
  let woken = false;
  const ring = (): void => {
    woken = true;
    wake();
  };
  let subscription: postgres.ListenMeta | null = null;
  const listening = handle.sql.listen(OUTBOX_CHANNEL, ring, ring).then(
    (meta) => {
      subscription = meta;
    },
    (error: unknown) => onError(error as Error),
  );
  const running = (async () => {
    while (!stopped) {
      woken = false;
      try {
        while (!stopped && (await publishPage(handle.db, publish)) > 0);
      } catch (error) {
        onError(error as Error);
      }
      if (stopped || woken) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      wake();
      await running;
      await listening;
      await subscription?.unlisten().catch(() => undefined);
    },
  };
}
