/** Requests as their senders see them: put one in, cancel it, ask where it is, read what came. */
import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import type { PoolDefinition, PoolRef } from '../domain/types/pool.js';
import type { GangRef, NewRequest } from '../domain/types/request.js';
import { formatPredicate } from '../domain/types/predicate.js';
import { BalanceError } from '../domain/types/errors.js';
import type { Database, Queryable } from './client.js';
import { isRecordId } from '../domain/types/record-id.js';
import { deliveries, outbox, pools, requests, type RequestState } from './schema.js';

export type RequestRow = typeof requests.$inferSelect;
export type DeliveryRow = typeof deliveries.$inferSelect;
export interface RequestView {
  readonly request: RequestRow;
  readonly delivery: DeliveryRow | null;
  /** The response, once it has left through the outbox. */
  readonly response: {
    readonly state: RequestState;
    readonly type?: string;
    readonly reason?: string;
    readonly hint?: string;
  } | null;
}

export function createRequestStore(db: Database) {
  return {
    /** Stores a request once for each idempotency key; `created` is false when the key was known. A known key with another content is refused. */
    insert: (ref: PoolRef, request: NewRequest, nowMs: number) => insert(db, ref, request, nowMs),
    /** Cancels at once while pending; while claimed, the running cycle drops it. Returns the state afterwards. */
    cancel: (ref: PoolRef, id: string, nowMs: number) => cancel(db, ref, id, nowMs),
    view: (ref: PoolRef, id: string) => view(db, ref, id),
    list: async (ref: PoolRef, limit: number): Promise<RequestRow[]> =>
      db
        .select()
        .from(requests)
        .where(and(eq(requests.tenant, ref.tenant), eq(requests.pool, ref.pool), eq(requests.kind, 'request')))
        .orderBy(desc(requests.createdAt), requests.id)
        .limit(limit),
  };
}

async function insert(
  db: Database,
  { tenant, pool }: PoolRef,
  request: NewRequest,
  nowMs: number,
): Promise<{ id: string; created: boolean }> {
  const definition = await declaring(db, { tenant, pool }, request);
  const { where, deadlineMs, priority, gang, ...rest } = request;
  if (deadlineMs !== null && deadlineMs <= nowMs) {
    // Sent again, it is what it was.
    const known = await findByKey(db, { tenant, pool }, request);
    if (known !== null) return known;
    throw deadlinePassed(deadlineMs, nowMs);
  }
  const now = new Date(nowMs);
  const inserting = (tx: Queryable) =>
    tx
      .insert(requests)
      .values({
        tenant,
        pool,
        kind: 'request',
        ...rest,
        ...(gang === undefined ? {} : { gang: gang.name, gangSize: gang.size }),
        predicate: where,
        deadlineAt: deadlineMs === null ? null : new Date(deadlineMs),
        priority: priority ?? definition.models[request.model].priority,
        notBefore: now,
        createdAt: now,
      })
      .onConflictDoNothing()
      .returning({ id: requests.id });
  const inserted =
    gang === undefined
      ? await inserting(db)
      : await db.transaction(async (tx) =>
          (await joinGang(tx, { tenant, pool }, { ...request, gang })) ? inserting(tx) : [],
        );
  if (inserted.length === 1) return { id: request.id, created: true };
  const stored = await findByKey(db, { tenant, pool }, request);
  if (stored !== null) return stored;
  throw new BalanceError('usage', {
    type: 'DuplicateId',
    message: `request id ${request.id} is taken`,
    got: request.id,
  });
}

/** The pool's definition, which declares the request's model and dataset. */
async function declaring(db: Database, { tenant, pool }: PoolRef, request: NewRequest): Promise<PoolDefinition> {
  const [row] = await db
    .select({ definition: pools.definition })
    .from(pools)
    .where(and(eq(pools.tenant, tenant), eq(pools.pool, pool)));
  if (row === undefined)
    throw new BalanceError('usage', {
      type: 'UnknownPool',
      message: `no pool ${pool}`,
      got: pool,
      hint: 'Run `balance status` for the pools that exist.',
    });
  if (!Object.hasOwn(row.definition.models, request.model)) {
    throw new BalanceError('usage', {
      type: 'UnknownModel',
      message: `pool ${pool} declares no model ${request.model}`,
      expected: `one of ${Object.keys(row.definition.models).join(', ')}`,
      got: request.model,
    });
  }
  if (!Object.hasOwn(row.definition.datasets, request.dataset)) {
    throw new BalanceError('usage', {
      type: 'UnknownDataset',
      message: `pool ${pool} declares no dataset ${request.dataset}`,
      expected: `one of ${Object.keys(row.definition.datasets).join(', ')}`,
      got: request.dataset,
    });
  }
  return row.definition;
}

/**
 * Whether the request is a further member of its gang; false: it is known by its key.
 * @throws BalanceError `GangFull`, or `GangMismatch` for another size
 */
