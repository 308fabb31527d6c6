/** Questions that came again and again, as they stand now: what may be expected, and read ahead, is chosen from these. */
import type { KnownRequest } from '../domain/decision/expected-requests.js';
import { shapeOf } from './batch.js';
import type { StageDependencies } from './dependencies.js';
import type { CycleContext } from './store-ports.js';

/** Questions that are looked at in one cycle: those due soonest. */
const KNOWN_MAX = 512;

export async function knownRequests(deps: StageDependencies, context: CycleContext): Promise<KnownRequest[]> {
  const { definition, asOfMs, items } = context;
  if (definition.cache.prefetch === 0) return [];
  const known = (await deps.recurrences.known(context, asOfMs, KNOWN_MAX)).filter((one) => mayAsk(definition, one));
  if (known.length === 0) return [];
  const asks = known.map(({ shape, maxAgeMs }) => {
    return { shape, minAsOfMs: asOfMs - (maxAgeMs ?? 0), contentId: null };
  });
  const cached = new Map((await deps.plans.cached(context, asks, asOfMs)).map((hit) => [hit.shape, hit.asOfMs]));
  const now = new Set(items.filter(({ kind }) => kind === 'request').map(shapeOf));
  return known.map((one): KnownRequest => {
    const { shape, dataset, askedMs, maxAgeMs, coveredUntilMs } = one;
    const foundMs = cached.get(shape);
    const freshUntilMs = foundMs === undefined ? -Infinity : foundMs + (maxAgeMs ?? 0);
    const untilMs = Math.max(coveredUntilMs ?? -Infinity, freshUntilMs);
    return {
      ...one,
      source: definition.datasets[dataset].source,
      askedMs: now.has(shape) && askedMs.at(-1) !== asOfMs ? [...askedMs, asOfMs] : askedMs,
      coveredUntilMs: Number.isFinite(untilMs) ? untilMs : null,
    };
  });
}

/** Whether the model that asked last is still declared, and may still read what it asked. */
function mayAsk(
  { datasets, models }: CycleContext['definition'],
  { model, dataset, fields, where }: Omit<KnownRequest, 'source'>,
): boolean {
  if (!Object.hasOwn(datasets, dataset) || !Object.hasOwn(models, model)) return false;
  const { columns } = datasets[dataset];
  return [...fields, ...where.map(({ column }) => column)].every(
    (column) => columns[column]?.sensitivity !== 'restricted' || models[model].mayRead.includes(`${dataset}.${column}`),
  );
}
