/** Every fault that was found of what was read, and whom of all who read the dataset it hits. */
import { exactly, type Range } from '../../quality/impact.js';
import type { GateSeverity } from '../../quality/gate-severity.js';
import { faultOf, hitRows, isOwnFault, kindOf, withoutFault, type Fault } from '../quality/faults.js';
import { gateOf } from '../quality/judge-slice.js';
import { effectAsIs, lostOf, type ReadSlice } from '../quality/need-effect.js';
import type { QualityInputs } from '../quality/quality-inputs.js';
import { usedColumns } from '../quality/stand-in.js';
import { nameOf, readerOf, type FaultImpact } from './effect-record.js';

/** A slice that was read, with what its item asks for or is judged by. */
interface Reading {
  readonly read: ReadSlice;
  readonly used: ReadonlySet<string>;
  /** Rows that it asked for and does not get. */
  readonly lost: number;
}
interface Found {
  readonly fault: Fault;
  /** What the first that it was found of is told. */
  readonly messages: string[];
  readonly first: ReadSlice;
  severity: number;
  /** How often it was found. */
  times: number;
  /** Whom it was found of, where it is their own. */
  readonly own: Set<ReadSlice>;
  readonly key: string;
}

const SEVERITY: Readonly<Record<GateSeverity, number>> = { note: 0, degrade: 1, quarantine: 2 };

/**
 * The faults, those first that weigh most and that most items were found to have.
 *
 * @param reads every slice that was read of these datasets, by item id
 * @param faultsMax faults that are told; @param readersMax readers that are told of all of them together, and likewise untouched ones
 */
export function faultImpacts(
  reads: readonly ReadSlice[],
  quality: QualityInputs,
  faultsMax: number,
  readersMax: number,
): { readonly faults: FaultImpact[]; readonly omitted: number } {
  const found = faultsOf(reads).sort(
    (a, b) => b.severity - a.severity || b.times - a.times || (a.key < b.key ? -1 : 1),
  );
  const tallies = found.slice(0, faultsMax).map((of): Tally => ({ of, hits: [], untouched: [], requests: new Map() }));
  const shared = new Map<string, Tally[]>();
  for (const tally of tallies) {
    const { fault, own } = tally.of;
    if (!isOwnFault(fault)) within(shared, fault.dataset, () => []).push(tally);
    for (const read of own) tallyOne(tally, readingOf(read, quality), quality);
  }
  // All faults of one slice before the next slice: of thousands each is looked at once.
  for (const read of tallies.length === 0 ? [] : reads) {
    const reading = readingOf(read, quality);
    for (const tally of shared.get(read.item.dataset) ?? []) tallyOne(tally, reading, quality);
  }
  const each = Math.max(2, Math.floor(readersMax / Math.max(1, tallies.length)));
  return { faults: tallies.map((tally) => impactOf(tally, quality, each)), omitted: found.length - tallies.length };
}

function readingOf(read: ReadSlice, quality: QualityInputs): Reading {
  const { item, slice } = read;
  return { read, used: new Set(usedColumns(item)), lost: lostOf(item, exactly(slice.rows), quality).expected };
}

/** Each fault once. What is a need's own is told of that need alone, of one-off requests of their model. */
function faultsOf(reads: readonly ReadSlice[]): Found[] {
  const all: Found[] = [];
  type ByRule = Map<string, Found>;
  type ByColumn = Map<string, ByRule>;
  // Maps in maps: of 10,000 items with 50 findings each no key is put together.
  const datasets = new Map<string, Map<string, Map<string, ByColumn>>>();
  for (const read of reads) {
    const { item, findings } = read;
    const ofDataset = within(datasets, item.dataset, () => new Map<string, Map<string, ByColumn>>());
    for (const finding of findings) {
      const kind = kindOf(finding);
      const own = isOwnFault({ kind });
      const whose = own ? (item.needId ?? item.model) : '';
      const ofKind = within(
        within(ofDataset, whose, () => new Map<string, ByColumn>()),
        kind,
        () => new Map() as ByColumn,
      );
      // A missing class is named in the place of a column: it is the mix that is at fault.
      const column = kind === 'class-mix' ? '' : (finding.column ?? '');
      const known = within(
        within(ofKind, column, () => new Map() as ByRule),
        finding.rule ?? '',
        () => {
          const fault = faultOf(finding, item);
          const key = JSON.stringify([item.dataset, kind, column, finding.rule, whose]);
          const one: Found = { fault, messages: [], first: read, severity: 0, times: 0, own: new Set(), key };
          all.push(one);
          return one;
        },
      );
      known.times += 1;
      known.severity = Math.max(known.severity, SEVERITY[finding.severity]);
      if (known.first === read) known.messages.push(finding.message);
      if (own) known.own.add(read);
    }
  }
  return all;
}

