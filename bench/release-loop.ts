/**
 * Requests that come in bursts, to a loop that serves one cycle at a time: cycles and mean response with the release
 * policy as the loop runs it, beside the loop without it (which begins a cycle as soon as one waits) and, as a bound that
 * looks ahead, every burst in one cycle. By the decision code itself on a simulated clock.
 *
 *   npx tsx bench/release-loop.ts [cycle ms, default 400]
 */
import { decideRelease, EARLIER_MAX, CYCLES_MAX, WAIT_MS_MAX } from '../domain/decision/release.js';
import { seeded } from './release-traces.js';

const CYCLE_MS = Number(process.argv[2] ?? 400);
/** Each request adds this to a cycle: a hundred take half as long again. */
const PER_REQUEST_MS = CYCLE_MS / 200;

interface Run {
  readonly cycles: number;
  /** From arrival to the end of its cycle. */
  readonly responseMs: readonly number[];
  readonly heldMs: readonly number[];
  readonly late: number;
}

/** What differs from arrivals that are given and free of deadlines. */
interface Kind {
  /** The clients ask again, each after a thought, until so many requests have come. */
  readonly again?: { readonly thoughtMs: number; readonly requests: number };
  /** Four in ten cycles take a tenth of the time, the others one and a half times as long. */
  readonly uneven?: boolean;
  /** Time that each request leaves, in cycles. */
  readonly deadlineCycles?: number;
}

/** Serves arrivals one cycle at a time; `maxWaitMs` 0 is the loop without the policy. */
function serve(given: readonly number[], maxWaitMs: number, { again, uneven, deadlineCycles }: Kind): Run {
  const arrivals = [...given];
  const answeredMs: number[] = [];
  const random = seeded(5);
  const dueMs = (atMs: number): number | null =>
    deadlineCycles === undefined ? null : atMs + deadlineCycles * CYCLE_MS;
  let late = 0;
  const cycleMs: number[] = [];
  const responseMs: number[] = [];
  const heldMs: number[] = [];
  let [next, idleMs] = [0, 0];
  while (next < arrivals.length) {
    const freeMs = Math.max(idleMs, arrivals[next]);
    let [nowMs, count] = [freeMs, 0];
    for (;;) {
      count = arrivals.slice(next).findIndex((at) => at > nowMs);
      count = count < 0 ? arrivals.length - next : count;
      const waiting = arrivals.slice(next, next + Math.min(64, count)).map((atMs, index) => {
        return { id: String(index), atMs, deadlineMs: dueMs(atMs), priority: 3, tried: false };
      });
      const { due, wakeMs } = decideRelease({
        ...{ nowMs, waiting, earlierMs: arrivals.slice(Math.max(0, next - EARLIER_MAX), next), idleSinceMs: idleMs },
        answeredMs: answeredMs.slice(Math.max(0, next - EARLIER_MAX)),
        ...{ cycleMs: cycleMs.slice(-CYCLES_MAX), waitMsMax: maxWaitMs, requestsMax: 10_000 },
      });
      if (due) break;
      nowMs = Math.min(wakeMs, arrivals[next + count] ?? Infinity);
    }
    const took = (CYCLE_MS + PER_REQUEST_MS * count) * (uneven === true ? (random() < 0.4 ? 0.1 : 1.5) : 1);
    cycleMs.push(Math.round(took));
    idleMs = nowMs + took;
    for (const at of arrivals.slice(next, next + count)) {
      responseMs.push(idleMs - at);
      answeredMs.push(idleMs);
      const due = dueMs(at);
      if (due !== null && idleMs > due) late += 1;
      heldMs.push(nowMs - Math.max(at, Math.min(freeMs, nowMs)));
    }
    next += count;
    for (let one = 0; one < count && again !== undefined && arrivals.length < again.requests; one++)
      arrivals.push(Math.round(idleMs + random() * again.thoughtMs));
    arrivals.sort((a, b) => a - b);
  }
  return { cycles: cycleMs.length, responseMs, heldMs, late };
}

const random = seeded(11);
const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
/** Bursts of `size` requests with `gapMs` between them, `pauseMs` between bursts. */
function bursts(count: number, size: number, gapMs: number, pauseMs: number): number[] {
  const times: number[] = [];
  let at = 0;
  for (let burst = 0; burst < count; burst++) {
    at += pauseMs / 2 + exponential(pauseMs / 2);
    const many = Math.max(1, Math.round(exponential(size)));
    for (let index = 0; index < many; index++) times.push(Math.round((at += index === 0 ? 0 : exponential(gapMs))));
  }
  return times;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const alone = { thoughtMs: 30, requests: 1_000 };
const kinds: [string, number[], number | null, Kind][] = [
  ['bursts of 5, 15 ms apart', bursts(200, 5, 15, 10_000), 200, {}],
  ['bursts of 20, 15 ms apart', bursts(200, 20, 15, 10_000), 200, {}],
  ['bursts of 5, 60 ms apart', bursts(200, 5, 60, 10_000), 200, {}],
  ['bursts of 20, 60 ms apart', bursts(200, 20, 60, 10_000), 200, {}],
  ['one or two, every 5 s', bursts(500, 1, 1, 5_000), 500, {}],
  ['steady, 1 in 100 ms', bursts(1, 4_000, 100, 0), 1, {}],
  ['one client, uneven cycles', [0], null, { again: alone, uneven: true }],
  ['four clients, uneven cycles', [0, 5, 9, 12], null, { again: alone, uneven: true }],
  ['bursts of 5, due in 2 cycles', bursts(200, 5, 15, 10_000), 200, { deadlineCycles: 2 }],
  ['bursts of 5, due in 3 cycles', bursts(200, 5, 15, 10_000), 200, { deadlineCycles: 3 }],
  ['steady, due in 2 cycles', bursts(1, 4_000, 100, 0), 1, { deadlineCycles: 2 }],
];
console.log(`a cycle takes ${CYCLE_MS} ms and ${PER_REQUEST_MS} ms for each request`);
console.log(
  `${'arrivals'.padEnd(30)}${'requests'.padStart(9)}${'cycles'.padStart(8)}${'without'.padStart(9)}${'bursts'.padStart(8)}${'response / without'.padStart(20)}${'held, mean'.padStart(12)}${'most'.padStart(8)}${'late'.padStart(6)}${'without'.padStart(9)}`,
);
for (const [name, arrivals, count, kind] of kinds) {
  const [on, off] = [serve(arrivals, WAIT_MS_MAX, kind), serve(arrivals, 0, kind)];
  const ratio = mean(on.responseMs) / mean(off.responseMs);
  const late = kind.deadlineCycles === undefined ? ['', ''] : [on.late, off.late];
  console.log(
    `${name.padEnd(30)}${String(on.responseMs.length).padStart(9)}${String(on.cycles).padStart(8)}${String(off.cycles).padStart(9)}${String(count ?? '').padStart(8)}${ratio.toFixed(2).padStart(20)}${`${mean(on.heldMs).toFixed(0)} ms`.padStart(12)}${`${Math.max(...on.heldMs).toFixed(0)} ms`.padStart(8)}${String(late[0]).padStart(6)}${String(late[1]).padStart(9)}`,
  );
}
