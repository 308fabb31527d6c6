/**
 * Exact weighted dominant-resource fairness by progressive filling (Ghodsi et al., NSDI 2011, section 4; with caps and
 * weights: Parkes, Procaccia, Shah, TEAC 2015, section 4), over a tree of cohorts.
 *
 * All models grow at once, each at weight / dominant share of one unit. The next thing that can happen is that a model
 * reaches its cap or that a limit of a node is reached; its time follows from the present slopes, everything moves there
 * in one step, and whoever is stopped stays stopped. So there are at most models + 2 x nodes x resources steps and no
 * tolerance decides anything.
 *
 * With cohorts, a node's children grow at speeds of dominant share in proportion to their weights, whatever is below
 * them. `fillTree` fills every node to its guarantee from the leaves up, then lends what is left, so that only the
 * borrowed part is weighed (as in Kueue). A weight of 0 is the limit of ever smaller weights: such a child grows when
 * its weighted siblings have stopped.
 */
import type { AllocationProblem } from './allocation-problem.js';

/** `stopResource` of a model that has its cap. */
export const STOPPED_BY_CAP = -1;
/** `stopResource` of a model that demands nothing. */
export const STOPPED_BY_DEMAND = -2;

export interface Filling {
  readonly units: Float64Array;
  /** Use of each node by resource: its models and, of each child, the larger of its use and its unlent reserve. */
  readonly used: Float64Array;
  /** Resource that stopped each model, or one of the constants above. */
  readonly stopResource: Int32Array;
  /** Node whose limit of that resource it was. */
  readonly stopNode: Int32Array;
}

/** Units given so far, with the use that follows. Models without demand are settled here: their cap, or nothing. */
export function startFilling(problem: AllocationProblem, given?: Float64Array): Filling {
  const count = problem.modelIds.length;
  const units = given === undefined ? new Float64Array(count) : Float64Array.from(given);
  const stopResource = new Int32Array(count).fill(STOPPED_BY_CAP);
  const stopNode = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    if (problem.unitShare[i] === 0) {
      const cap = problem.cap[i];
      const step = problem.step[i];
      units[i] = cap === Infinity ? 0 : step > 0 ? Math.floor(cap / step) * step : cap;
      if (cap === Infinity) stopResource[i] = STOPPED_BY_DEMAND;
    }
  }
  return { units, used: useOf(problem, units), stopResource, stopNode };
}

/** Use of every node by resource. */
export function useOf(problem: AllocationProblem, units: Float64Array): Float64Array {
  const { demandStart, demandResource, demandAmount, node, parent, reserve } = problem;
  const width = problem.resourceNames.length;
  const used = new Float64Array(parent.length * width);
  for (let i = 0; i < units.length; i++) {
    if (units[i] === 0) continue;
    for (let e = demandStart[i]; e < demandStart[i + 1]; e++)
      used[node[i] * width + demandResource[e]] += units[i] * demandAmount[e];
  }
  for (let v = parent.length - 1; v > 0; v--) {
    for (let r = 0; r < width; r++)
      used[parent[v] * width + r] += Math.max(used[v * width + r], reserve[v * width + r]);
  }
  return used;
}

/** Fills every node to its guarantee, children before parents; the pool last. `fixed` models keep their units. */
export function fillTree(problem: AllocationProblem, filling: Filling, fixed?: Uint8Array): void {
  const { parent, guarantee, reserve } = problem;
  const { used } = filling;
  const width = problem.resourceNames.length;
  const before = Float64Array.from(used);
  for (let v = parent.length - 1; v >= 0; v--) {
    let guaranteed = v === 0;
    for (let at = v * width; at < (v + 1) * width; at++) guaranteed ||= guarantee[at] > 0;
    if (guaranteed) fillNode(problem, filling, v, fixed);
    if (v === 0) return;
    // What the subtree uses now beyond its reserve is charged to its parent, whose turn comes later.
    for (let r = 0; r < width; r++) {
      const at = v * width + r;
      used[parent[v] * width + r] += Math.max(used[at], reserve[at]) - Math.max(before[at], reserve[at]);
    }
  }
}

