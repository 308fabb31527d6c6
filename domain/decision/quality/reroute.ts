/** Routing round a bad source: the first further try at an item that is good enough to hand out. */
import { judgeAll } from './judge-slice.js';
import type { ItemVerdict, Judged, QualityInputs, Reroute } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

export type Rerouted = Judged & Pick<ItemVerdict, 'routed' | 'notRouted'>;

/** The source read again comes before what stands in for it. */
const ROUNDS = ['refetch', 'fallback'] as const;

/**
 * What becomes of the items whose slices would be kept back. The tries of one kind are put in the place of what they stand
 * for and judged as that was: with everything that is known of the item, and together with the rest of the decision.
 *
 * @param first the verdicts on what was read first
 * @returns for each item that may be tried again the verdict on its first try that is good enough, with where it came from;
 *   else the first verdict, with what was tried and what was not
 */
export function routeRound(inputs: QualityInputs, first: ReadonlyMap<string, Judged>): ReadonlyMap<string, Rerouted> {
  const told = new Map(
    inputs.items.flatMap((item) => {
      const judged = first.get(item.id);
      return judged !== undefined && isRoutable(item, judged) ? [[item.id, [] as string[]] as const] : [];
    }),
  );
  const settled = new Map<string, Rerouted>();
  for (const kind of ROUNDS) {
    const tries = new Map<string, Tried>();
    for (const [id, notRouted] of told) {
      const attempt = (inputs.rerouted?.[id] ?? []).findIndex((one) => one.kind === kind);
      if (attempt === -1 || settled.has(id)) continue;
      const tried = inputs.rerouted![id][attempt];
      const unfit = whyUnfit(tried);
      if (unfit === null) tries.set(id, { attempt, tried, slice: tried.slice! });
      else notRouted.push(`${nameOf(tried)}: ${unfit}`);
    }
    const verdicts = tries.size === 0 ? first : judgeAll(withTries(inputs, tries));
    for (const [id, { attempt, tried, slice }] of tries) {
      const judged = verdicts.get(id)!;
      const { dataset, cost } = tried;
      const routed = { kind, dataset, attempt, rows: slice.rows, reason: first.get(id)!.reason };
      if (judged.verdict === 'quarantine') told.get(id)!.push(`${nameOf(tried)}: ${judged.reason}`);
      else settled.set(id, { ...judged, routed: { ...routed, ...(cost === undefined ? {} : { cost }) } });
    }
  }
  for (const [id, tried] of told) {
    if (settled.has(id)) continue;
    const bad = first.get(id)!;
    const untried = inputs.untried?.[id];
    const notRouted = untried === undefined ? tried : [...tried, untried];
    const reason = [bad.reason, ...notRouted].join('; ');
    settled.set(id, notRouted.length === 0 ? bad : { ...bad, notRouted, reason });
  }
  return settled;
}

interface Tried {
  readonly attempt: number;
  readonly tried: Reroute;
  readonly slice: NonNullable<Reroute['slice']>;
}

/** Why a try need not be judged; null where it is. */
function whyUnfit({ slice, failure, leastRows = 0 }: Reroute): string | null {
  if (slice === null) return failure ?? 'it was not read';
  return slice.rows < leastRows ? `it has ${slice.rows} of the ${leastRows} rows` : null;
}

/** How a try is called where it is told. */
export function nameOf({ kind, dataset }: Pick<Reroute, 'kind' | 'dataset'>): string {
  return kind === 'refetch' ? 'reading it again' : `fallback ${dataset}`;
}

/** The inputs with tries in the place of what was read first. */
function withTries(inputs: QualityInputs, tries: ReadonlyMap<string, Tried>): QualityInputs {
  const replaced = <T>(known: Readonly<Record<string, T>> = {}, of: (tried: Reroute) => T | null | undefined) => {
    const others = Object.entries(known).filter(([id]) => !tries.has(id));
    const own = [...tries].flatMap(([id, { tried }]) => {
      const value = of(tried);
      return value == null ? [] : [[id, value] as const];
    });
    return Object.fromEntries([...others, ...own]);
  };
  return {
    ...inputs,
    results: inputs.results.map((result) => {
      const other = tries.get(result.itemId);
      return other === undefined ? result : { ...result, slice: other.slice, failure: null };
    }),
    samples: replaced(inputs.samples, ({ evidence }) => evidence?.sample),
    orphans: replaced(inputs.orphans, ({ evidence }) => evidence?.orphans),
    usual: replaced(inputs.usual, ({ evidence }) => evidence?.usual),
    // What is found of a dataset's vectors and texts says nothing of its stand-in.
    contents: Object.fromEntries(
      Object.entries(inputs.contents ?? {}).filter(([id]) => tries.get(id)?.tried.kind !== 'fallback'),
    ),
    // How many rows match was counted where the first slice came from.
    available: replaced(inputs.available, () => null),
  };
}

/** A sentence for the delivery's report. */
export function describeRoute({ kind, dataset, reason }: NonNullable<ItemVerdict['routed']>): string {
  const what = kind === 'refetch' ? `read again from ${dataset}` : `read from ${dataset} in its place`;
  return `${what}: ${reason}`;
}

/** Whether an item is worth another try. A pin names one content, and only that. */
export function isRoutable(item: Pick<WorkItem, 'datasetVersion'>, { verdict }: Pick<Judged, 'verdict'>): boolean {
  return verdict === 'quarantine' && item.datasetVersion === null;
}