async function joinGang(
  tx: Queryable,
  { tenant, pool }: PoolRef,
  request: NewRequest & { readonly gang: GangRef },
): Promise<boolean> {
  const {
    model,
    gang: { name, size },
  } = request;
  // Members that are sent at the same time count each other.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${tenant}/${pool}/${model}/${name}`}, 0))`);
  // Sent again, it is what it was, though another gang may have its name by now.
  if ((await findByKey(tx, { tenant, pool }, request)) !== null) return false;
  const open = await tx
    .select({ size: requests.gangSize })
    .from(requests)
    .where(
      and(
        ...[eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.model, model), eq(requests.gang, name)],
        isNull(requests.closedAt),
      ),
    );
  const other = open.find((member) => member.size !== size);
  if (other !== undefined)
    throw new BalanceError('usage', {
      type: 'GangMismatch',
      message: `gang ${name} of ${model} has another size`,
      expected: String(other.size),
      got: String(size),
    });
  if (open.length < size) return true;
  throw new BalanceError('usage', {
    type: 'GangFull',
    message: `gang ${name} of ${model} has all its members: they wait or are being served`,
    expected: `at most ${size}`,
    got: `one more`,
    hint: 'Use another name for the next gang.',
  });
}

function deadlinePassed(deadlineMs: number, nowMs: number): BalanceError {
  return new BalanceError('usage', {
    type: 'DeadlinePassed',
    message: 'the deadline has passed already: nothing could be served in time',
    expected: `a time after ${new Date(nowMs).toISOString()}`,
    got: new Date(deadlineMs).toISOString(),
  });
}

/** The request that was stored under this one's key; null: none. */
async function findByKey(
  db: Queryable,
  { tenant, pool }: PoolRef,
  request: NewRequest,
): Promise<{ id: string; created: false } | null> {
  const [known] = await db
    .select()
    .from(requests)
    .where(
      and(eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.idempotencyKey, request.idempotencyKey)),
    );
  if (known === undefined) return null;
  assertSame(known, request);
  return { id: known.id, created: false };
}

function assertSame(known: RequestRow, request: NewRequest): void {
  const gang = known.gang === null ? {} : { gang: { name: known.gang, size: known.gangSize ?? 1 } };
  const before = contentOf({ ...known, where: known.predicate, gang: undefined, ...gang });
  const now = contentOf(request);
  const differing = Object.keys(now).filter((name) => before[name] !== now[name]);
  if (differing.length === 0) return;
  const told = (content: Readonly<Record<string, string>>): string =>
    differing.map((name) => `${name} ${content[name]}`).join('; ');
  throw new BalanceError('usage', {
    type: 'IdempotencyConflict',
    message: `key ${request.idempotencyKey} was used for another request (${known.id})`,
    expected: told(before),
    got: told(now),
    hint: 'Use a new --key for a new request.',
  });
}

/** What a request asks for, by the names of its options. */
function contentOf(
  request: Pick<NewRequest, 'model' | 'dataset' | 'fields' | 'where' | 'rows' | 'seed' | 'datasetVersion' | 'gang'>,
): Readonly<Record<string, string>> {
  return {
    model: request.model,
    dataset: request.dataset,
    fields: request.fields.map((field) => (field.includes(',') ? `"${field}"` : field)).join(','),
    where: formatPredicate(request.where) || 'every row',
    rows: String(request.rows ?? 'all'),
    seed: String(request.seed),
    'dataset-version': request.datasetVersion ?? 'the newest',
    gang: request.gang === undefined ? 'none' : `${request.gang.name} of ${request.gang.size}`,
  };
}

async function cancel(db: Database, { tenant, pool }: PoolRef, id: string, nowMs: number): Promise<RequestState> {
  if (!isRecordId(id)) throw unknownRequest(id);
  const now = new Date(nowMs).toISOString();
  return db.transaction(async (tx) => {
    const rows = await tx.execute<{ state: RequestState }>(sql`
      update requests set
        cancel_requested_at = coalesce(cancel_requested_at, ${now}::timestamptz),
        state = case when state = 'pending' then 'cancelled' else state end,
        closed_at = case when state = 'pending' then ${now}::timestamptz else closed_at end
      where tenant = ${tenant} and pool = ${pool} and id = ${id} and state in ('pending', 'claimed')
      returning state`);
    if (rows[0]?.state === 'cancelled') {
      await tx
        .insert(outbox)
        .values({
          tenant,
          pool,
          kind: 'response',
          subject: id,
          payload: { requestId: id, state: 'cancelled' },
          createdAt: new Date(nowMs),
        })
        .onConflictDoNothing();
    }
    if (rows[0] !== undefined) return rows[0].state;
    const [row] = await tx
      .select({ state: requests.state })
      .from(requests)
      .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.id, id)));
    if (row === undefined) throw unknownRequest(id);
    return row.state;
  });
}

async function view(db: Database, { tenant, pool }: PoolRef, id: string): Promise<RequestView> {
  if (!isRecordId(id)) throw unknownRequest(id);
  const [row] = await db
    .select({ request: requests, delivery: deliveries, payload: outbox.payload, publishedAt: outbox.publishedAt })
    .from(requests)
    .leftJoin(
      deliveries,
      and(
        eq(deliveries.tenant, requests.tenant),
        eq(deliveries.pool, requests.pool),
        eq(deliveries.requestId, requests.id),
      ),
    )
    .leftJoin(
      outbox,
      and(
        eq(outbox.tenant, requests.tenant),
        eq(outbox.pool, requests.pool),
        eq(outbox.kind, 'response'),
        eq(outbox.subject, requests.id),
      ),
    )
    .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.id, id)));
  if (row === undefined) throw unknownRequest(id);
  return {
    request: row.request,
    delivery: row.delivery,
    response: row.publishedAt === null ? null : (row.payload as RequestView['response']),
  };
}

function unknownRequest(id: string): BalanceError {
  return new BalanceError('usage', {
    type: 'UnknownRequest',
    message: `no request ${id}`,
    got: id,
    hint: 'Run `balance status` for the newest requests.',
  });
}
