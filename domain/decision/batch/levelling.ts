/**
 * Load levelled over time: a request that says until when it can wait is read in a later step, where its source is
 * forecast to be asked for less, when reading it now would take from others what they will probably need. The spreading
 * itself is `batch/load-levelling.ts`; here slots are the steps of the forecast.
 */
import { levelLoad, type LevelJob } from '../../batch/load-levelling.js';
import { formatBytes } from '../../types/units.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { bytesAhead, forecastAhead, type StepBytes } from './bytes-ahead.js';
import type { MergedDemand } from './costs.js';
import { ReadCharges } from './read-charges.js';
import type { ForecastUse } from '../forecast-use.js';
import type { WaitReason, WorkItem } from '../work.js';

/** Requests of this priority and more urgent ones are never put off: they are above what is usual. */
const URGENT = 2;

/** The steps of one source, the one that runs now first. Bytes. */
interface Slots {
  readonly stepMs: number;
  readonly steps: readonly StepBytes[];
  /** Forecast of each step; of the one that runs now what is still to come of it, with what it can no longer give. */
  readonly load: readonly number[];
  /** What one whole step can give. */
  readonly capacity: number;
}

/**
 * Requests that are put off to a step of lower load, each with the reason. Only where a source has a limit in bytes, no
 * opening times and a reliable forecast of two steps, and only when what is asked of the step that runs now exceeds what
 * it can still give. A request is put off only to a step that ends by its deadline and has room for all of it, and only
 * together with all that it shares a read with: what is read now anyway costs it nothing.
 * @param demand what this cycle would read
 */
export function levelOverTime(inputs: BatchInputs, demand: MergedDemand): Levelled {
  if (inputs.levelled !== true || !demand.items.some(({ item }) => isPatient(item))) return NOTHING;
  const charges = new ReadCharges(demand, inputs);
  charges.settle(Float64Array.from(demand.items, ({ rows }) => rows));
  const levelled = inputs.limits
    .filter(({ source, resource }) => source !== null && resource === `bytes:${source}`)
    .map((limit) => levelSource(inputs, limit, readsOf(demand, charges, limit)));
  return {
    putOff: levelled.flatMap(({ putOff }) => putOff),
    forecasts: levelled.flatMap(({ forecasts }) => forecasts),
  };
}

/** What is put off, and the forecasts of the steps that it is put off from and to. */
interface Levelled {
  readonly putOff: readonly WaitReason[];
  readonly forecasts: readonly ForecastUse[];
}
const NOTHING: Levelled = { putOff: [], forecasts: [] };

/** One read of a source, and what it takes of its bytes. */
interface SourceRead {
  readonly members: readonly WorkItem[];
  readonly bytes: number;
}

function levelSource(inputs: BatchInputs, limit: ResourceLimit, reads: readonly SourceRead[]): Levelled {
  const source = limit.source!;
  const patient = reads.filter(({ members }) => members.every(isPatient));
  if (inputs.sources[source]?.windows !== null || patient.length === 0) return NOTHING;
  const total = (some: readonly SourceRead[]): number => some.reduce((sum, { bytes }) => sum + bytes, 0);
  const slots = slotsOf(inputs, limit, total(reads) - total(patient));
  if (slots === null) return NOTHING;
  const asked = slots.load[0] + total(patient);
  if (asked <= slots.capacity) return NOTHING;
  const jobs = patient.flatMap(({ members, bytes }, index): LevelJob[] => {
    const untilMs = Math.min(...members.map(({ deadlineMs }) => deadlineMs!));
    const due = slots.steps.findLastIndex(({ targetMs }) => targetMs <= untilMs);
    return due < 1 ? [] : [{ id: String(index), work: bytes, release: 0, due }];
  });
  // Those that cannot wait for a later step are read now: they leave the others less.
  const [first, ...rest] = slots.load;
  const fixed = total(patient) - jobs.reduce((sum, { work }) => sum + work, 0);
  const { assignments } = levelLoad(jobs, [first + fixed, ...rest], slots.capacity);
  const firstOf = new Map<string, number>();
  for (const { id, slot } of assignments) if (!firstOf.has(id)) firstOf.set(id, slot);
  // Reads are whole: of one that is spread, the first part says when; with a part in the step that runs now it is read now.
  const later = [...firstOf].filter(([, slot]) => slot > 0);
  const putOff = later.flatMap(([id, slot]) =>
    patient[Number(id)].members.map((item) => reasonOf(item, slot, asked, slots, limit, inputs.nowMs)),
  );
  const steps = later.length === 0 ? [] : [0, ...later.map(([, slot]) => slot)].map((slot) => slots.steps[slot]);
  return { putOff, forecasts: steps.map((step) => forecastAhead(inputs, source, 'put-off', step)) };
}

/** One-off, not urgent, with time until its deadline, of whatever version of the data is there then, and alone. */
function isPatient({ kind, deadlineMs, priority, datasetVersion, gang }: WorkItem): boolean {
  const late = kind === 'request' && deadlineMs !== null && priority > URGENT;
  return late && datasetVersion === null && gang === undefined;
}

/** The reads of a source, in the order of their first members. */
function readsOf({ items, reads }: MergedDemand, charges: ReadCharges, limit: ResourceLimit): SourceRead[] {
  return reads
    .filter(({ members }) => items[members[0]].source === limit.source)
    .map(({ members }) => {
      const bytes = new Float64Array(members.length);
      charges.charge(members, limit.resource, bytes, 0, 1);
      return {
        members: [...members].map((index) => items[index].item),
        bytes: bytes.reduce((sum, one) => sum + one, 0),
      };
    });
}

/** Null where the clock is not that on the wall (deadlines are), or where there is no forecast of two steps to rely on. */
function slotsOf(inputs: BatchInputs, { source, perSecond, available }: ResourceLimit, askedNow: number): Slots | null {
  const { nowMs } = inputs;
  const steps = bytesAhead(inputs, source!, 'likely');
  if (steps.length < 2) return null;
  const stepMs = steps[1].targetMs - steps[0].targetMs;
  const leftMs = steps[0].targetMs - nowMs;
  if (leftMs < 0 || leftMs > stepMs) return null;
  const capacity = (perSecond * stepMs) / 1000;
  // What is still to come of a step is its part of the time that is left; what is asked now is a part of it.
  const toCome = Math.max(askedNow, steps[0].bytes * (leftMs / stepMs));
  const gone = Math.max(0, capacity - (perSecond * leftMs) / 1000 - Math.max(0, available));
  return { stepMs, steps, load: [toCome + gone, ...steps.slice(1).map(({ bytes }) => bytes)], capacity };
}

function reasonOf(
  { id, deadlineMs }: WorkItem,
  slot: number,
  asked: number,
  { stepMs, steps, load, capacity }: Slots,
  { resource, source }: ResourceLimit,
  nowMs: number,
): WaitReason {
  const [fromMs, toMs] = [steps[slot].targetMs - stepMs, steps[slot].targetMs];
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    itemId: id,
    tier: 'waiting',
    resource,
    blockers: [],
    shortfall: asked - capacity,
    earliestMs: Math.max(nowMs, fromMs),
    reason: `put off to the step from ${time(fromMs)} to ${time(toMs)}: ${formatBytes(load[slot])} of ${source} are expected then at most, ${formatBytes(asked)} with it in the step that runs now, ${formatBytes(capacity)} can be read in one; its deadline is ${time(deadlineMs!)}`,
  };
}