function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Whom one fault hits and whom it does not. */
interface Tally {
  readonly of: Found;
  readonly hits: { readonly read: ReadSlice; readonly hit: Range | null }[];
  readonly untouched: FaultImpact['untouched'][number][];
  readonly requests: Map<string, RequestsHit>;
}

function tallyOne({ of: { fault }, hits, untouched, requests }: Tally, reading: Reading, quality: QualityInputs): void {
  const { read, used } = reading;
  const { item, slice } = read;
  const uses = fault.column === undefined || used.has(fault.column);
  const hit = uses ? hitRows(fault, item, slice, quality) : null;
  const why = whyUntouched(hit, uses, used, fault);
  if (item.needId !== null) {
    if (why === null) hits.push({ read, hit });
    else untouched.push({ ...readerOf(item), why });
  } else if (why === null) addRequest(requests, reading, hit);
}

function impactOf({ of, hits, untouched, requests }: Tally, quality: QualityInputs, max: number): FaultImpact {
  const { fault, messages } = of;
  const name = ({ item }: ReadSlice): string => item.needId!;
  hits.sort((a, b) => rank(b.hit) - rank(a.hit) || (name(a.read) < name(b.read) ? -1 : 1));
  const needs = hits.slice(0, max).map(({ read }) => {
    const { item, slice } = read;
    const chosenBy = fault.column !== undefined && !item.fields.includes(fault.column);
    const sound = { score: gateOf(item, withoutFault(fault, item, slice, quality), quality).score };
    const chooses = chosenBy && !isOwnFault(fault) ? { chosenBy: true as const } : {};
    return { ...readerOf(item), ...chooses, effect: effectAsIs(read, [fault], quality), sound };
  });
  const readers = [...needs, ...[...requests.values()].map(requestsReader)].sort(
    (a, b) => rank(b.effect.hit) - rank(a.effect.hit) || (nameOf(a) < nameOf(b) ? -1 : 1),
  );
  untouched.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const left = {
    readers: hits.length - needs.length + Math.max(0, readers.length - max),
    untouched: Math.max(0, untouched.length - max),
  };
  return {
    ...{ ...fault, message: messages.join('; ') },
    readers: readers.slice(0, max),
    untouched: untouched.slice(0, max),
    ...(left.readers + left.untouched === 0 ? {} : { omitted: left }),
  };
}

/** Those of which it is not known how many rows are hit come last. */
const rank = (hit: Range | null): number => hit?.expected ?? -1;

/** Why a fault does nothing to a reader; null where it does, or may. */
function whyUntouched(hit: Range | null, uses: boolean, used: Reading['used'], fault: Fault): string | null {
  if (isOwnFault(fault)) return null;
  const { kind, column, rule = '' } = fault;
  if (!uses) return `it does not use ${column!}`;
  if (hit === null)
    return column !== undefined || [...used].some((name) => mentions(rule, name))
      ? null
      : `it reads nothing of ${rule}`;
  if (hit.high > 0) return null;
  return kind === 'stale' ? 'its newest row is young enough for it' : 'none of its rows is at fault';
}

/** Whether a declared rule or reference speaks of a column. */
function mentions(rule: string, column: string): boolean {
  const isWord = (character: string): boolean => /[\p{L}\p{N}_]/u.test(character);
  for (let at = rule.indexOf(column); at >= 0; at = rule.indexOf(column, at + 1))
    if (!isWord(rule.charAt(at - 1)) && !isWord(rule.charAt(at + column.length))) return true;
  return false;
}

/** One-off requests of one model, together: there may be thousands. */
interface RequestsHit {
  readonly model: string;
  requests: number;
  rows: number;
  lost: number;
  readonly hit: { low: number; expected: number; high: number };
  /** False once it is not known of one of them. */
  known: boolean;
}

function addRequest(of: Map<string, RequestsHit>, { read, lost }: Reading, hit: Range | null): void {
  const { model } = read.item;
  const none = (): RequestsHit => ({
    ...{ model, requests: 0, rows: 0, lost: 0, known: true },
    hit: { low: 0, expected: 0, high: 0 },
  });
  const sum = within(of, model, none);
  sum.requests += 1;
  sum.rows += read.slice.rows;
  sum.lost += lost;
  if (hit === null) sum.known = false;
  sum.hit.low += hit?.low ?? 0;
  sum.hit.expected += hit?.expected ?? 0;
  sum.hit.high += hit?.high ?? 0;
}

function requestsReader({ model, requests, rows, lost, hit, known }: RequestsHit): FaultImpact['readers'][number] {
  const none = { classes: null, ageMs: null, score: null, verdict: null };
  const effect = { rows: exactly(rows), lost: exactly(lost), hit: known ? hit : null, ...none };
  return { needId: null, model, requests, sound: null, effect };
}
