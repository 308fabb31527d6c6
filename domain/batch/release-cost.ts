/**
 * When to send a batch that costs K, while each request waiting costs its time (dynamic TCP acknowledgement; Dooly,
 * Goldman and Scott, JACM 2001). Two rules in one:
 *
 * - Learned: gaps between arrivals are drawn from the recent ones. The waiting times that minimise the mean cost per
 *   request solve an average-cost stopping problem: V(n) = min over T of n E min(X,T) + P(X>T) K + P(X<=T) V(n+1), less
 *   g, with V(1) = 0 (Bertsekas, Dynamic Programming and Optimal Control II, section 7.3). n requests wait, X is a gap.
 * - Safe: send when the accumulated waiting reaches K, which never costs more than twice the offline optimum. The
 *   learned rule may send earlier only while that keeps the whole within twice the optimum (see `mayDeviate`).
 */

/** Gaps remembered: enough for a distribution, few enough to follow a change within some minutes of traffic. */
const GAPS_MAX = 512;
/** Before this many gaps there is nothing to learn from. */
const GAPS_MIN = 8;
/** The stopping problem is solved again after this many arrivals: a thirty-second of the memory has changed. */
const SOLVE_EVERY = 16;
/** Waiting times that the stopping problem may choose: this many quantiles of the gaps. */
const QUANTILES = 64;
/** Largest waiting count that it knows; more follow the safe rule, which is near optimal for large batches. */
const COUNT_MAX = 64;
/** Halvings of the mean cost: to 1e-8 of K. */
const HALVINGS = 27;
/** Arrival instants in the memory of the optimum's recursion; beyond it a weaker bound is used. */
const INSTANTS_MAX = 512;

/** State between arrivals; plain JSON. Times are in seconds. */
export interface CostState {
  lastAt: number | null;
  gaps: number[];
  sinceSolved: number;
  /** Seconds to wait after the n-th arrival, at index n - 1; empty before anything is learned. */
  waits: number[];
  /** Distinct arrival instants: time, requests, least offline cost of serving all before it. */
  instants: [at: number, count: number, optimumBefore: number][];
  /** Older instants were forgotten. */
  truncated: boolean;
  /** Lower bound of the offline optimum of everything that has arrived. */
  optimum: number;
  /** What this policy has paid for batches sent. */
  spent: number;
}

export function emptyCostState(): CostState {
  return { lastAt: null, gaps: [], sinceSolved: 0, waits: [], instants: [], truncated: false, optimum: 0, spent: 0 };
}

/** The state that has seen arrivals at `times` (seconds, ascending), all served: their gaps are known, nothing is owed. */
export function costStateAfter(times: readonly number[], batchCost: number, maxBatch: number): CostState {
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  const state = { ...emptyCostState(), lastAt: times.at(-1) ?? null, gaps: gaps.slice(-GAPS_MAX) };
  if (gaps.length >= GAPS_MIN) state.waits = learnWaits(state.gaps, batchCost, Math.min(COUNT_MAX, maxBatch));
  return state;
}

/** Waiting time after each count that minimises the mean cost per request when gaps are drawn from `gaps`. */
export function learnWaits(gaps: readonly number[], batchCost: number, countMax: number): number[] {
  const sorted = [...gaps].sort((a, b) => a - b);
  const size = sorted.length + 1; // one gap without end: a longer silence than any seen stays possible
  const sums = [0];
  for (const gap of sorted) sums.push(sums[sums.length - 1] + gap);
  const ends: number[] = [];
  const step = Math.max(1, Math.floor(sorted.length / QUANTILES));
  for (let i = 0; i < sorted.length; i += step) if (i === 0 || sorted[i] !== sorted[i - step]) ends.push(i);
  // Equal gaps belong together: waiting for one is waiting for all.
  const counts = ends.map((i) => sorted.findLastIndex((gap) => gap === sorted[i]) + 1);
  const meanWaits = counts.map((count) => (sums[count] + (size - count) * sorted[count - 1]) / size);
  const waits = new Array<number>(countMax).fill(0);
  const valueOfOne = (meanCost: number): number => {
    let value = batchCost - meanCost;
    for (let n = countMax - 1; n >= 1; n--) {
      let best = batchCost;
      waits[n - 1] = 0;
      for (let i = 0; i < counts.length; i++) {
        const more = counts[i] / size;
        const cost = n * meanWaits[i] + (1 - more) * batchCost + more * value;
        if (cost < best) [best, waits[n - 1]] = [cost, sorted[counts[i] - 1]];
      }
      value = best - meanCost;
    }
    return value;
  };
  let [low, high] = [0, batchCost];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (valueOfOne(middle) > 0) low = middle;
    else high = middle;
  }
  valueOfOne(high);
  return waits;
}

