/** `balance apply` and `balance schedule`: what is declared, and when it runs. */
import { InvalidArgumentError } from 'commander';
import { resolve } from 'node:path';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import type { PoolRef } from '../../domain/types/pool.js';
import { parseDurationMs } from '../../domain/types/units.js';
import type { PoolChange } from '../../workers/apply.js';
import { action, printJson, type RegisterCommand } from '../command.js';
import { withConnection, type ConnectionOptions } from '../connection-options.js';
import type { BackfillOptions } from '../backfill.js';
import { packageRoot } from '../package-root.js';

interface ApplyOptions extends ConnectionOptions {
  readonly config: string;
  readonly dryRun?: boolean;
}
interface CreateOptions extends ConnectionOptions {
  readonly every?: string;
  readonly cron?: string;
  readonly overlap: 'skip' | 'buffer-one' | 'allow-all';
  readonly catchup: string;
  readonly jitter: string;
  readonly pauseOnFailure?: boolean;
}

const instant = (text: string): Date => {
  const date = new Date(text);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError(`expected a time in ISO 8601, got ${JSON.stringify(text)}`);
  return date;
};

export const registerDeclare: RegisterCommand = (program) => {
  withConnection(program.command('apply').description('show what balance.yaml changes, then apply it'))
    .option('--config <file>', 'the file', 'balance.yaml')
    .option('--dry-run', 'only show the changes')
    .addHelpText('after', '\nExample:\n  balance apply --dry-run')
    .action(action(apply));
  const schedule = program
    .command('schedule')
    .description('recurring cycles')
    .addHelpText('after', '\nExample:\n  balance schedule list');
  withConnection(
    schedule.command('create <id>').description('create a schedule, or bring an existing one to this definition'),
  )
    .option('--every <duration>', 'interval, for example 15m')
    .option('--cron <expr>', 'cron expression in UTC, for example "0 6 * * *"')
    .option('--overlap <policy>', 'while the last run goes on: skip, buffer-one or allow-all', 'skip')
    .option('--catchup <duration>', 'runs that were due this long ago are still made up for', '10m')
    .option('--jitter <duration>', 'start up to this much later', '0s')
    .option('--pause-on-failure', 'pause after a failed cycle')
    .addHelpText('after', '\nExample:\n  balance schedule create nightly --cron "0 2 * * *"')
    .action(action(create));
  withConnection(schedule.command('list').description('schedules of the pool'))
    .addHelpText('after', '\nExample:\n  balance schedule list --json')
    .action(action(list));
  withConnection(schedule.command('pause <id>').description('pause a schedule'))
    .option('--resume', 'let it run again')
    .addHelpText('after', '\nExample:\n  balance schedule pause nightly')
    .action(
      action((id: string, options: ConnectionOptions & { readonly resume?: boolean }) =>
        act(options, options.resume ? 'resumed' : 'paused', id, (schedules, pool) =>
          schedules.pause(pool, id, options.resume !== true),
        ),
      ),
    );
  withConnection(schedule.command('trigger <id>').description('run it now'))
    .addHelpText('after', '\nExample:\n  balance schedule trigger nightly')
    .action(
      action((id: string, options: ConnectionOptions) =>
        act(options, 'triggered', id, (schedules, pool) => schedules.trigger(pool, id)),
      ),
    );
  withConnection(
    schedule.command('backfill <id>').description('run the slices between two times, each as of its nominal time'),
  )
    .option('--from <time>', 'first time, included; ISO 8601', instant)
    .option('--to <time>', 'last time, included; ISO 8601', instant)
    .option('--dry-run', 'only list the slices')
    .option('--wait', 'show the progress until it ends; without --from and --to: of the one that runs')
    .option('--stop', 'stop the backfill that runs')
    .addHelpText(
      'after',
      '\nA slice that ran before, by the schedule or by an earlier backfill, is not run again unless it failed. Slices run one\nafter the other, between the other cycles of the pool. Ctrl-C ends the wait, not the backfill.\nExit code 1 when a slice failed, 3 when it was stopped or the pool was paused before its end.\n\nExample:\n  balance schedule backfill nightly --from 2026-01-01T00:00:00Z --to 2026-01-03T00:00:00Z --dry-run',
    )
    .action(
      action(async (id: string, options: BackfillOptions) => {
        const { backfill } = await import('../backfill.js');
        return backfill(id, options);
      }),
    );
  withConnection(schedule.command('delete <id>').description('delete a schedule'))
    .addHelpText('after', '\nExample:\n  balance schedule delete nightly')
    .action(
      action((id: string, options: ConnectionOptions) =>
        act(options, 'deleted', id, (schedules, pool) => schedules.remove(pool, id)),
      ),
    );
};

