/**
 * The typed client: what a model service calls. It writes the request row and signals the loop; answers come back
 * through the outbox, files through the shared cache. Everything it needs is handed in (see client/index.ts).
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { CorrectionRecord, Routed } from '../../domain/decision/quality/quality-inputs.js';
import type { GateFinding } from '../../domain/quality/gate.js';
import { parsePredicate, type Predicate } from '../../domain/types/predicate.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { recordId } from '../../domain/types/record-id.js';
import type { PoolRef } from '../../domain/types/pool.js';
import type { GangRef, NewRequest } from '../../domain/types/request.js';
import type { BalanceNowInput, BalanceNowResult, LoopState } from '../../workflows/contract.js';
import type { LoopClient } from './loop-gateway.js';

/** What to ask for. Only `model`, `dataset` and `fields` are required. */
export interface DataRequest {
  readonly model: string;
  readonly dataset: string;
  readonly fields: readonly string[];
  /** EXPR text (`origin = 'SEA' AND delay > 15`) or its parsed form. Default: every row. */
  readonly where?: string | Predicate;
  /** At most so many rows, picked by the hash of row identity and `seed`. Default: all that match. */
  readonly rows?: number;
  readonly seed?: number;
  /** A cached result this old is good enough. Default: only a result of this very cycle. */
  readonly maxAgeMs?: number;
  readonly deadline?: Date;
  /** 1 (urgent) to 5. Default: the model's. */
  readonly priority?: number;
  /** Pin of a dataset version, as deliveries name it. */
  readonly version?: string;
  /** The same key is the same request, however often it is sent. Default: a new key. */
  readonly key?: string;
  /**
   * One of `size` requests of this model that are served together or wait together: nothing of them is granted before all
   * have come. The earliest of their deadlines is that of the whole gang. Default: it stands alone.
   */
  readonly gang?: GangRef;
}
export type RequestState = 'pending' | 'claimed' | 'delivered' | 'refused' | 'quarantined' | 'expired' | 'cancelled';

export interface Delivery {
  readonly id: string;
  readonly requestId: string;
  readonly decisionId: string;
  readonly verdict: 'pass' | 'degrade';
  readonly score: number;
  readonly served: 'read' | 'merged' | 'cache' | 'last-good';
  readonly rows: number;
  /** Logical bytes. */
  readonly bytes: number;
  /** Absolute path of the Parquet file; readable until `leaseUntil`. */
  readonly path: string;
  /** sha256 of the file. */
  readonly digest: string;
  /** Dataset version that it was read from: can be pinned. */
  readonly version: string;
  readonly asOf: Date;
  readonly leaseUntil: Date;
  readonly report: DeliveryReport;
}
/** What a model is told about its data. */
export interface DeliveryReport {
  readonly verdict: 'pass' | 'degrade' | 'quarantine';
  readonly reason: string;
  /** Score by dimension, 0 to 1: completeness, validity, uniqueness, timeliness, volume, balance, stability. */
  readonly dimensions: Readonly<Record<string, number>>;
  readonly findings: readonly GateFinding[];
  /** What was done about the data, a sentence each. */
  readonly corrections: readonly string[];
  /** The same of the file's first correction, in figures: what was expected, what came of it, whether it was kept. */
  readonly correction?: CorrectionRecord;
  /** Of those after it, each made on what the one before it left, in order. */
  readonly furtherCorrections?: readonly CorrectionRecord[];
  /** Where the rows came from, if not from what was read first: why, and what that took. */
  readonly routed?: Routed;
  /** Rows asked for and granted; rows that came ahead of a predicted peak. */
  readonly asked: number;
  readonly granted: number;
  readonly aheadRows: number;
  readonly grantReason: string;
  /** With whom it was read, and what that saved it; absent: by a read of its own, or not at all. */
  readonly readReason?: string;
  /** Of a draw by class: rows drawn, weight of a row, and rows missing of each class; null otherwise. */
  readonly classColumn: string | null;
  readonly classQuotas: Readonly<Record<string, number>> | null;
  readonly classWeights: Readonly<Record<string, number>> | null;
  readonly classShortfall: Readonly<Record<string, number>> | null;
}
export interface RequestStatus {
  readonly id: string;
  readonly state: RequestState;
  /** Why it waits, or why it ended without a delivery. */
  readonly reason: {
    readonly type?: string;
    readonly tier?: string;
    readonly reason?: string;
    readonly resource?: string | null;
    readonly shortfall?: number;
    /** Requests, or models, that hold what is missing. */
    readonly blockers?: readonly string[];
    /** When it can be served at the earliest; null: never, unless what the hint says is done. */
    readonly earliestMs?: number | null;
    readonly hint?: string;
  } | null;
  readonly decisionId: string | null;
  readonly delivery: Delivery | null;
}