/** Extends the offline optimum by one arrival: f(i) = min over j of f(j) + K + waiting of j+1..i until arrival i. */
function extendOptimum(state: CostState, at: number, batchCost: number, maxBatch: number): void {
  const { instants } = state;
  const last = instants[instants.length - 1] as CostState['instants'][number] | undefined;
  if (last?.[0] === at) last[1]++;
  else instants.push([at, 1, state.optimum]);
  let best = Infinity;
  let waiting = 0;
  let count = 0;
  let proven = false;
  for (let j = instants.length - 1; j >= 0; j--) {
    const [then, here, before] = instants[j];
    waiting += here * (at - then);
    count += here;
    // Cutting an optimal batch anywhere saves at most K, so its k-th last waits at most K/k: together K (1 + ln count).
    proven = waiting > batchCost * (1 + Math.log(count)) || (j === 0 && !state.truncated);
    best = Math.min(best, before + batchCost * Math.ceil(count / maxBatch) + waiting);
    if (proven) break;
  }
  state.optimum = proven ? Math.max(state.optimum, best) : state.optimum;
  if (instants.length > INSTANTS_MAX) {
    instants.splice(0, INSTANTS_MAX / 2);
    state.truncated = true;
  }
}

/** Tells the state of an arrival (before it is asked for a decision). `at` and `batchCost` in seconds. */
export function noteArrival(state: CostState, at: number, batchCost: number, maxBatch: number): void {
  if (state.lastAt !== null) {
    state.gaps.push(at - state.lastAt);
    if (state.gaps.length > GAPS_MAX) state.gaps.shift();
  }
  state.lastAt = at;
  state.sinceSolved++;
  extendOptimum(state, at, batchCost, maxBatch);
  if (state.gaps.length >= GAPS_MIN && (state.waits.length === 0 || state.sinceSolved >= SOLVE_EVERY)) {
    state.waits = learnWaits(state.gaps, batchCost, Math.min(COUNT_MAX, maxBatch));
    state.sinceSolved = 0;
  }
}

/**
 * Whether sending now, at a total of `spentThen`, keeps the guarantee. Let S = 2 OPT(so far) - spent. From a batch sent,
 * the safe rule pays at most 2 OPT(rest), and OPT(all) >= OPT(so far) + OPT(rest) - K, as cutting one batch costs K.
 * So S >= 2K now means spent <= 2 OPT(all) at every later end.
 */
function mayDeviate(state: CostState, spentThen: number, batchCost: number): boolean {
  return 2 * state.optimum - spentThen >= 2 * batchCost;
}

/**
 * When to send, in seconds: `arrivals` are those waiting, in order of time. Never before the last of them.
 * @param eager the learned rule alone decides, whatever was spent, and before anything is learned nothing waits
 */
export function sendAt(state: CostState, arrivals: readonly number[], batchCost: number, eager: boolean): number {
  const last = arrivals[arrivals.length - 1];
  if (eager && state.waits.length === 0) return last;
  const count = arrivals.length;
  const waited = arrivals.reduce((sum, at) => sum + last - at, 0);
  const safe = last + Math.max(0, (batchCost - waited) / count);
  if (state.waits.length <= count) return safe; // the last count has nothing learned: it only ends the recursion
  const wait = state.waits[count - 1];
  if (last + wait >= safe) return safe;
  if (!eager && !mayDeviate(state, state.spent + batchCost + waited + wait * count, batchCost)) return safe;
  return last + wait;
}

/** Tells the state that the waiting requests were sent at `now`. */
export function noteSent(state: CostState, arrivals: readonly number[], now: number, batchCost: number): void {
  state.spent += batchCost + arrivals.reduce((sum, at) => sum + now - at, 0);
}
