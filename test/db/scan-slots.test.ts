/** Slots for concurrent reads of a source: shared by workers, given back by whoever fails or goes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createScanSlots } from '../../db/scan-slots.js';
import { startTestPostgres } from '../support/servers.js';

let server: Awaited<ReturnType<typeof startTestPostgres>>;
beforeAll(async () => {
  server = await startTestPostgres();
});
afterAll(() => server.stop());

describe('slots of a source', () => {
  const never = new AbortController().signal;

  test('across workers no more reads run at once than there are slots, and all of them run', async () => {
    const workers = [createScanSlots(server.url), createScanSlots(server.url)];
    let running = 0;
    let most = 0;
    const read = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 30));
      running--;
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => workers[index % 2].hold('lake', 2, read, never)));
    expect(most).toBe(2);
    await Promise.all(workers.map((worker) => worker.close()));
  });

  test('a read that fails gives its slot back; a cancelled wait ends', async () => {
    const slots = createScanSlots(server.url);
    await expect(slots.hold('lake', 1, () => Promise.reject(new Error('no')), never)).rejects.toThrow('no');
    const cancelled = slots.hold(
      'lake',
      1,
      () => slots.hold('lake', 1, () => Promise.resolve('both'), AbortSignal.abort()),
      never,
    );
    await expect(cancelled).rejects.toMatchObject({ type: 'Interrupted' });
    expect(await slots.hold('lake', 1, () => Promise.resolve('free'), never)).toBe('free');
    await slots.close();
  });

  test('a worker that is gone leaves its slots to others', async () => {
    const gone = createScanSlots(server.url);
    void gone.hold('lake', 1, () => new Promise(() => undefined), never);
    const other = createScanSlots(server.url);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await gone.close();
    expect(await other.hold('lake', 1, () => Promise.resolve('mine'), never)).toBe('mine');
    await other.close();
  });
});