async function apply(options: ApplyOptions): Promise<number> {
  const { withDatabase, withTemporal, resolveEndpoints } = await import('../connection.js');
  const { loadConfig } = await import('../../interfaces/config/load.js');
  const { applyConfig, planApply } = await import('../../workers/apply.js');
  const loaded = loadConfig(resolve(options.config));
  return withDatabase(options, async (database) => {
    const changes = await planApply(database, loaded);
    if (!options.json) process.stdout.write(changes.map(renderChange).join(''));
    if (options.dryRun === true) {
      if (options.json) printJson({ applied: false, changes });
      return 0;
    }
    const { databaseUrl } = resolveEndpoints(options);
    const applied = await applyConfig(database, loaded, {
      projectRoot: packageRoot(),
      env: { ...process.env, DATABASE_URL: databaseUrl },
    });
    const { createScheduleClient } = await import('../../interfaces/model/schedules.js');
    const { createLoopClient } = await import('../../interfaces/model/loop-gateway.js');
    await withTemporal(options, async (client) => {
      for (const [pool, definition] of Object.entries(loaded.config.pools)) {
        const ref = { tenant: definition.tenant, pool };
        await createLoopClient(client).ensure(ref);
        for (const schedule of definition.schedules) await createScheduleClient(client).put(ref, schedule);
      }
      for (const { ref, goneSchedules } of changes)
        await removeSchedules(createScheduleClient(client), ref, goneSchedules);
    });
    if (options.json) printJson({ applied: true, changes, pools: applied });
    else
      for (const { pool, version, changed } of applied)
        process.stdout.write(
          `pool ${pool}: ${changed ? `version ${version} applied; the next cycle uses it` : `version ${version} stays`}\n`,
        );
    return 0;
  });
}

/** Schedules that left the file go; one that somebody deleted already is no mistake. */
async function removeSchedules(schedules: Schedules, ref: PoolRef, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await schedules.remove(ref, id).catch((error: unknown) => {
      if (!(error instanceof BalanceError) || error.type !== 'UnknownSchedule') throw error;
    });
  }
}

function renderChange({ ref, from, changes }: PoolChange): string {
  if (from === null) return `pool ${ref.pool} is new\n`;
  if (changes.length === 0) return `pool ${ref.pool}: no changes\n`;
  const show = (value: unknown) => JSON.stringify(value);
  const lines = changes.map(({ path, kind, before, after }) =>
    kind === 'added'
      ? `  + ${path}: ${show(after)}`
      : kind === 'removed'
        ? `  - ${path}: ${show(before)}`
        : `  ~ ${path}: ${show(before)} -> ${show(after)}`,
  );
  return `pool ${ref.pool}:\n${lines.join('\n')}\n`;
}

async function create(id: string, options: CreateOptions): Promise<number> {
  if ((options.every === undefined) === (options.cron === undefined)) {
    throw usageError({
      type: 'InvalidSchedule',
      message: 'when should it run?',
      expected: 'exactly one of --every and --cron',
      got: options.every === undefined ? 'neither' : 'both',
    });
  }
  if (!['skip', 'buffer-one', 'allow-all'].includes(options.overlap))
    throw usageError({
      type: 'InvalidSchedule',
      message: 'unknown --overlap',
      expected: 'skip, buffer-one or allow-all',
      got: options.overlap,
    });
  return act(options, 'saved', id, async (schedules, pool) => {
    await schedules.put(pool, {
      id,
      ...(options.every === undefined ? {} : { every: parseDurationMs(options.every) }),
      ...(options.cron === undefined ? {} : { cron: options.cron }),
      overlap: options.overlap,
      catchupWindow: parseDurationMs(options.catchup),
      jitter: parseDurationMs(options.jitter),
      pauseOnFailure: options.pauseOnFailure === true,
      paused: false,
    });
  });
}

async function list(options: ConnectionOptions): Promise<number> {
  const { withDatabase, withTemporal, resolvePool } = await import('../connection.js');
  const { createScheduleClient } = await import('../../interfaces/model/schedules.js');
  const pool = await withDatabase(options, (database) => resolvePool(database, options));
  return withTemporal(options, async (client) => {
    const views = await createScheduleClient(client).list(pool);
    if (options.json) printJson(views);
    else {
      const { table } = await import('../render.js');
      const rows = views.map((view) => [
        view.id,
        view.paused ? 'paused' : 'active',
        view.paused ? '-' : (view.next ?? '-'),
        String(view.recent.length),
        String(view.missedCatchup),
        String(view.skippedOverlap),
      ]);
      process.stdout.write(
        rows.length === 0
          ? 'no schedules\n'
          : table([['SCHEDULE', 'STATE', 'NEXT', 'RECENT', 'MISSED', 'SKIPPED'], ...rows]),
      );
    }
    return 0;
  });
}

type Schedules = import('../../interfaces/model/schedules.js').ScheduleClient;

async function act(
  options: ConnectionOptions,
  done: string,
  id: string,
  job: (schedules: Schedules, pool: { tenant: string; pool: string }) => Promise<void>,
): Promise<number> {
  const { withDatabase, withTemporal, resolvePool } = await import('../connection.js');
  const { createScheduleClient } = await import('../../interfaces/model/schedules.js');
  const pool = await withDatabase(options, (database) => resolvePool(database, options));
  await withTemporal(options, (client) => job(createScheduleClient(client), pool));
  if (options.json) printJson({ id, state: done });
  else process.stdout.write(`schedule ${id} ${done}\n`);
  return 0;
}
