/** Slots for concurrent reads of a source, held across workers by PostgreSQL advisory locks. */
import { createHash } from 'node:crypto';
import type postgres from 'postgres';
import { BalanceError } from '../domain/types/errors.js';
import type { ScanSlots } from '../activities/dependencies.js';

/** While all slots are taken, look again after this long. */
const RETRY_MS = 50;

export function createScanSlots(sql: postgres.Sql): ScanSlots {
  return {
    async hold(source, slots, read, signal) {
      // A session-level lock lives and dies with its connection: a killed worker frees its slots.
      const connection = await sql.reserve();
      let slot: number | null = null;
      try {
        slot = await acquire(connection, source, slots, signal);
        return await read();
      } finally {
        if (slot !== null)
          await connection`select pg_advisory_unlock(${keyOf(source)}, ${slot})`.catch(() => undefined);
        connection.release();
      }
    },
  };
}

async function acquire(
  connection: postgres.ReservedSql,
  source: string,
  slots: number,
  signal: AbortSignal,
): Promise<number> {
  while (true) {
    for (let slot = 0; slot < slots; slot++) {
      const [row] = await connection<
        { locked: boolean }[]
      >`select pg_try_advisory_lock(${keyOf(source)}, ${slot}) as locked`;
      if (row?.locked) return slot;
    }
    if (signal.aborted)
      throw new BalanceError('interrupted', {
        type: 'Interrupted',
        message: `waiting for a slot of ${source} was cancelled`,
      });
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** 32 bits of the source's name. A collision only makes two sources share slots. */
function keyOf(source: string): number {
  return createHash('sha256').update(source).digest().readInt32BE(0);
}
