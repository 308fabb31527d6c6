/** A read under the limits of its source: it takes its part of the buckets in portions, each before what it pays for is read. */
import type { PoolDefinition } from '../domain/types/pool.js';
import type { BudgetCharge, CycleContext, PlannedBatch } from './store-ports.js';
import type { ReadPace } from './ports.js';
import type { StageDependencies } from './dependencies.js';
import { chargesOf, sourceLimits } from './source-limits.js';

/**
 * All running reads of a source together have at most this part of a full bucket taken and not yet read. The smaller, the
 * less can leave beyond limit and burst; the more often a bucket is asked: so many times in one window, for each scan at once.
 */
const AHEAD_PART = 1 / 8;

/** What a read will probably take. */
export type Foreseen = Pick<PlannedBatch, 'source' | 'predictedBytes' | 'predictedRows'>;

/** How one attempt of a read takes from the buckets of its source. */
export interface Pacing {
  /** For a read that takes more than a portion: it waits between its pieces. Absent: `begin` takes all of it. */
  readonly pace?: ReadPace;
  /** Waits for what the read may begin with. */
  begin(): Promise<void>;
  /** Settles what was taken with what was read; null: the read failed, and what is known to have left stays taken. */
  end(read: { readonly bytes: number; readonly rows: number } | null): Promise<void>;
  /** How long it has waited between its pieces (ms). */
  waitedMs(): number;
}

/** One limited resource of the source. */
interface Account {
  readonly resource: string;
  readonly foreseen: number;
  readonly portion: number;
  taken: number;
  left: number;
}

/** Whether a read takes more than a portion of what a limit of its source gives: it goes on piece by piece. */
export function isPaced(definition: PoolDefinition, foreseen: Foreseen): boolean {
  return accountsOf(definition, foreseen).some(isGradual);
}

function isGradual({ foreseen, portion }: Account): boolean {
  return foreseen > portion;
}

/** A read that is foreseen to take nothing takes one of each all the same: so it waits for what others owe. */
const FORESEEN_MIN = 1;

function accountsOf(definition: PoolDefinition, { source, predictedBytes, predictedRows }: Foreseen): Account[] {
  const { scansAtOnce } = definition.sources[source].limits;
  const foreseen = { [`bytes:${source}`]: predictedBytes, [`rows:${source}`]: predictedRows };
  const limits = sourceLimits(definition).filter((limit) => limit.source === source);
  return limits.map(({ resource, burst }) => ({
    ...{ resource, foreseen: Math.max(FORESEEN_MIN, foreseen[resource]), taken: 0, left: 0 },
    portion: (burst * AHEAD_PART) / scansAtOnce,
  }));
}

export function pacingOf(
  deps: Pick<StageDependencies, 'pace' | 'now'>,
  context: CycleContext,
  { source, predictedBytes, predictedRows }: Foreseen,
  signal: AbortSignal,
): Pacing {
  const limits = sourceLimits(context.definition).filter((limit) => limit.source === source);
  const amounts = (bytes: number, rows: number) => ({ [`bytes:${source}`]: bytes, [`rows:${source}`]: rows });
  const accounts = accountsOf(context.definition, { source, predictedBytes, predictedRows });
  const gradual = accounts.some(isGradual);
  let waitedMs = 0;

  const charges = (amountOf: (account: Account) => number): BudgetCharge[] =>
    chargesOf(Object.fromEntries(accounts.map((account) => [account.resource, amountOf(account)])), limits, 1);
  const take = async (amountOf: (account: Account) => number): Promise<void> => {
    await deps.pace.take(context, charges(amountOf), signal);
    for (const account of accounts) account.taken += amountOf(account);
  };
  const onward = async (rows: number, bytes: number): Promise<void> => {
    const left = amounts(bytes, rows);
    for (const account of accounts) account.left += left[account.resource];
    const startedMs = deps.now();
    await take(nextPortion);
    waitedMs += deps.now() - startedMs;
  };
  return {
    ...(gradual ? { pace: { rows: predictedRows, bytes: predictedBytes, onward } } : {}),
    begin: () => take(gradual ? nextPortion : (account) => account.foreseen),
    end: (read) => {
      const really = read === null ? null : amounts(read.bytes, read.rows);
      // What left for an attempt that was done again has left as well.
      const used = ({ resource, left }: Account): number => Math.max(left, really?.[resource] ?? 0);
      return deps.pace.settle(
        context,
        charges((account) => used(account) - account.taken),
      );
    },
    waitedMs: () => waitedMs,
  };
}

/** What is to be taken before more may leave: nothing while some is in hand; beyond what was foreseen, what is owed. */
function nextPortion({ foreseen, portion, taken, left }: Account): number {
  if (taken > left) return 0;
  return Math.max(left - taken, Math.min(portion, foreseen - taken));
}
