/** What `balance schedule backfill` does: list the slices, start them, follow them, stop them. */
import { createPoolStore } from '../db/pool-store.js';
import { EXIT_CODES, usageError, BalanceError } from '../domain/types/errors.js';
import type { PoolRef } from '../domain/types/pool.js';
import { createScheduleClient, type ScheduleClient } from '../interfaces/model/schedules.js';
import { printJson } from './command.js';
import type { ConnectionOptions } from './connection-options.js';
import { resolvePool, withDatabase, withTemporal } from './connection.js';

const LOOK_MS = 500;

export interface BackfillOptions extends ConnectionOptions {
  readonly from?: Date;
  readonly to?: Date;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly stop?: boolean;
}

export async function backfill(id: string, options: BackfillOptions): Promise<number> {
  const { pool, nowMs } = await withDatabase(options, async (database) => {
    const ref = await resolvePool(database, options);
    const row = await createPoolStore(database.db).find(ref);
    // A replay that has not begun has no past yet.
    return { pool: ref, nowMs: row?.definition.clock.kind === 'replay' ? (row.clockMs ?? 0) : Date.now() };
  });
  return withTemporal(options, async (client) => {
    const schedules = createScheduleClient(client);
    if (options.stop === true) {
      await schedules.stopBackfill(pool, id);
      return told(options, { id, state: 'stopping' }, `backfill of schedule ${id} stops\n`);
    }
    if (options.from === undefined && options.to === undefined && options.wait === true)
      return follow(schedules, pool, id, options);
    await schedules.assertKnown(pool, id);
    const slices = await schedules.slices(pool, id, ...range(options, nowMs));
    const listed = slices.map((ms) => new Date(ms).toISOString());
    if (options.dryRun === true)
      return told(
        options,
        { id, slices: listed },
        listed.map((at) => `${at}\n`).join('') + `${slices.length} slices; nothing was started\n`,
      );
    if (slices.length === 0)
      throw usageError({
        type: 'NoSlices',
        message: `schedule ${id} has no slice in that range`,
        expected: 'a range that holds at least one of its times',
        got: `${options.from!.toISOString()} to ${options.to!.toISOString()}`,
      });
    await schedules.backfill(pool, id, slices);
    if (options.wait === true) return follow(schedules, pool, id, options);
    return told(
      options,
      { id, state: 'backfilling', slices: listed },
      `schedule ${id}: ${slices.length} slices from ${listed[0]} to ${listed.at(-1)!}\n  balance schedule backfill ${id} --wait   shows the progress\n`,
    );
  });
}

/** The range that is meant: whole, in order, and of the past. */
function range({ from, to }: BackfillOptions, nowMs: number): [Date, Date] {
  const got = `--from ${from?.toISOString() ?? 'nothing'} --to ${to?.toISOString() ?? 'nothing'}`;
  const wrong = (expected: string) => usageError({ type: 'InvalidRange', message: 'which slices?', expected, got });
  if (from === undefined || to === undefined) throw wrong('--from and --to, or --wait or --stop alone');
  if (from > to) throw wrong('--from no later than --to');
  if (to.getTime() > nowMs) throw wrong(`times of the past: it is ${new Date(nowMs).toISOString()} for this pool`);
  return [from, to];
}

/** Follows a backfill to its end, with a line for each step on standard error. */
async function follow(schedules: ScheduleClient, pool: PoolRef, id: string, options: BackfillOptions): Promise<number> {
  let interrupted = false;
  const interrupt = (): void => void (interrupted = true);
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  for (let shown = -1; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    const { ended, error, ...state } = await schedules.backfillState(pool, id);
    const { done, known, failed, total, running } = state;
    const over = done + known + failed;
    const line = `${over} of ${total} slices: ${done} run, ${known} had run before, ${failed} failed`;
    if (over > shown && options.json !== true)
      process.stderr.write(`  ${line}${running === null ? '' : `; now ${new Date(running).toISOString()}`}\n`);
    shown = over;
    if (ended) {
      const failures = state.failures.map(
        ({ nominalMs, reason }) => `  ${new Date(nominalMs).toISOString()}: ${reason}\n`,
      );
      const end = error === undefined ? '' : `  it ended early: ${error}\n`;
      told(options, { id, ...state, ...(error === undefined ? {} : { error }) }, `${line}\n${failures.join('')}${end}`);
      return failed > 0 ? EXIT_CODES.internal : error === undefined ? 0 : EXIT_CODES.refused;
    }
    if (interrupted)
      throw new BalanceError('interrupted', {
        type: 'Interrupted',
        message: `the wait was interrupted; the backfill of schedule ${id} goes on`,
        hint: `End it with \`balance schedule backfill ${id} --stop\`.`,
      });
  }
}

function told(options: ConnectionOptions, json: object, text: string): number {
  if (options.json === true) printJson(json);
  else process.stdout.write(text);
  return 0;
}
