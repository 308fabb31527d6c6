/**
 * A circuit breaker for each dataset that has a stand-in. While its circuit is open the dataset rests: the stand-in is read in
 * its place and it is left alone; then it is tried again with the cycle's own questions (half open), and what comes of that
 * closes the circuit or opens it for twice as long. The states are those of Nygard (Release It!, 2007, 5.2), the share of
 * failures that opens it is the default of resilience4j (`failureRateThreshold` 50), and the rest that grows with failures in a
 * row that of Envoy's outlier ejection. It is counted in cycles that ask of the dataset: an hourly cycle and one a second both
 * rest a source for as long as it pays.
 */
import type { DatasetDefinition, PoolDefinition } from '../../types/pool.js';
import { openIntervals } from '../batch/source-windows.js';
import type { WorkItem } from '../work.js';
import { forbiddenColumns, standInFor, usedColumns } from './stand-in.js';

export interface Circuit {
  /** How dataset and stand-in were declared: a circuit of another declaration says nothing. */
  readonly of: string;
  readonly standIn: string;
  /** Times in a row that the dataset failed: its rows were no good, or none came; 0: it is well. */
  readonly failures: number;
  /** Those of them in which no data came; absent: none, and in circuits of before they were told apart. */
  readonly silences?: number;
  /** Cycles that the stand-in is still to serve before the dataset is tried again. */
  readonly left: number;
  /** Event time of the last failure. */
  readonly sinceMs: number;
  readonly reason: string;
  /** Columns that the stand-in was read for and gave: it is read for no others unasked. */
  readonly columns: readonly string[];
}
export type Circuits = Readonly<Record<string, Circuit>>;

/** The longest rest: a source that is ill for good then costs one further read in nine cycles. */
export const REST_CYCLES_MAX = 8;
/** Nor does a dataset rest longer than this: where cycles are days apart, a try costs little and a stand-in stays one. */
export const REST_MS_MAX = 86_400_000;

/** A dataset whose stand-in is read in a cycle. */
export interface Resting {
  readonly standIn: string;
  /** The dataset as it is declared. */
  readonly own: DatasetDefinition;
  readonly reason: string;
  /**
   * Items that ask for its new rows: only the dataset knows how many there are, and a window that is handed out is closed. They
   * are held until it is tried again, and then handed out with those that came since.
   */
  readonly held: readonly string[];
}
export interface Rests {
  readonly resting: Readonly<Record<string, Resting>>;
  /** A sentence for each dataset whose circuit is not closed: it rests, is tried again, or cannot rest now. */
  readonly notes: readonly string[];
}

/** The circuits' key of a declaration. */
export function declarationOf(datasets: PoolDefinition['datasets'], id: string): string {
  const { source, path, table, fallback = '' } = datasets[id];
  const other = Object.hasOwn(datasets, fallback) ? datasets[fallback] : null;
  return JSON.stringify([source, path, table, fallback, other?.source, other?.path, other?.table]);
}

/** Which datasets rest in a cycle. Pure: the circuits change only when a cycle ends. */
export function restsOf(
  { datasets, models, sources }: Pick<PoolDefinition, 'datasets' | 'models' | 'sources'>,
  items: readonly WorkItem[],
  circuits: Circuits,
  { asOfMs, nowMs }: { readonly asOfMs: number; readonly nowMs: number },
): Rests {
  const resting: Record<string, Resting> = {};
  const notes: string[] = [];
  for (const id of Object.keys(circuits).sort()) {
    const asked = items.filter(({ dataset }) => dataset === id);
    const circuit = circuits[id];
    const { standIn, failures, left, reason } = circuit;
    if (asked.length === 0 || failures === 0 || !Object.hasOwn(datasets, id)) continue;
    if (circuit.of !== declarationOf(datasets, id)) continue;
    if (left === 0 || asOfMs - circuit.sinceMs >= REST_MS_MAX) {
      notes.push(`${id} is tried again: ${failedOf(circuit)}, the last time: ${reason}`);
      continue;
    }
    const held = asked.filter(({ window }) => window != null);
    const served = asked.filter(({ window }) => window == null);
    const other = datasets[standIn];
    const { windows } = sources[other.source];
    const why =
      windows !== undefined && openIntervals(windows, nowMs)[0][0] > 0
        ? `source ${other.source} is closed`
        : (whyNotHeld(held, served, asOfMs - circuit.sinceMs) ??
          served.map((item) => whyNot(item, circuit, other, models)).find((one) => one !== null));
    if (why != null) {
      notes.push(`${id} is read though it should rest: ${why}`);
      continue;
    }
    resting[id] = { standIn, own: datasets[id], reason, held: held.map((item) => item.id).sort() };
    const more = left === 1 ? 'and is tried again in the next' : `and in ${left - 1} more`;
    const waiting = held.length === 0 ? '' : `, its new rows are held for ${held.map(nameOf).sort().join(', ')}`;
    notes.push(`${id} rests, ${standIn} is read in its place in this cycle ${more}${waiting}: ${reason}`);
  }
  return { resting, notes };
}

/**
 * Why new rows cannot be held while their dataset rests; null where they can. Held for nobody's sake they would only be late, and
 * what its need calls too old must not become so by being held.
 */
