/** An allocation instance in the form the kernels compute with: sorted, indexed, in flat typed arrays. */
import { usageError } from '../types/errors.js';
import { AMOUNT_MAX, assertConsistent, type AllocationCohort, type AllocationInstance } from './allocation-instance.js';

/**
 * Models are ordered by id, resources by name, so that input order cannot matter. Node 0 is the pool; every cohort
 * is a node after its parent. `x[node * resources + resource]` addresses the matrices.
 */
export interface AllocationProblem {
  readonly resourceNames: readonly string[];
  readonly capacity: Float64Array;
  readonly modelIds: readonly string[];
  readonly weight: Float64Array;
  /** Units at most; Infinity without a cap. */
  readonly cap: Float64Array;
  /** Size of the steps in which units are granted; 0 is continuous. */
  readonly step: Float64Array;
  readonly running: Float64Array;
  readonly node: Int32Array;
  /** Demands of model i: entries demandStart[i] .. demandStart[i+1]-1 of demandResource and demandAmount (zeros left out). */
  readonly demandStart: Int32Array;
  readonly demandResource: Int32Array;
  readonly demandAmount: Float64Array;
  /** Dominant share of one unit: max demand / capacity. 0 when it demands nothing, Infinity on a resource of capacity 0. */
  readonly unitShare: Float64Array;
  readonly nodeIds: readonly string[];
  readonly parent: Int32Array;
  readonly nodeWeight: Float64Array;
  /** Guaranteed to the subtree: the larger of its own nominal and the sum of its children's; the pool's is its capacity. */
  readonly guarantee: Float64Array;
  /** Part of the guarantee that is never lent. */
  readonly reserve: Float64Array;
  /** Most that the subtree may use: guarantee + borrowing limit. */
  readonly ceiling: Float64Array;
}

/**
 * Amounts below this count as 0 (and `assertConsistent` refuses those above its inverse): products and quotients of
 * three amounts stay inside the range of a double, so that no rate overflows.
 */
function measurable(amount: number): number {
  return amount < 1 / AMOUNT_MAX ? 0 : amount;
}

/** Builds the indexed form. Throws `InvalidAllocation` for anything inconsistent. O(input size + n log n). */
export function compileAllocation(instance: AllocationInstance): AllocationProblem {
  assertConsistent(instance);
  const resourceNames = Object.keys(instance.resources).sort();
  const capacity = Float64Array.from(resourceNames, (name) => measurable(instance.resources[name]));
  const models = [...instance.models].sort((a, b) => (a.id < b.id ? -1 : 1));
  const tree = compileCohorts(instance.cohorts ?? [], resourceNames, capacity);
  const nodeIndex = new Map(tree.nodeIds.map((id, index) => [id, index]));
  const resourceIndex = new Map(resourceNames.map((name, index) => [name, index]));

  const count = models.length;
  const demandStart = new Int32Array(count + 1);
  const resources: number[] = [];
  const amounts: number[] = [];
  const unitShare = new Float64Array(count);
  for (const [i, model] of models.entries()) {
    const demand = model.demand ?? {};
    for (const name in demand) {
      const value = measurable(demand[name]);
      if (value === 0) continue;
      const r = resourceIndex.get(name)!;
      resources.push(r);
      amounts.push(value);
      unitShare[i] = Math.max(unitShare[i], value / capacity[r]);
    }
    demandStart[i + 1] = resources.length;
  }
  const whole = instance.divisible === false;
  return {
    resourceNames,
    capacity,
    modelIds: models.map((model) => model.id),
    weight: Float64Array.from(models, (model) => measurable(model.weight ?? 1)),
    cap: Float64Array.from(models, (model) => model.cap ?? Infinity),
    step: Float64Array.from(models, (model) => model.gang ?? (whole ? 1 : 0)),
    running: Float64Array.from(models, (model) => model.running ?? 0),
    node: Int32Array.from(models, (model) => (model.cohort ? nodeIndex.get(model.cohort)! : 0)),
    demandStart,
    demandResource: Int32Array.from(resources),
    demandAmount: Float64Array.from(amounts),
    unitShare,
    ...tree,
  };
}

type CohortTree = Pick<AllocationProblem, 'nodeIds' | 'parent' | 'nodeWeight' | 'guarantee' | 'reserve' | 'ceiling'>;

function compileCohorts(
  cohorts: readonly AllocationCohort[],
  resourceNames: readonly string[],
  capacity: Float64Array,
): CohortTree {
  const ordered = parentsFirst(cohorts);
  const index = new Map(ordered.map((cohort, i) => [cohort.id, i + 1]));
  const width = resourceNames.length;
  const count = ordered.length + 1;
  const parent = new Int32Array(count).fill(-1);
  const nodeWeight = new Float64Array(count).fill(1);
  const guarantee = new Float64Array(count * width);
  const reserve = new Float64Array(count * width);
  const ceiling = new Float64Array(count * width).fill(Infinity);
  const below = new Float64Array(count * width);
  for (let v = count - 1; v >= 1; v--) {
    const cohort = ordered[v - 1];
    parent[v] = cohort.parent ? index.get(cohort.parent)! : 0;
    nodeWeight[v] = measurable(cohort.weight ?? 1);
    for (let r = 0; r < width; r++) {
      const name = resourceNames[r];
      const at = v * width + r;
      guarantee[at] = Math.max(measurable(cohort.nominal?.[name] ?? 0), below[at]);
      reserve[at] = Math.max(0, guarantee[at] - measurable(cohort.lendingLimit?.[name] ?? Infinity));
      ceiling[at] = guarantee[at] + measurable(cohort.borrowingLimit?.[name] ?? Infinity);
      below[parent[v] * width + r] += guarantee[at];
    }
  }
  for (let r = 0; r < width; r++) {
    // Sums of decimal fractions round: 0.1 + 0.2 must fit a capacity of 0.3.
    if (below[r] > capacity[r] * (1 + 1e-12)) {
      throw usageError({
        type: 'InvalidAllocation',
        message: `the cohorts' nominal quotas of ${resourceNames[r]} add up to more than its capacity`,
        expected: `at most ${capacity[r]}`,
        got: String(below[r]),
        hint: 'lower a nominal quota or raise the capacity: a guarantee that cannot be kept is none',
      });
    }
    guarantee[r] = capacity[r]!;
    ceiling[r] = capacity[r]!;
  }
  return { nodeIds: ['', ...ordered.map((cohort) => cohort.id)], parent, nodeWeight, guarantee, reserve, ceiling };
}

/** Cohorts by depth, then id: each after its parent. The instance is known to be a forest. */
function parentsFirst(cohorts: readonly AllocationCohort[]): AllocationCohort[] {
  const byId = new Map(cohorts.map((cohort) => [cohort.id, cohort]));
  const depths = new Map<string, number>();
  const depth = (cohort: AllocationCohort): number => {
    const known = depths.get(cohort.id);
    if (known !== undefined) return known;
    const own = cohort.parent ? depth(byId.get(cohort.parent)!) + 1 : 0;
    depths.set(cohort.id, own);
    return own;
  };
  return [...cohorts].sort((a, b) => depth(a) - depth(b) || (a.id < b.id ? -1 : 1));
}