/** Everything that one run of `fillNode` keeps. */
interface Run {
  readonly problem: AllocationProblem;
  readonly filling: Filling;
  readonly top: number;
  /** Nodes of the subtree, parents first, and the active models of each. */
  readonly nodes: number[];
  readonly models: number[][];
  /** Limit of each node by resource in this run. */
  readonly limit: Float64Array;
  readonly active: Uint8Array;
  readonly begin: Float64Array;
  readonly speed: Float64Array;
  /** By node: live children (models and nodes) with and without weight, own clock, caps in order of time. */
  readonly live: Int32Array;
  readonly liveWeightless: Int32Array;
  readonly clock: Float64Array;
  readonly caps: number[][];
  readonly nextCap: Int32Array;
  /** By node and resource: slope of its own growing models per tick of its clock (with the rounding error), and their number. */
  readonly slope: Float64Array;
  readonly slopeError: Float64Array;
  readonly growing: Int32Array;
  /** Slope with the children's, per tick of the node's clock; ticks of the node per tick of its parent, and of the top. */
  readonly total: Float64Array;
  readonly pace: Float64Array;
  readonly rate: Float64Array;
}

/**
 * Grows every model below node `top` from the units that it has, each at its pace, until one of its limits up to `top`
 * is reached. Whatever the start, no limit is exceeded that was kept before. `fixed` models keep their units.
 */
export function fillNode(problem: AllocationProblem, filling: Filling, top: number, fixed?: Uint8Array): void {
  const run = startRun(problem, filling, top, fixed);
  // Each round stops a model, reaches a limit or uses up a reserve: the bound is never met, it guards against a defect.
  const roundsMax = problem.modelIds.length + 2 * problem.ceiling.length + 2;
  for (let round = 0; run.live[top] + run.liveWeightless[top] > 0; round++) {
    if (round > roundsMax) throw new Error(`progressive filling did not end within ${roundsMax} rounds`);
    setRates(run);
    const time = timeToNextEvent(run);
    if (!(time < Infinity)) throw new Error('progressive filling has live models and nothing that can stop them');
    advance(run, time);
  }
}

function startRun(problem: AllocationProblem, filling: Filling, top: number, fixed?: Uint8Array): Run {
  const count = problem.modelIds.length;
  const size = problem.parent.length;
  const width = problem.resourceNames.length;
  const inside = new Uint8Array(size);
  const nodes: number[] = [];
  const limit = Float64Array.from(problem.ceiling);
  for (let v = top; v < size; v++) {
    if (v !== top && inside[problem.parent[v]] === 0) continue;
    inside[v] = 1;
    nodes.push(v);
  }
  for (let r = 0; r < width; r++) limit[top * width + r] = problem.guarantee[top * width + r];
  const lists = () => Array.from({ length: size }, (): number[] => []);
  const run: Run = {
    problem,
    filling,
    top,
    nodes,
    limit,
    models: lists(),
    active: new Uint8Array(count),
    begin: Float64Array.from(filling.units),
    speed: new Float64Array(count),
    live: new Int32Array(size),
    liveWeightless: new Int32Array(size),
    clock: new Float64Array(size),
    caps: lists(),
    nextCap: new Int32Array(size),
    slope: new Float64Array(size * width),
    slopeError: new Float64Array(size * width),
    growing: new Int32Array(size * width),
    total: new Float64Array(size * width),
    pace: new Float64Array(size),
    rate: new Float64Array(size),
  };
  for (let i = 0; i < count; i++) if (inside[problem.node[i]] === 1 && fixed?.[i] !== 1) admit(run, i);
  // A node lives with its children; a parent comes before them, so go from the last.
  for (const v of [...nodes].reverse()) {
    if (v !== top && run.live[v] + run.liveWeightless[v] > 0) counterOf(run, v)[problem.parent[v]] += 1;
  }
  for (const v of nodes) startPhase(run, v);
  return run;
}

/** Makes a model active unless it has its cap or one of its limits is already reached. */
function admit(run: Run, i: number): void {
  const { problem, filling } = run;
  if (problem.unitShare[i] === 0) return;
  if (filling.units[i] >= problem.cap[i]) {
    filling.stopResource[i] = STOPPED_BY_CAP;
    return;
  }
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    const resource = problem.demandResource[e];
    const full = fullLimit(run, problem.node[i], resource);
    if (full < 0) continue;
    filling.stopNode[i] = full;
    filling.stopResource[i] = resource;
    return;
  }
  const v = problem.node[i];
  run.active[i] = 1;
  run.models[v].push(i);
  run.speed[i] = (problem.weight[i] > 0 ? problem.weight[i] : 1) / problem.unitShare[i];
  (problem.weight[i] > 0 ? run.live : run.liveWeightless)[v] += 1;
}

