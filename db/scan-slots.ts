/** Slots for concurrent reads of a source, held across workers by PostgreSQL advisory locks. */
import { createHash } from 'node:crypto';
import postgres from 'postgres';
import { BalanceError } from '../domain/types/errors.js';
import type { ScanSlots } from '../activities/dependencies.js';

/** While all slots are taken, look again after this long. */
const RETRY_MS = 50;

export interface WorkerScanSlots extends ScanSlots {
  close(): Promise<void>;
}

/**
 * The slots of one worker, held by one connection of their own: session-level locks live and die with it, so that a
 * killed worker frees its slots, and reads in flight while the server restarts only lose theirs.
 */
export function createScanSlots(url: string): WorkerScanSlots {
  const sql = postgres(url, {
    ...{ max: 1, connect_timeout: 10, max_lifetime: null, onnotice: () => undefined },
    connection: { application_name: 'balance slots' },
  });
  /** A session may take its own lock once more: what this worker holds, it must know itself. */
  const held = new Set<string>();

  const take = async (source: string, slot: number): Promise<boolean> => {
    const name = `${source}#${slot}`;
    if (held.has(name)) return false;
    held.add(name);
    let locked = false;
    try {
      const [row] = await sql<{ locked: boolean }[]>`select pg_try_advisory_lock(${keyOf(source)}, ${slot}) as locked`;
      locked = row?.locked ?? false;
    } finally {
      if (!locked) held.delete(name);
    }
    return locked;
  };

  const acquire = async (source: string, slots: number, signal: AbortSignal): Promise<number> => {
    while (true) {
      for (let slot = 0; slot < slots; slot++) if (await take(source, slot)) return slot;
      if (signal.aborted) {
        const message = `waiting for a slot of ${source} was cancelled`;
        throw new BalanceError('interrupted', { type: 'Interrupted', message });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };

  return {
    async hold(source, slots, read, signal) {
      const slot = await acquire(source, slots, signal);
      try {
        return await read();
      } finally {
        held.delete(`${source}#${slot}`);
        await sql`select pg_advisory_unlock(${keyOf(source)}, ${slot})`.catch(() => undefined);
      }
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

/** 32 bits of the source's name. A collision only makes two sources share slots. */
function keyOf(source: string): number {
  return createHash('sha256').update(source).digest().readInt32BE(0);
}
