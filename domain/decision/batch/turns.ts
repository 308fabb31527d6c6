/**
 * Resources of the pool are there anew in each cycle and are never exceeded: nothing goes into debt for them. What waited
 * until its shares add up to its cost has its turn instead: its model's share becomes as large as that, and the shares of
 * the others shrink by the same part. One item in each cycle for each resource, the most urgent: so each that fits the
 * resource at all is served, whatever the others ask.
 */
import type { BatchInputs } from './batch-inputs.js';
import type { Flow } from './flows.js';
import { costOf, leastPart, ROUNDING } from './grants.js';

/** @param allotted by flow, by its resources; changed in place */
export function giveTurns(flows: readonly Flow[], allotted: readonly Float64Array[], { limits }: BatchInputs): void {
  for (const { resource, source, available } of limits) {
    if (source !== null) continue;
    const places = flows.map(({ resources }) => resources.indexOf(resource));
    const due = flows.flatMap((flow, f) => firstDue(flow, f, places[f], allotted[f], available) ?? []);
    const turn = due.sort((a, b) => b.score - a.score || a.f - b.f).at(0);
    // Who waited longest and has room in its share is served by that, and nobody's turn takes it away.
    if (turn === undefined || turn.amount <= allotted[turn.f][places[turn.f]]) continue;
    const others = allotted.reduce((sum, shares, f) => sum + (f === turn.f ? 0 : shares[places[f]]), 0);
    const part = others > 0 ? Math.min(1, Math.max(0, available - turn.amount) / others) : 1;
    for (const [f, shares] of allotted.entries())
      shares[places[f]] = f === turn.f ? turn.amount : shares[places[f]] * part;
  }
}

interface Due {
  readonly f: number;
  readonly score: number;
  readonly amount: number;
}

/** The first of a model's queue that waited and has room in its share, or that waited for as much as it takes. Only standing needs take of the pool. */
function firstDue(flow: Flow, f: number, r: number, shares: Float64Array, available: number): Due | null {
  for (const place of flow.needs) {
    const attempts = flow.attempts[place];
    if (attempts === 1 || flow.rows[place] === 0) continue;
    const amount = costOf(flow, place, r, leastPart(flow.items[place]).rows);
    if (amount <= 0 || amount > available || shares[r] * attempts < amount * (1 - ROUNDING)) continue;
    return { f, amount, score: flow.scores[place] };
  }
  return null;
}