/** The stores behind the client, as far as it uses them (db/request-store.ts, db/decision-store.ts). */
export interface ClientStores {
  insert(ref: PoolRef, request: NewRequest, nowMs: number): Promise<{ id: string; created: boolean }>;
  cancel(ref: PoolRef, id: string, nowMs: number): Promise<RequestState>;
  view(ref: PoolRef, id: string): Promise<StoredRequest>;
  explain(ref: PoolRef, id: string): Promise<unknown>;
}
export interface StoredRequest {
  readonly request: {
    readonly id: string;
    readonly state: RequestState;
    readonly waiting: unknown;
    readonly decisionId: string | null;
  };
  readonly delivery: {
    readonly id: string;
    readonly requestId: string;
    readonly decisionId: string;
    readonly verdict: 'pass' | 'degrade';
    readonly score: number;
    readonly served: Delivery['served'];
    readonly rows: number;
    readonly bytes: number;
    readonly path: string;
    readonly digest: string;
    readonly contentId: string;
    readonly newestEventMs: number | null;
    readonly asOfMs: number;
    readonly leaseUntil: Date;
    readonly report: unknown;
  } | null;
  readonly response: {
    readonly state: RequestState;
    readonly type?: string;
    readonly reason?: string;
    readonly hint?: string;
  } | null;
}
/** Rows of a Parquet file, in pages. */
export type RowReader = (path: string) => AsyncIterable<Readonly<Record<string, unknown>>>;

