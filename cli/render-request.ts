/** What became of one request, in plain sentences: why it got its data or did not, what is in its way, until when. */
import type { RequestExplanation } from '../db/decision-store.js';
import { formatBytes, formatDuration } from '../domain/types/units.js';

/** Why something waits or ended, as it is stored. */
interface Why {
  readonly type?: string;
  readonly tier?: string;
  readonly reason?: string;
  readonly hint?: string | null;
  readonly resource?: string | null;
  readonly cohort?: string;
  readonly shortfall?: number;
  /** Null: never, unless what the hint says is done. */
  readonly earliestMs?: number | null;
}

/** What kind of obstacle a stable reason is: what the asker must mend, what others decided, what time will mend. */
const TIER_OF: Readonly<Record<string, string>> = {
  UnknownColumn: 'misconfigured',
  NoFields: 'misconfigured',
  ExceedsQuota: 'misconfigured',
  UnknownDataset: 'misconfigured',
  TypeMismatch: 'misconfigured',
  EmptyPredicate: 'misconfigured',
  NoEventTime: 'misconfigured',
  SourceMissing: 'misconfigured',
  VersionGone: 'misconfigured',
  RestrictedField: 'not allowed',
  CycleFailed: 'waiting',
  DependencyNotMet: 'waiting',
};
const TIERS: Readonly<Record<string, string>> = { 'over-quota': 'over quota' };

export function renderRequest(request: RequestExplanation, cacheDir: string): string {
  const { id, needId, model, dataset, asked, kind } = request;
  const rows = asked.rows === null ? 'every row' : `${asked.rows} rows`;
  const where = asked.where === '' ? '' : ` where ${asked.where}`;
  const name = kind === 'need' ? `Need ${needId} (${id})` : `Request ${id} of ${model}`;
  return [
    `${name} on ${dataset}: ${request.state}`,
    `  It asks for ${rows} of ${asked.fields.join(', ')}${where}.`,
    ...(request.owedRows === 0 ? [] : [`  ${request.owedRows} more rows were owed to it by earlier cycles.`]),
    ...(request.delivery === null ? ending(request) : delivered(request, request.delivery, cacheDir)),
    ...(request.decisionId === null ? [] : [`  Decision: balance explain ${request.decisionId}`]),
    '',
  ].join('\n');
}

function delivered(
  request: RequestExplanation,
  delivery: NonNullable<RequestExplanation['delivery']>,
  cacheDir: string,
) {
  const { rows, verdict, score, served, path, asOfMs, upToMs, leaseUntil, report } = delivery;
  const {
    reason,
    grantReason,
    readReason,
    corrections = [],
  } = report as {
    reason?: string;
    grantReason?: string;
    readReason?: string;
    corrections?: readonly string[];
  };
  return [
    `  It got ${rows} rows as of ${iso(asOfMs)}${took(request)}: ${SERVED[served] ?? served}.`,
    ...(grantReason === undefined ? [] : [`  Share: ${grantReason}.`]),
    ...(readReason === undefined ? [] : [`  Read: ${readReason}.`]),
    ...(upToMs === null
      ? []
      : [`  New rows: every row up to ${iso(upToMs)} has been handed out; later ones come with later cycles.`]),
    `  Quality: ${verdict === 'pass' ? 'good' : 'degraded'} (${score.toFixed(2)}): ${reason ?? 'meets its contract'}.`,
    ...corrections.map((correction) => `  Corrected: ${correction}.`),
    `  File: ${cacheDir}/${path}`,
    `  Readable at least until ${iso(leaseUntil.getTime())}.`,
  ];
}

const SERVED: Readonly<Record<string, string>> = {
  read: 'read for it alone',
  merged: 'read once together with others that wanted overlapping rows',
  cache: 'served from the shared cache, without a read',
  'last-good': 'the last good delivery stands in, as the new data was not good enough',
};

/** Why there is no delivery, or not yet. */
function ending(request: RequestExplanation): string[] {
  const why = (request.why ?? {}) as Why;
  const hint = why.hint == null ? [] : [`  What to do: ${why.hint}`];
  switch (request.state) {
    case 'cancelled':
      return [`  It was cancelled${at(request.closedAt ?? request.cancelRequestedAt)}: nothing was handed out.`];
    case 'claimed':
      return [
        request.cancelRequestedAt === null
          ? '  A cycle works on it now.'
          : '  A cycle works on it now, and will drop it: it was cancelled.',
      ];
    case 'expired':
      return [`  It was not served in time${at(request.deadlineAt)}: ${why.reason ?? 'its deadline passed'}.`, ...hint];
    case 'quarantined':
      return [`  Its rows were read and kept back, as they are not good enough: ${why.reason ?? ''}.`, ...hint];
    case 'pending':
      return why.reason === undefined
        ? [
            '  No cycle has looked at it yet. `balance status` says whether the pool is busy, paused, or holds requests for others to join.',
            ...until(request),
          ]
        : [`  It waits (${tierOf(why)}): ${why.reason}.`, ...obstacle(request, why), ...until(request), ...hint];
    default:
      return [
        `  It was ${request.kind === 'need' && why.tier !== undefined ? 'not served in this cycle' : 'refused'} (${tierOf(why)}): ${why.reason ?? 'no reason was stored'}.`,
        ...obstacle(request, why),
        ...hint,
        ...(request.kind === 'need' ? ['  As a standing need it is due again in the next cycle.'] : []),
      ];
  }
}

