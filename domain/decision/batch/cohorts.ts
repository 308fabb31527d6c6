/**
 * Cohorts of models: what each is guaranteed, lends and borrows of the limits of one cycle. The rules are the kernel's
 * (`scheduler/progressive-filling.ts`); here they become amounts, are kept by what is handed out beyond the models'
 * shares, and are told.
 */
import type { AllocationCohort } from '../../scheduler/allocation-instance.js';
import { compileAllocation, type AllocationProblem } from '../../scheduler/allocation-problem.js';
import { useOf } from '../../scheduler/progressive-filling.js';
import { declaredLimits } from '../../types/limits.js';
import type { PoolDefinition } from '../../types/pool.js';
import { formatBytes } from '../../types/units.js';
import type { BatchInputs, CohortRules } from './batch-inputs.js';
import { modelAndSource } from './flow-id.js';

/** What a cohort, with all below it, has of a resource in the end, in the resource's unit. */
export interface CohortAccount {
  readonly cohort: string;
  readonly resource: string;
  readonly guaranteed: number;
  readonly used: number;
  /** Used above the guarantee, and whose it was: a cohort's guarantee, or what a cohort (null: the pool) had promised to nobody. */
  readonly borrowed: number;
  readonly from: readonly { readonly cohort: string | null; readonly amount: number }[];
  /** Of its guarantee, what others use. */
  readonly lent: number;
}