export interface ClientParts {
  readonly stores: ClientStores;
  readonly loops: LoopClient;
  readonly cacheDir: string;
  readonly rows: RowReader;
  /** Settles when something was published, or after `timeoutMs`. */
  readonly published: (timeoutMs: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Fields and rows of one request: bounds what a caller can ask for by mistake. */
const FIELDS_MAX = 1_000;
/** A wait looks again after this long even when nothing was announced. */
const POLL_MS = 1_000;

export class BalanceClient {
  constructor(
    private readonly parts: ClientParts,
    private readonly pool: PoolRef,
  ) {}

  /** Stores the request and wakes the loop. A lost wake-up only delays it by the loop's sweep (5 s). */
  async request(request: DataRequest): Promise<{ id: string; created: boolean }> {
    const stored = await this.parts.stores.insert(this.pool, toStored(request), Date.now());
    // The row is stored: a caller who heard of a failure here would ask twice. The sweep finds what was not announced.
    await this.parts.loops.workWaits(this.pool).catch(() => undefined);
    return stored;
  }

  /** Cancels what is not delivered yet. Returns the state afterwards: `claimed` means that the running cycle drops it. */
  async cancel(id: string): Promise<RequestState> {
    return this.parts.stores.cancel(this.pool, recordId(id), Date.now());
  }

  async status(id: string): Promise<RequestStatus> {
    const { request, delivery, response } = await this.parts.stores.view(this.pool, recordId(id));
    // What it waited for before is no answer while a cycle looks at it.
    const waiting = request.state === 'claimed' ? null : (request.waiting as RequestStatus['reason']);
    const reason = response !== null && response.state !== 'delivered' ? response : waiting;
    return {
      id,
      state: request.state,
      reason,
      decisionId: request.decisionId,
      delivery: delivery === null ? null : this.toDelivery(delivery),
    };
  }

  /**
   * Waits until the response has left through the outbox, then gives the delivery.
   * @throws BalanceError of kind `refused` (with the reason) when the request ended otherwise, `timeout` when it did not end in time
   */
  async waitForDelivery(
    id: string,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Delivery> {
    const deadlineMs = Date.now() + (options.timeoutMs ?? 60_000);
    while (true) {
      const { request, delivery, response } = await this.parts.stores.view(this.pool, recordId(id));
      if (response !== null) {
        if (response.state === 'delivered' && delivery !== null) return this.toDelivery(delivery);
        throw new BalanceError('refused', {
          type: response.type ?? capitalised(response.state),
          message: `request ${id} ${response.state}: ${response.reason ?? 'on demand'}`,
          ...(response.hint === undefined ? {} : { hint: response.hint }),
        });
      }
      if (options.signal?.aborted === true)
        throw new BalanceError('interrupted', {
          type: 'Interrupted',
          message: `the wait for request ${id} was interrupted; the request goes on`,
        });
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) {
        const why = (request.waiting as { reason?: string } | null)?.reason;
        throw new BalanceError('timeout', {
          type: 'WaitTimedOut',
          message: `request ${id} is still ${request.state}${why === undefined ? '' : `: ${why}`}`,
          hint: 'It goes on waiting: ask again with `balance status`, or cancel it.',
        });
      }
      await this.parts.published(Math.min(leftMs, POLL_MS));
    }
  }

  /** The rows of a delivery. */
  read(delivery: Pick<Delivery, 'path'>): AsyncIterable<Readonly<Record<string, unknown>>> {
    return this.parts.rows(delivery.path);
  }

  /**
   * Asks for a cycle now. One that names its event time repeats that time: a `backfill`, unless said otherwise.
   * @throws BalanceError of kind `refused` while the pool is paused
   */
  balanceNow(input: Partial<BalanceNowInput> = {}): Promise<BalanceNowResult> {
    const asOfMs = input.asOfMs ?? null;
    const trigger = input.trigger ?? (asOfMs === null ? 'manual' : 'backfill');
    return this.parts.loops.balanceNow(this.pool, { ...input, trigger, asOfMs });
  }

  /** Why: the decision, its stages, and what became of each request, from Postgres alone. Takes a decision's or a request's id. */
  async explain(id: string): Promise<unknown> {
    return this.parts.stores.explain(this.pool, recordId(id));
  }

  state(): Promise<LoopState> {
    return this.parts.loops.state(this.pool);
  }
  pause(reason?: string): Promise<void> {
    return this.parts.loops.pause(this.pool, reason);
  }
  resume(): Promise<void> {
    return this.parts.loops.resume(this.pool);
  }
  close(): Promise<void> {
    return this.parts.close();
  }

  private toDelivery(row: NonNullable<StoredRequest['delivery']>): Delivery {
    const { contentId, path, asOfMs, ...rest } = row;
    return {
      id: rest.id,
      requestId: rest.requestId,
      decisionId: rest.decisionId,
      verdict: rest.verdict,
      score: rest.score,
      served: rest.served,
      rows: rest.rows,
      bytes: rest.bytes,
      path: join(this.parts.cacheDir, path),
      digest: rest.digest,
      version: `${contentId}@${asOfMs}`,
      asOf: new Date(asOfMs),
      leaseUntil: rest.leaseUntil,
      report: rest.report as DeliveryReport,
    };
  }
}

/** Members of a gang: all are looked at in one cycle, whatever else waits. */
const GANG_SIZE_MAX = 1_000;

function toStored(request: DataRequest): NewRequest {
  const { fields, rows, seed, priority, maxAgeMs } = request;
  const whole = (name: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
    throw usageError({
      type: 'InvalidRequest',
      message: `${name} is not usable`,
      expected: `a whole number from ${least} to ${most}`,
      got: String(value),
    });
  };
  if (fields.length === 0 || fields.length > FIELDS_MAX || fields.some((field) => field === '')) {
    throw usageError({
      type: 'InvalidRequest',
      message: 'a request names the fields that it wants',
      expected: `1 to ${FIELDS_MAX} column names`,
      got: JSON.stringify(fields).slice(0, 80),
    });
  }
  whole('rows', rows, 1, 2 ** 31 - 1);
  whole('seed', seed, 0, 2 ** 31 - 1);
  whole('priority', priority, 1, 5);
  whole('maxAgeMs', maxAgeMs, 0, Number.MAX_SAFE_INTEGER);
  if (request.deadline !== undefined && Number.isNaN(request.deadline.getTime())) {
    throw usageError({
      type: 'InvalidRequest',
      message: 'deadline is not a time',
      expected: 'a valid Date',
      got: 'Invalid Date',
    });
  }
  whole('gang.size', request.gang?.size, 1, GANG_SIZE_MAX);
  if (request.gang?.name === '') {
    throw usageError({ type: 'InvalidRequest', message: 'a gang has no name', expected: 'a name', got: '""' });
  }
  const id = randomUUID();
  return {
    id,
    model: request.model,
    dataset: request.dataset,
    fields: [...new Set(fields)],
    where: typeof request.where === 'string' ? parsePredicate(request.where) : (request.where ?? []),
    rows: rows ?? null,
    seed: seed ?? 0,
    maxAgeMs: maxAgeMs ?? null,
    deadlineMs: request.deadline?.getTime() ?? null,
    priority: priority ?? null,
    datasetVersion: request.version ?? null,
    idempotencyKey: request.key ?? id,
    ...(request.gang === undefined ? {} : { gang: request.gang }),
  };
}

function capitalised(state: string): string {
  return state.charAt(0).toUpperCase() + state.slice(1);
}