function tierOf({ tier, type }: Why): string {
  const one = tier ?? TIER_OF[type ?? ''] ?? 'refused';
  return TIERS[one] ?? one;
}

/** What is missing, who holds it, and when to look again. */
function obstacle({ blockers, attempts, failures, kind }: RequestExplanation, why: Why): string[] {
  const { resource } = why;
  return [
    ...(resource == null ? [] : [`  In the way: ${inTheWay(resource, why)}.`]),
    ...(blockers.length === 0 ? [] : [`  Held by: ${blockers.join(', ')}.`]),
    ...(failures === 0
      ? []
      : [`  ${failures} ${failures === 1 ? 'cycle' : 'cycles'} in a row failed while working on it.`]),
    ...earliest(why, `looked at by ${attempts} ${attempts === 1 ? 'cycle' : 'cycles'} so far`, kind),
  ];
}

/** When it can be served at the earliest, and what has been tried until now. */
function earliest(why: Why, looked: string, kind: RequestExplanation['kind']): string[] {
  const { earliestMs } = why;
  if (earliestMs === null) return ['  Earliest: never, as it is.'];
  if (earliestMs === undefined || kind === 'need') return [];
  if (why.tier === 'misconfigured')
    return [`  Earliest: never, as it is; ${looked}, looked at again at ${iso(earliestMs)}.`];
  if (waitsForMembers(why)) return [`  Earliest: as soon as they come; ${looked}.`];
  return [`  Earliest: ${iso(earliestMs)}; ${looked}.`];
}

/** A gang that not all of have come is served when they come: its time is only when it is looked at again without them. */
export function waitsForMembers({ tier, resource }: Pick<Why, 'tier' | 'resource'>): boolean {
  return tier === 'waiting' && resource?.startsWith('gang:') === true;
}

function until({ deadlineAt }: RequestExplanation): string[] {
  return deadlineAt === null
    ? ['  It has no deadline: it waits until it is served or cancelled.']
    : [`  It expires${at(deadlineAt)}.`];
}

/** What a resource is, and how much of it is missing, by the kind before the colon. */
const KINDS: Readonly<
  Record<string, { readonly what: (of: string) => string; readonly show?: (amount: number) => string }>
> = {
  bytes: { what: (of) => `the bytes a second that source ${of} may give`, show: bytesMissing },
  rows: { what: (of) => `the rows a second that source ${of} may give`, show: (amount) => missing(Math.ceil(amount)) },
  quota: { what: (of) => `the bytes that may leave source ${of} in a period`, show: bytesMissing },
  window: {
    what: (of) => `the times at which source ${of} may be read`,
    show: (ms) => `they begin in ${formatDuration(ms)}`,
  },
  scans: { what: (of) => `the reads that source ${of} bears at once`, show: missing },
  lock: { what: (of) => `as ${of} is read by one at a time` },
  read: { what: () => 'the read that is made for it' },
  gang: {
    what: () => 'whose requests are served together',
    show: (amount) => `${amount} of its requests ${amount === 1 ? 'is' : 'are'} missing`,
  },
  column: { what: (of) => `a column of ${of.split('.')[0]}`, show: missing },
  dataset: { what: () => 'what it asks for' },
  version: { what: () => 'the content that it is pinned to' },
  quality: { what: () => 'which is not good enough' },
  need: { what: () => 'which it comes after' },
  cycle: { what: () => 'which worked on it' },
  stage: { what: () => 'which left nothing for it' },
  fields: { what: () => 'of which it names none' },
  deadline: { what: () => 'its own', show: (ms) => `it was ${formatDuration(ms)} late` },
};
/** Kinds that have no name of their own after a colon. */
const SINGLE: ReadonlySet<string> = new Set(['deadline', 'fields']);

function missing(amount: number): string {
  return `${Number(amount.toPrecision(4))} ${amount === 1 ? 'is' : 'are'} missing`;
}
function bytesMissing(amount: number): string {
  return `${formatBytes(amount)} are missing`;
}

function inTheWay(resource: string, { shortfall = 0, cohort }: Why): string {
  const [kind, ...of] = resource.split(':');
  const known = of.length > 0 || SINGLE.has(kind) ? KINDS[kind] : undefined;
  const whose = cohort === undefined ? '' : `, as far as cohort ${cohort} may take it`;
  const name = known === undefined ? `the pool's ${resource}` : `${resource}, ${known.what(of.join(':'))}`;
  const show = known === undefined ? missing : known.show;
  const amount = shortfall > 0 && show !== undefined ? `; ${show(shortfall)}` : '';
  return `${name}${whose}${amount}`;
}

function took({ createdAt, closedAt, kind }: RequestExplanation): string {
  if (kind === 'need' || closedAt === null) return '';
  return `, ${((closedAt.getTime() - createdAt.getTime()) / 1_000).toFixed(1)} s after it was asked`;
}
function at(date: Date | null): string {
  return date === null ? '' : ` at ${iso(date.getTime())}`;
}
function iso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
