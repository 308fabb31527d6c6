/** A small pool for tests of the engine: 4,000 events that tests can filter by hand, and a way to stop reads midway. */
import { startBalance, type PoolInput, type TestBalance } from '../support/balance.js';
import type { WorkerHooks } from '../../workers/worker.js';

export const START = Date.parse('2020-01-01T00:00:00Z');
export const HOUR = 3_600_000;

export interface Event {
  readonly at: string;
  readonly id: number;
  readonly label: string;
  readonly value: number;
  readonly secret: string;
}

/** One event a minute from START on; every 20th is rare. 2,881 of them have arrived when the replay starts. */
export const EVENTS: readonly Event[] = Array.from({ length: 4_000 }, (_, id) => ({
  at: new Date(START + id * 60_000).toISOString(),
  id,
  label: id % 20 === 0 ? 'rare' : 'common',
  value: id % 100,
  secret: `s${id}`,
}));
/** Those that the first cycle sees. */
export const ARRIVED = EVENTS.filter(({ at }) => Date.parse(at) <= START + 48 * HOUR);

/** What differs from the pool that is the default. */
export interface Change {
  readonly models?: object;
  readonly limits?: object;
  readonly more?: object | ((dir: string) => object);
}

export function smallPool(dir: string, { models, limits, more }: Change = {}): PoolInput {
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir, limits: limits ?? {} } },
    datasets: {
      events: {
        source: 'lake',
        path: 'events.csv',
        key: ['id'],
        eventTime: 'at',
        columns: { secret: { sensitivity: 'restricted' } },
      },
    },
    models: models ?? {
      trainer: { kind: 'training' },
      auditor: { kind: 'serving', mayRead: ['events.secret'] },
    },
    ...(typeof more === 'function' ? (more as (dir: string) => object)(dir) : more),
  };
}

/** A gate in front of every read of the worker, and what was read. */
export interface Reads {
  /** Slices of each physical read that began, oldest first. */
  readonly begun: string[][];
  /** Reads wait from now on. */
  hold(): void;
  release(): void;
}

export function watchReads(): Reads & { readonly replace: NonNullable<WorkerHooks['replace']> } {
  const begun: string[][] = [];
  let open: Promise<void> | null = null;
  let release: () => void = () => undefined;
  return {
    begun,
    hold: () => {
      open = new Promise((resolve) => (release = resolve));
    },
    release: () => {
      release();
      open = null;
    },
    replace: (deps) => ({
      ...deps,
      data: {
        ...deps.data,
        read: async (read, signal, joining, pace) => {
          begun.push(read.slices.map(({ id }) => id));
          if (open !== null) await open;
          return deps.data.read(read, signal, joining, pace);
        },
      },
    }),
  };
}

export async function startSmall(
  change: Change = {},
  hooks: Partial<WorkerHooks> = {},
): Promise<{ readonly balance: TestBalance; readonly reads: Reads }> {
  const reads = watchReads();
  const balance = await startBalance((dir) => smallPool(dir, change), { replace: reads.replace, ...hooks });
  balance.write('events.csv', EVENTS as never);
  return { balance, reads };
}

/** Waits until `holds`, at most `secondsMax`. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, secondsMax = 20): Promise<void> {
  for (const endMs = Date.now() + secondsMax * 1_000; Date.now() < endMs;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${secondsMax} s`);
}

/** Sends all requests while the pool is paused, then lets one cycle look at all of them. Gives their ids. */
export async function together(
  { client }: TestBalance,
  requests: readonly Parameters<TestBalance['client']['request']>[0][],
): Promise<string[]> {
  await client.pause('collecting');
  const ids: string[] = [];
  for (const request of requests) ids.push((await client.request(request)).id);
  await client.resume();
  return ids;
}

/** What must hold of the rows whatever happened: one decision, one delivery, one response. Gives what does not hold. */
export async function wrongs({ database: { sql } }: Pick<TestBalance, 'database'>): Promise<string[]> {
  const found = await sql<{ what: string; id: string }[]>`
    select 'decision never closed' as what, id::text from decisions where state = 'open'
    union all select 'request claimed by a closed decision', r.id::text from requests r join decisions d on d.id = r.decision_id where r.state = 'claimed' and d.state = 'closed'
    union all select 'delivered request without exactly one delivery', r.id::text from requests r where r.state = 'delivered' and (select count(*) from deliveries d where d.request_id = r.id) <> 1
    union all select 'delivery of a request that is not delivered', d.request_id::text from deliveries d join requests r on r.id = d.request_id where r.state <> 'delivered'
    union all select 'ended request without exactly one response', r.id::text from requests r where r.kind = 'request' and r.closed_at is not null and (select count(*) from outbox o where o.kind = 'response' and o.subject = r.id) <> 1
    union all select 'response for a request that goes on', o.subject::text from outbox o join requests r on r.id = o.subject where o.kind = 'response' and r.closed_at is null
    union all select 'closed decision without exactly one message', d.id::text from decisions d where d.state = 'closed' and (select count(*) from outbox o where o.kind = 'decision' and o.subject = d.id) <> 1
    union all select 'batch never ended', b.id from batches b join decisions d on d.id = b.decision_id where b.state = 'planned' and d.outcome in ('delivered', 'partial', 'rejected')`;
  return found.map(({ what, id }) => `${what}: ${id}`);
}
