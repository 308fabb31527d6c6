/**
 * Dynamic priority: who goes next, why, and how long anybody can be overtaken.
 *
 * score = criticality + urgency + fairness debt (each 0 to 1, times its weight) + waiting time / agingMs.
 * The first three are bounded and the last grows without bound, so whoever has waited `overtakeMsMax` longer than another
 * is before it, whatever else is true of the two: nobody starves, under any arrivals.
 */

export interface PriorityRequest {
  readonly id: string;
  /** 0 to 1: how much it matters. */
  readonly criticality: number;
  /** Epoch milliseconds. */
  readonly arrivalMs: number;
  /** Epoch milliseconds by which it must be done; null: never late. */
  readonly deadlineMs: number | null;
  /** Time that serving it takes, as far as known. */
  readonly serviceMs: number;
  /** 0 to 1: how far its owner is below its fair share (0: not at all, 1: it has had nothing). */
  readonly fairnessDebt: number;
}

export interface PriorityWeights {
  readonly criticality: number;
  readonly urgency: number;
  readonly fairnessDebt: number;
  /** Waiting time that weighs as much as one point of score, milliseconds above 0. */
  readonly agingMs: number;
}

/** Equal terms, and a minute of waiting outweighs any one of them: the plainest choice that starves nobody. */
export const DEFAULT_PRIORITY_WEIGHTS: PriorityWeights = {
  criticality: 1,
  urgency: 1,
  fairnessDebt: 1,
  agingMs: 60_000,
};

export interface PriorityTerm {
  readonly name: 'criticality' | 'urgency' | 'fairnessDebt' | 'waiting';
  /** 0 to 1; for waiting, waited time / agingMs without bound. */
  readonly value: number;
  readonly weight: number;
}
export interface Priority {
  readonly id: string;
  readonly score: number;
  /** score = sum of value x weight: the explanation. */
  readonly terms: readonly PriorityTerm[];
  /** Time left after serving it at once; below 0 it is late whatever is done. Null without deadline. */
  readonly slackMs: number | null;
}

/**
 * Longest lead in arrival that can be overtaken: a request is before every one that arrived more than this after it.
 * So with one server it starts at most `overtakeMsMax` + the work that arrived before arrival + overtakeMsMax later.
 */
export function overtakeMsMax(weights: PriorityWeights = DEFAULT_PRIORITY_WEIGHTS): number {
  return (weights.criticality + weights.urgency + weights.fairnessDebt) * weights.agingMs;
}

/**
 * Scores one request at `nowMs`.
 *
 * Urgency is agingMs / (agingMs + slack): 1 when no slack is left, 1/2 with agingMs of it, 0 without deadline; the
 * hyperbola of least-slack rules, bounded.
 * @throws Error for values out of range or weights that break the bound: a programmer's error.
 */
export function priorityOf(
  request: PriorityRequest,
  nowMs: number,
  weights: PriorityWeights = DEFAULT_PRIORITY_WEIGHTS,
): Priority {
  assertRange(request, weights);
  const slackMs = slackOf(request, nowMs);
  const terms: PriorityTerm[] = [
    { name: 'criticality', value: request.criticality, weight: weights.criticality },
    { name: 'urgency', value: urgencyOf(slackMs, weights), weight: weights.urgency },
    { name: 'fairnessDebt', value: request.fairnessDebt, weight: weights.fairnessDebt },
    { name: 'waiting', value: (nowMs - request.arrivalMs) / weights.agingMs, weight: 1 },
  ];
  return { id: request.id, score: scoreOf(request, nowMs, weights), terms, slackMs };
}

/** The score of `priorityOf` alone: for very many. */
export function scoreOf(
  request: Omit<PriorityRequest, 'id'>,
  nowMs: number,
  { criticality, urgency, fairnessDebt: debt, agingMs }: PriorityWeights,
): number {
  return (
    request.criticality * criticality +
    urgencyOf(slackOf(request, nowMs), { agingMs }) * urgency +
    request.fairnessDebt * debt +
    (nowMs - request.arrivalMs) / agingMs
  );
}

/**
 * What each term of `priorityOf` adds to the score, to a thousandth; terms that add nothing are left out.
 * @throws Error as `priorityOf` does
 */
export function termPoints(
  request: PriorityRequest,
  nowMs: number,
  weights: PriorityWeights,
): Partial<Record<PriorityTerm['name'], number>> {
  assertRange(request, weights);
  const points: Partial<Record<PriorityTerm['name'], number>> = {};
  const criticality = toThousandth(request.criticality * weights.criticality);
  if (criticality !== 0) points.criticality = criticality;
  const urgency = toThousandth(urgencyOf(slackOf(request, nowMs), weights) * weights.urgency);
  if (urgency !== 0) points.urgency = urgency;
  const debt = toThousandth(request.fairnessDebt * weights.fairnessDebt);
  if (debt !== 0) points.fairnessDebt = debt;
  const waiting = toThousandth((nowMs - request.arrivalMs) / weights.agingMs);
  if (waiting !== 0) points.waiting = waiting;
  return points;
}

function toThousandth(value: number): number {
  return Math.round(value * 1e3) / 1e3;
}

function slackOf({ deadlineMs, serviceMs }: Omit<PriorityRequest, 'id'>, nowMs: number): number | null {
  return deadlineMs === null ? null : deadlineMs - nowMs - serviceMs;
}

function urgencyOf(slackMs: number | null, { agingMs }: Pick<PriorityWeights, 'agingMs'>): number {
  return slackMs === null ? 0 : agingMs / (agingMs + Math.max(0, slackMs));
}

/** All requests, the one to serve first in front; equal scores by earlier deadline, then id. O(n log n). */
export function orderByPriority(
  requests: readonly PriorityRequest[],
  nowMs: number,
  weights: PriorityWeights = DEFAULT_PRIORITY_WEIGHTS,
): Priority[] {
  const slack = (priority: Priority) => priority.slackMs ?? Infinity;
  return requests
    .map((request) => priorityOf(request, nowMs, weights))
    .sort((a, b) => b.score - a.score || (slack(a) === slack(b) ? 0 : slack(a) - slack(b)) || (a.id < b.id ? -1 : 1));
}

/**
 * How far an owner is below its fair share, 0 to 1: (fair - received) / fair, 0 when it has received more or is owed
 * nothing.
 */
export function fairnessDebt(received: number, fairShare: number): number {
  return fairShare > 0 ? Math.min(1, Math.max(0, (fairShare - received) / fairShare)) : 0;
}

function isFraction(value: number): boolean {
  return value >= 0 && value <= 1;
}
function isBounded(weight: number): boolean {
  return weight >= 0 && weight < Infinity;
}

function assertRange(request: PriorityRequest, weights: PriorityWeights): void {
  if (!isFraction(request.criticality) || !isFraction(request.fairnessDebt)) {
    throw new Error(
      `priority of ${request.id}: criticality and fairnessDebt must be 0 to 1, got ${request.criticality} and ${request.fairnessDebt}`,
    );
  }
  if (!Number.isFinite(request.arrivalMs) || !(request.serviceMs >= 0))
    throw new Error(`priority of ${request.id}: arrivalMs must be finite and serviceMs at least 0`);
  const bounded = isBounded(weights.criticality) && isBounded(weights.urgency) && isBounded(weights.fairnessDebt);
  if (!bounded || !(weights.agingMs > 0 && weights.agingMs < Infinity))
    throw new Error('priority weights must be finite and at least 0, agingMs above 0');
}