/**
 * The node from v up to the top whose limit of the resource leaves nothing to v; -1 for none. Growth inside an unlent
 * reserve costs the nodes above nothing, so their limits do not count then.
 */
function fullLimit(run: Run, v: number, resource: number): number {
  const { parent, reserve, resourceNames } = run.problem;
  for (let u = v; ; u = parent[u]) {
    const at = u * resourceNames.length + resource;
    if (run.filling.used[at] >= run.limit[at]) return u;
    if (u === run.top || run.filling.used[at] < reserve[at]) return -1;
  }
}

/** The count of its parent's live children in which node v belongs. */
function counterOf(run: Run, v: number): Int32Array {
  return run.problem.nodeWeight[v] > 0 ? run.live : run.liveWeightless;
}

/** Starts a node's clock for its children with weight or, when none of them lives, for those without. */
function startPhase(run: Run, v: number): void {
  const { problem, begin, speed } = run;
  const time = (i: number): number => (problem.cap[i] - begin[i]) / speed[i];
  run.clock[v] = 0;
  run.nextCap[v] = 0;
  const now = run.models[v].filter((i) => run.active[i] === 1 && grows(run, i));
  for (const i of now) changeSlope(run, i, 1);
  run.caps[v] = now.filter((i) => problem.cap[i] < Infinity).sort((a, b) => time(a) - time(b) || a - b);
}

function grows(run: Run, i: number): boolean {
  return run.problem.weight[i] > 0 || run.live[run.problem.node[i]] === 0;
}

/** Adds (+1) or removes (-1) a model's slope with Neumaier's compensation, and exactly zero when none is left. */
function changeSlope(run: Run, i: number, sign: 1 | -1): void {
  const { problem, slope, slopeError, growing } = run;
  const base = problem.node[i] * problem.resourceNames.length;
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    const at = base + problem.demandResource[e];
    const change = sign * run.speed[i] * problem.demandAmount[e];
    const before = slope[at];
    const sum = before + change;
    slopeError[at] += Math.abs(before) >= Math.abs(change) ? before - sum + change : change - sum + before;
    slope[at] = sum;
    growing[at] += sign;
    if (growing[at] === 0) slope[at] = slopeError[at] = 0;
  }
}

/** Slopes from the leaves up, then the ticks of every node per tick of the top. */
function setRates(run: Run): void {
  const { problem, nodes, top, total, pace, rate } = run;
  const width = problem.resourceNames.length;
  for (const v of nodes)
    for (let at = v * width; at < (v + 1) * width; at++) total[at] = run.slope[at] + run.slopeError[at];
  for (let n = nodes.length - 1; n > 0; n--) {
    const v = nodes[n];
    const up = problem.parent[v];
    let largest = 0;
    for (let r = 0; r < width; r++)
      if (total[v * width + r] > 0) largest = Math.max(largest, total[v * width + r] / problem.capacity[r]);
    const weight = problem.nodeWeight[v] > 0 ? problem.nodeWeight[v] : run.live[up] === 0 ? 1 : 0;
    // What grows inside reserves of nodes below costs v nothing: then its own clock runs at any pace.
    pace[v] = weight / (largest || 1);
    for (let r = 0; r < width; r++) {
      const at = v * width + r;
      // Below its reserve a child's growth costs its parent nothing: the reserve is charged already.
      if (run.filling.used[at] >= problem.reserve[at]) total[up * width + r] += total[at] * pace[v];
    }
  }
  rate[top] = 1;
  for (let n = 1; n < nodes.length; n++) rate[nodes[n]] = rate[problem.parent[nodes[n]]] * pace[nodes[n]];
}

/** Ticks of the top until entry `at` of node v is used up to its limit. */
function timeToLimit(run: Run, v: number, at: number): number {
  const slope = run.total[at] * run.rate[v];
  return slope > 0 ? Math.max(0, (run.limit[at] - run.filling.used[at]) / slope) : Infinity;
}