function whyNotHeld(held: readonly WorkItem[], served: readonly WorkItem[], restedMs: number): string | null {
  if (held.length === 0) return null;
  if (served.length === 0) return `${nameOf(held[0])} asks for its new rows, and nobody for others`;
  const late = held.find(({ maxAgeMs }) => maxAgeMs !== null && restedMs >= maxAgeMs);
  return late === undefined ? null : `${nameOf(late)} asks for its new rows, which would be too old if they were held`;
}

function nameOf({ id, needId }: WorkItem): string {
  return needId ?? `request ${id}`;
}

/** Why an item must be served from its own dataset; null where the stand-in will do. */
function whyNot(
  item: WorkItem,
  { standIn, columns }: Circuit,
  other: DatasetDefinition,
  models: PoolDefinition['models'],
): string | null {
  const who = nameOf(item);
  if (item.datasetVersion !== null) return `${who} pins a version of it`;
  const forbidden = forbiddenColumns(item, standIn, other, models);
  if (forbidden.length > 0) return `${who} may not read ${forbidden.join(', ')} of ${standIn}`;
  const unknown = usedColumns(item).filter((column) => !columns.includes(column));
  return unknown.length === 0 ? null : `${standIn} was never read for ${unknown.join(', ')}, which ${who} asks for`;
}

/** The datasets of a cycle: where one rests, its stand-in measured by what the dataset promises. */
export function withRests(datasets: PoolDefinition['datasets'], { resting }: Rests): PoolDefinition['datasets'] {
  const replaced = Object.entries(resting).map(([id, { standIn, own }]) => [id, standInFor(own, datasets[standIn])]);
  return { ...datasets, ...(Object.fromEntries(replaced) as PoolDefinition['datasets']) };
}

/** What a cycle saw of a dataset. */
export interface Seen {
  readonly of: string;
  readonly standIn: string;
  /** Whether the stand-in was read in its place. */
  readonly rested: boolean;
  /** Items that were read or could not be, those of them that got no good rows, and those of these that the other dataset served well. */
  readonly items: number;
  readonly bad: number;
  readonly saved: number;
  /** Whether it was not read because it did not answer. */
  readonly silent: boolean;
  /** Whether none of the bad items got any rows: no data came, whatever it would have been. */
  readonly empty: boolean;
  /** Columns that the stand-in gave to those. */
  readonly columns: readonly string[];
  readonly reason: string;
}

/**
 * The circuit after a cycle; null: it stays as it is. A dataset fails when half of the items that were read from it got rows
 * that were no good *and* the stand-in had better ones: one that is as bad is no reason to leave the dataset alone. Nor does one
 * that failed before and does not answer now keep those waiting whom its stand-in has served.
 */
export function nextCircuit(before: Circuit | null, seen: Seen, asOfMs: number): Circuit | null {
  const known = before?.of === seen.of && before.failures > 0 ? before : null;
  if (seen.items === 0) return null;
  const { of, standIn, reason, empty } = seen;
  const bad = 2 * seen.bad >= seen.items;
  if (seen.rested) {
    if (known === null) return null;
    if (!bad) return { ...known, left: Math.max(0, known.left - 1) };
    // The stand-in is no better: the dataset is tried again, or is known to be well.
    return seen.saved > 0 ? closed(known, asOfMs) : { ...known, left: 0 };
  }
  if (!bad) return known === null ? null : closed(known, asOfMs);
  if (seen.saved === 0 && !(seen.silent && known !== null)) return null;
  const failures = (known?.failures ?? 0) + 1;
  const left = Math.min(REST_CYCLES_MAX, 2 ** (failures - 1));
  const silences = (known?.silences ?? 0) + (empty ? 1 : 0);
  const columns = [...new Set([...(known?.columns ?? []), ...seen.columns])].sort();
  return { of, standIn, failures, ...(silences === 0 ? {} : { silences }), left, sinceMs: asOfMs, reason, columns };
}

function closed({ of, standIn }: Circuit, sinceMs: number): Circuit {
  return { of, standIn, failures: 0, left: 0, sinceMs, reason: 'what was read of it is good again', columns: [] };
}

/** What became of a circuit, for the record. */
export function describeCircuit(id: string, circuit: Circuit, rested: boolean): string {
  const { standIn, failures, left, reason } = circuit;
  if (failures === 0) return `${id} is well: ${reason}`;
  if (left === 0) return `${id} is tried again in the next cycle${rested ? `: ${standIn} served its turn` : ''}`;
  if (rested) return `${id} rests for ${cyclesOf(left)} more, then it is tried again`;
  return `${id} rests for ${cyclesOf(left)}, ${standIn} is read in its place: ${failedOf(circuit)}: ${reason}`;
}

/** How it failed: a source that gives bad rows and one that gives none need different help. */
function failedOf({ failures, silences = 0 }: Circuit): string {
  if (silences === 0) return `its rows were no good ${timesOf(failures)}`;
  if (silences === failures) return `no data came of it ${timesOf(failures)}`;
  return `it failed ${timesOf(failures)}, ${silences} of them without data`;
}

function cyclesOf(count: number): string {
  return count === 1 ? '1 cycle' : `${count} cycles`;
}
function timesOf(count: number): string {
  return count === 1 ? 'once' : `${count} times in a row`;
}
