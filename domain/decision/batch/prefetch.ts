/**
 * What is read ahead of being asked for: requests that are likely to come while a result of now is fresh enough for
 * them, with what this cycle leaves of their source. Nothing that is asked for gives anything up: what it takes, and
 * what it is forecast to take until the budget has refilled, is set aside first.
 */
import type { BatchInputs } from './batch-inputs.js';
import type { ExpectedRequest } from '../predict/expected-requests.js';
import { formatBytes } from '../../types/units.js';

/** At most this share of what is left is read ahead: the rest is for what nobody foresaw. */
const SPARE_SHARE = 0.5;

export interface PrefetchRead {
  readonly dataset: string;
  readonly source: string;
  readonly requests: readonly ExpectedRequest[];
  readonly rows: number;
  readonly bytes: number;
}
export interface Prefetch {
  /** One for each dataset, by dataset. */
  readonly reads: readonly PrefetchRead[];
  /** Expected, and not read ahead. */
  readonly left: readonly { readonly shape: string; readonly reason: string }[];
  readonly charges: Readonly<Record<string, number>>;
}

/**
 * @param charges what the granted items take, by resource
 * @param reserved bytes of each limited resource that the forecast's upper end takes until the budget has refilled
 */
export function planPrefetch(
  inputs: Pick<BatchInputs, 'limits' | 'expected' | 'readingShapes' | 'prefetchBytesMax'>,
  charges: Readonly<Record<string, number>>,
  reserved: Readonly<Record<string, number>>,
): Prefetch {
  const spare = new Map(
    inputs.limits
      .filter(({ source }) => source !== null)
      .map(({ resource, available }) => [
        resource,
        SPARE_SHARE * Math.max(0, available - (charges[resource] ?? 0) - (reserved[resource] ?? 0)),
      ]),
  );
  let budget = inputs.prefetchBytesMax;
  const reading = new Set(inputs.readingShapes);
  const taken: Record<string, number> = {};
  const chosen = new Map<string, ExpectedRequest[]>();
  const left: { shape: string; reason: string }[] = [];
  for (const request of inputs.expected) {
    const { shape, dataset, source, resultBytes, resultRows } = request;
    if (reading.has(shape)) continue;
    const cost = { [`bytes:${source}`]: resultBytes, [`rows:${source}`]: resultRows };
    const short = Object.keys(cost).find((resource) => cost[resource] > (spare.get(resource) ?? Infinity));
    const reason = !request.pays
      ? `predictions of it failed more often than they held (${round(request.wrong)} to ${round(request.right)})`
      : request.uncounted === true
        ? 'it was never asked, and what matches it could not be counted'
        : resultBytes > budget
          ? `${formatBytes(resultBytes)} exceed what may be read ahead in one cycle`
          : short !== undefined
            ? `too little of ${short} is spare`
            : null;
    if (reason !== null) {
      left.push({ shape, reason });
      continue;
    }
    budget -= resultBytes;
    for (const [resource, amount] of Object.entries(cost)) {
      if (!spare.has(resource)) continue;
      spare.set(resource, spare.get(resource)! - amount);
      taken[resource] = (taken[resource] ?? 0) + amount;
    }
    chosen.set(dataset, [...(chosen.get(dataset) ?? []), request]);
  }
  const reads = [...chosen.keys()].sort().map((dataset): PrefetchRead => {
    const requests = chosen.get(dataset)!;
    return {
      dataset,
      source: requests[0].source,
      requests,
      rows: requests.reduce((sum, { resultRows }) => sum + resultRows, 0),
      bytes: requests.reduce((sum, { resultBytes }) => sum + resultBytes, 0),
    };
  });
  return { reads, left, charges: taken };
}

function basisOf(basis: ExpectedRequest['basis']): string {
  if (basis === 'declared') return 'as its run is declared';
  return basis === 'interval' ? 'by its interval' : `by the same time of each ${basis}`;
}

const round = (count: number): number => Math.round(count * 10) / 10;

/** A sentence for each read ahead, and for what was left. */
export function prefetchReasons({ reads, left }: Prefetch): string[] {
  return [
    ...reads.flatMap(({ dataset, requests }) =>
      requests.map(
        ({ shape, model, probability, basis, untilMs, right, wrong, resultBytes }) =>
          `read ahead of ${dataset} for ${model}: request ${shape.slice(0, 12)} is at least ${Math.round(probability * 100)} % likely until ${new Date(untilMs).toISOString()} (${basisOf(basis)}; ${round(right)} of ${round(right + wrong)} predictions held): ${formatBytes(resultBytes)}`,
      ),
    ),
    ...left
      .slice(0, 10)
      .map(({ shape, reason }) => `request ${shape.slice(0, 12)} is expected, not read ahead: ${reason}`),
  ];
}