/** The declared cohorts in parts of their limits, by id. */
export function cohortRules(definition: PoolDefinition): CohortRules[] {
  const limits = declaredLimits(definition);
  const parts = (amounts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, amount / limits.get(name)!]));
  return Object.entries(definition.cohorts ?? {})
    .map(([id, { parent = null, weight, nominal, lendingLimit, borrowingLimit }]) => {
      const limited = { lendingLimit: parts(lendingLimit), borrowingLimit: parts(borrowingLimit) };
      return { id, parent, weight, nominal: parts(nominal), ...limited };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The cohorts in amounts of what may be taken now; none are declared: an empty list. */
export function cohortsOf({ cohorts = [], limits }: BatchInputs): AllocationCohort[] {
  const available = new Map(limits.map((limit) => [limit.resource, Math.max(0, limit.available)]));
  const amounts = (parts: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(
      Object.keys(parts).flatMap((name) => (available.has(name) ? [[name, parts[name] * available.get(name)!]] : [])),
    );
  return cohorts.map(({ id, parent, weight, nominal, lendingLimit, borrowingLimit }) => {
    const limited = { lendingLimit: amounts(lendingLimit), borrowingLimit: amounts(borrowingLimit) };
    return { id, parent, weight, nominal: amounts(nominal), ...limited };
  });
}

/** Whether a flow (`model@source`) is a member of a cohort, or of one below it. */
export function isWithin(cohort: string, flow: string, { cohorts = [], models }: BatchInputs): boolean {
  const parents = new Map(cohorts.map(({ id, parent }) => [id, parent]));
  let at: string | null = models[modelAndSource(flow).model]?.cohort ?? null;
  while (at !== null && at !== cohort) at = parents.get(at) ?? null;
  return at === cohort;
}

/** What is used of every cohort's limits, as it is handed out. */
export class CohortUse {
  private readonly problem: AllocationProblem;
  private readonly nodes: ReadonlyMap<string | null, number>;
  private readonly places: ReadonlyMap<string, number>;
  /** By node and resource: what its own members hold, with those below; and what that costs it, unlent reserves below included. */
  private readonly held: Float64Array;
  private readonly used: Float64Array;

  /** Null where no cohorts are declared. */
  static of(inputs: BatchInputs): CohortUse | null {
    const cohorts = cohortsOf(inputs);
    return cohorts.length === 0 ? null : new CohortUse(cohorts, inputs);
  }

  private constructor(cohorts: AllocationCohort[], { limits }: BatchInputs) {
    const resources = Object.fromEntries(limits.map(({ resource, available }) => [resource, Math.max(0, available)]));
    this.problem = compileAllocation({ resources, models: [], cohorts });
    this.nodes = new Map(this.problem.nodeIds.map((id, node) => [id === '' ? null : id, node]));
    this.places = new Map(this.problem.resourceNames.map((name, r) => [name, r]));
    this.held = new Float64Array(this.problem.ceiling.length);
    this.used = useOf(this.problem, new Float64Array(0));
  }

  /** Counts so much more of a resource as a member's. */
  take(cohort: string | null, resource: string, amount: number): void {
    const { parent, reserve } = this.problem;
    let cost = amount;
    for (let v = this.nodes.get(cohort)!; v >= 0; v = parent[v]) {
      const at = this.at(v, resource);
      const before = Math.max(this.used[at], reserve[at]);
      this.held[at] += amount;
      this.used[at] += cost;
      // Inside an unlent reserve its use costs its parent nothing: that is set aside already.
      cost = Math.max(this.used[at], reserve[at]) - before;
    }
  }

  /**
   * How much more of a resource a member may take before a limit of its cohort, or of one above, is reached, and whose
   * limit that is; null: the pool's.
   */
  room(cohort: string | null, resource: string): { readonly amount: number; readonly of: string | null } {
    const { parent, reserve, ceiling, nodeIds } = this.problem;
    let room = Infinity;
    let of = 0;
    let free = 0;
    for (let v = this.nodes.get(cohort)!; v >= 0; v = parent[v]) {
      const at = this.at(v, resource);
      const here = free + ceiling[at] - this.used[at];
      // Of equal ones the pool's, or that of the cohort above: to raise the other would not help.
      if (here <= room) [room, of] = [here, v];
      free += Math.max(0, reserve[at] - this.used[at]);
    }
    return { amount: Math.max(0, room), of: of === 0 ? null : nodeIds[of] };
  }

  /** The cohorts for sharing what is left of each resource: what is not lent stays their own, and what they may still borrow. */
  rest(left: Readonly<Record<string, number>>): AllocationCohort[] {
    const { nodeIds, parent, nodeWeight, resourceNames } = this.problem;
    const cohorts = nodeIds.map((id, v) => {
      const amounts: Record<'nominal' | 'lendingLimit' | 'borrowingLimit', Record<string, number>> = {
        ...{ nominal: {}, lendingLimit: {}, borrowingLimit: {} },
      };
      return { id, parent: parent[v] <= 0 ? null : nodeIds[parent[v]], weight: nodeWeight[v], ...amounts };
    });
    for (const name of resourceNames) {
      // A debt can have taken of what is set aside: then that shrinks to what is there.
      const tops = nodeIds.flatMap((_, v) => (parent[v] === 0 ? [this.unlent(v, name)] : []));
      const fits = Math.min(1, left[name] / tops.reduce((sum, amount) => sum + amount, 0) || 0);
      for (let v = 1; v < nodeIds.length; v++) {
        const kept = this.unlent(v, name);
        cohorts[v].nominal[name] = kept * fits;
        cohorts[v].lendingLimit[name] = 0;
        const ceiling = this.problem.ceiling[this.at(v, name)];
        if (ceiling < Infinity)
          cohorts[v].borrowingLimit[name] = Math.max(0, ceiling - this.held[this.at(v, name)] - kept);
      }
    }
    return cohorts.slice(1);
  }

  /** What is set aside in a cohort and not used yet. */
  private unlent(v: number, resource: string): number {
    const at = this.at(v, resource);
    return Math.max(0, Math.max(this.used[at], this.problem.reserve[at]) - this.held[at]);
  }

  private at(v: number, resource: string): number {
    return v * this.problem.resourceNames.length + this.places.get(resource)!;
  }

  /** Parents first; only where something is guaranteed or used. */
  accounts(): CohortAccount[] {
    return this.problem.resourceNames.flatMap((name) => this.accountsOf(name));
  }

  private accountsOf(resource: string): CohortAccount[] {
    const { nodeIds, parent, guarantee, reserve } = this.problem;
    const of = (v: number) => {
      const at = this.at(v, resource);
      const [guaranteed, used] = [guarantee[at], this.held[at]];
      // Rounding borrows nothing.
      const borrowed = used > guaranteed * (1 + 1e-9) ? used - guaranteed : 0;
      return { guaranteed, used, borrowed, idle: guaranteed - Math.max(used, reserve[at]) };
    };
    const found = new Map<number, CohortAccount>();
    for (let p = 0; p < nodeIds.length; p++) {
      const children = nodeIds.flatMap((_, v) => (parent[v] === p ? [v] : []));
      const [own, below] = [of(p), children.map(of)];
      const sumOf = (value: (one: ReturnType<typeof of>) => number): number =>
        below.reduce((sum, one) => sum + Math.max(0, value(one)), 0);
      // Its own members use what it has promised to nobody, as those below it that borrow do.
      const direct = own.used - sumOf(({ used }) => used);
      const wanted = direct + sumOf(({ borrowed }) => borrowed);
      const unpromised = Math.max(0, Math.min(wanted, own.guaranteed - sumOf(({ guaranteed }) => guaranteed)));
      const idle = sumOf((one) => one.idle);
      const lent = idle > 0 ? Math.min(1, Math.max(0, wanted - unpromised) / idle) : 0;
      const pot = [
        { cohort: p === 0 ? null : nodeIds[p], amount: unpromised },
        ...below.map((one, c) => ({ cohort: nodeIds[children[c]], amount: Math.max(0, one.idle) * lent })),
        ...(found.get(p)?.from ?? []),
      ].filter(({ amount }) => amount > 0);
      for (const [c, { guaranteed, used, borrowed, idle: unused }] of below.entries()) {
        const from = pot.map(({ cohort, amount }) => ({ cohort, amount: (amount * borrowed) / wanted }));
        found.set(children[c], {
          ...{ cohort: nodeIds[children[c]], resource, guaranteed, used, borrowed },
          ...{ from: borrowed > 0 ? from : [], lent: Math.max(0, unused) * lent },
        });
      }
    }
    return [...found.values()].filter(({ guaranteed, used }) => guaranteed > 0 || used > 0);
  }
}

/** One sentence: what a cohort has of a limit, whose it is, and what others have of its own. */
export function cohortReason({ cohort, resource, guaranteed, used, borrowed, from, lent }: CohortAccount): string {
  const show = (amount: number): string =>
    /^(bytes|quota):/.test(resource) ? formatBytes(amount) : String(Number(amount.toPrecision(4)));
  const whose = from
    .map((one) => `${show(one.amount)} of ${one.cohort === null ? 'the pool' : `cohort ${one.cohort}`}`)
    .join(', ');
  return (
    `cohort ${cohort}: has ${show(used)} of ${resource}, guaranteed ${show(guaranteed)}` +
    (borrowed > 0 ? `; borrows ${whose}` : '') +
    (lent > 0 ? `; lends ${show(lent)}` : '')
  );
}
