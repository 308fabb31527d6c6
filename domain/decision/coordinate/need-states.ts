/** Where each standing need stands after a cycle: what it was served up to, and what scarcity still owes it. */
import { standingQuestion, standingWhere, type ItemFacts, type WaitReason, type WorkItem } from '../work.js';

export interface NeedState {
  readonly needId: string;
  /** `rows: new`: event time up to which every row was handed out. */
  readonly servedUpToMs: number | null;
  /** The window that was handed out last, and how many rows it had: those that a draw by class left out, too. */
  readonly lastFromMs: number | null;
  readonly lastRows: number | null;
  /** What was asked then (`standingQuestion`). */
  readonly lastQuestion: string | null;
  /** Rows that scarcity kept back: asked for on top of the next cycle's; null: as many as before. */
  readonly owedRows: number | null;
  /** Cycles in a row that could not give even the least that is worth handing out; null: as many as before. */
  readonly shortCycles: number | null;
  /** `rows: new`: rows after `servedUpToMs` that this cycle, or one before it, asked for; null: as many as before. */
  readonly askedRows: number | null;
}

/**
 * Scarcity owes a need at most this many cycles' worth of rows. Max-min fairness serves the claim only from what the
 * others leave: a need that always asks for more than its share takes nothing from them, and stops at the cap.
 */
const OWED_CYCLES_MAX = 1;

/** Rows owed to a need of a fixed size that was short of so many. */
export function owedAfter({ rows }: Pick<WorkItem, 'rows'>, short: number): number {
  return rows === null ? 0 : Math.min(Math.max(0, short), rows * OWED_CYCLES_MAX);
}

/**
 * The states that this cycle changes. Only scarcity owes: what was quarantined, held back or could not be read leaves
 * the state as it was, so that the next cycle asks for the same again.
 * @param rowsRead rows that were read of the item's own dataset; without them its last rows are those that matched and were
 *   granted
 */
export function needStates(
  inputs: {
    readonly items: readonly WorkItem[];
    readonly facts: readonly ItemFacts[];
    /** What was granted, with the rows that scarcity kept back and where a window was parted. */
    readonly grants: readonly {
      readonly itemId: string;
      readonly rows?: number;
      readonly short?: number;
      readonly upToMs?: number | null;
      readonly quotas?: Readonly<Record<string, number>> | null;
    }[];
    readonly waiting: readonly WaitReason[];
  },
  deliver: readonly { readonly itemId: string; readonly use: 'slice' | 'last-good' }[],
  rowsRead: ReadonlyMap<string, number>,
): NeedState[] {
  const grants = new Map(inputs.grants.map((grant) => [grant.itemId, grant]));
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const handed = new Set(deliver.filter(({ use }) => use === 'slice').map(({ itemId }) => itemId));
  // A source that is closed, or failed, is not scarce.
  const scarce = new Set(
    inputs.waiting
      .filter(({ resource }) => resource !== null && !/^(window|dataset):/.test(resource))
      .map(({ itemId }) => itemId),
  );
  return inputs.items.flatMap((item): NeedState[] => {
    if (item.needId === null) return [];
    const grant = grants.get(item.id);
    const matched = facts.get(item.id)?.rows;
    const unserved = { needId: item.needId, servedUpToMs: null, lastFromMs: null, lastRows: null, lastQuestion: null };
    const asked = { askedRows: item.window == null ? null : (matched ?? null) };
    if (scarce.has(item.id)) {
      const wanted = Math.min((item.rows ?? 0) + (item.owedRows ?? 0), matched ?? 0);
      return [{ ...unserved, ...asked, owedRows: owedAfter(item, wanted), shortCycles: item.attempts }];
    }
    if (grant === undefined || !handed.has(item.id)) {
      return asked.askedRows === null ? [] : [{ ...unserved, ...asked, owedRows: null, shortCycles: null }];
    }
    const served = { needId: item.needId, owedRows: owedAfter(item, grant.short ?? 0), shortCycles: 0 };
    if (item.window == null) return [{ ...unserved, ...asked, ...served }];
    const upToMs = grant.upToMs ?? item.window.toMs;
    return [
      {
        ...served,
        servedUpToMs: upToMs,
        lastFromMs: item.window.fromMs,
        lastRows:
          ((grant.quotas ?? null) === null ? rowsRead.get(item.id) : undefined) ?? (matched ?? 0) - (grant.short ?? 0),
        lastQuestion: standingQuestion(item.dataset, standingWhere(item)),
        askedRows: upToMs < item.window.toMs ? Math.max(0, (matched ?? 0) - (grant.rows ?? 0)) : 0,
      },
    ];
  });
}