/** The same until its reserve is used up, from where on its growth costs its parent. */
function timeToReserve(run: Run, v: number, at: number): number {
  const slope = run.total[at] * run.rate[v];
  const left = run.problem.reserve[at] - run.filling.used[at];
  return slope > 0 && left > 0 ? left / slope : Infinity;
}

function timeToCap(run: Run, v: number): number {
  const caps = run.caps[v];
  while (run.nextCap[v] < caps.length && run.active[caps[run.nextCap[v]]] === 0) run.nextCap[v] += 1;
  if (run.nextCap[v] >= caps.length || run.rate[v] === 0) return Infinity;
  const i = caps[run.nextCap[v]];
  return Math.max(0, ((run.problem.cap[i] - run.begin[i]) / run.speed[i] - run.clock[v]) / run.rate[v]);
}

function timeToNextEvent(run: Run): number {
  const width = run.problem.resourceNames.length;
  let time = Infinity;
  for (const v of run.nodes) {
    time = Math.min(time, timeToCap(run, v));
    for (let at = v * width; at < (v + 1) * width; at++) {
      time = Math.min(time, timeToLimit(run, v, at), timeToReserve(run, v, at));
    }
  }
  return time;
}

/** Moves all clocks by `time` and stops whoever reaches a cap or a limit then. */
function advance(run: Run, time: number): void {
  const { problem, filling, nodes, limit } = run;
  const width = problem.resourceNames.length;
  const reached: [node: number, at: number][] = [];
  const capped: number[] = [];
  for (const v of nodes) {
    for (; timeToCap(run, v) <= time; run.nextCap[v] += 1) capped.push(run.caps[v][run.nextCap[v]]);
    for (let at = v * width; at < (v + 1) * width; at++) {
      const slope = run.total[at] * run.rate[v];
      if (slope === 0) continue;
      if (timeToLimit(run, v, at) <= time) {
        filling.used[at] = limit[at];
        reached.push([v, at]);
      } else if (timeToReserve(run, v, at) <= time) {
        filling.used[at] = problem.reserve[at];
        reached.push([v, at]);
      } else filling.used[at] += slope * time;
    }
  }
  for (const v of nodes) run.clock[v] += run.rate[v] * time;
  for (const i of capped) stop(run, i, 0, STOPPED_BY_CAP);
  for (const [v, at] of reached) stopUsers(run, v, at - v * width);
}

/** Stops the users of a resource below a node where one of its limits, there or above, has become full. */
function stopUsers(run: Run, node: number, resource: number): void {
  const { problem } = run;
  const inside = new Uint8Array(problem.parent.length);
  for (const v of run.nodes) {
    inside[v] = v === node || (v !== run.top && inside[problem.parent[v]] === 1) ? 1 : 0;
    const full = inside[v] === 1 ? fullLimit(run, v, resource) : -1;
    if (full < 0) continue;
    for (const i of run.models[v]) {
      if (run.active[i] === 0) continue;
      for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
        if (problem.demandResource[e] === resource) stop(run, i, full, resource);
      }
    }
  }
}

function stop(run: Run, i: number, node: number, resource: number): void {
  const { problem, filling } = run;
  const own = problem.node[i];
  if (resource === STOPPED_BY_CAP) filling.units[i] = problem.cap[i];
  else if (grows(run, i)) filling.units[i] = Math.min(problem.cap[i], run.begin[i] + run.speed[i] * run.clock[own]);
  if (grows(run, i)) changeSlope(run, i, -1);
  run.active[i] = 0;
  filling.stopNode[i] = node;
  filling.stopResource[i] = resource;
  leave(run, problem.weight[i] > 0 ? run.live : run.liveWeightless, own);
}

/** Takes one live child off node v; a node without any leaves its parent, one left with weightless children starts them. */
function leave(run: Run, counter: Int32Array, v: number): void {
  counter[v] -= 1;
  if (run.live[v] > 0) return;
  if (run.liveWeightless[v] > 0) {
    if (counter === run.live) startPhase(run, v);
  } else if (v !== run.top) leave(run, counterOf(run, v), run.problem.parent[v]);
}
