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
}

/** Serves arrivals one cycle at a time; `maxWaitMs` 0 is the loop without the policy. */
function serve(arrivals: readonly number[], maxWaitMs: number): Run {
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
        return { id: String(index), atMs, deadlineMs: null, priority: 3, tried: false };
      });
      const { due, wakeMs } = decideRelease({
        ...{ nowMs, waiting, earlierMs: arrivals.slice(Math.max(0, next - EARLIER_MAX), next), idleSinceMs: idleMs },
        ...{ cycleMs: cycleMs.slice(-CYCLES_MAX), waitMsMax: maxWaitMs, requestsMax: 10_000 },
      });
      if (due) break;
      nowMs = Math.min(wakeMs, arrivals[next + count] ?? Infinity);
    }
    const took = CYCLE_MS + PER_REQUEST_MS * count;
    cycleMs.push(Math.round(took));
    idleMs = nowMs + took;
    for (const at of arrivals.slice(next, next + count)) {
      responseMs.push(idleMs - at);
      heldMs.push(nowMs - Math.max(at, Math.min(freeMs, nowMs)));
    }
    next += count;
  }
  return { cycles: cycleMs.length, responseMs, heldMs };
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
const kinds: [string, number[], number][] = [
  ['bursts of 5, 15 ms apart', bursts(200, 5, 15, 10_000), 200],
  ['bursts of 20, 15 ms apart', bursts(200, 20, 15, 10_000), 200],
  ['bursts of 5, 60 ms apart', bursts(200, 5, 60, 10_000), 200],
  ['bursts of 20, 60 ms apart', bursts(200, 20, 60, 10_000), 200],
  ['one or two, every 5 s', bursts(500, 1, 1, 5_000), 500],
  ['steady, 1 in 100 ms', bursts(1, 4_000, 100, 0), 1],
];
console.log(`a cycle takes ${CYCLE_MS} ms and ${PER_REQUEST_MS} ms for each request`);
console.log(
  `${'arrivals'.padEnd(27)}${'requests'.padStart(9)}${'cycles'.padStart(8)}${'without'.padStart(9)}${'bursts'.padStart(8)}${'response / without'.padStart(20)}${'held, mean'.padStart(12)}${'most'.padStart(8)}`,
);
for (const [name, arrivals, count] of kinds) {
  const [on, off] = [serve(arrivals, WAIT_MS_MAX), serve(arrivals, 0)];
  const ratio = mean(on.responseMs) / mean(off.responseMs);
  console.log(
    `${name.padEnd(27)}${String(arrivals.length).padStart(9)}${String(on.cycles).padStart(8)}${String(off.cycles).padStart(9)}${String(count).padStart(8)}${ratio.toFixed(2).padStart(20)}${`${mean(on.heldMs).toFixed(0)} ms`.padStart(12)}${`${Math.max(...on.heldMs).toFixed(0)} ms`.padStart(8)}`,
  );
}
