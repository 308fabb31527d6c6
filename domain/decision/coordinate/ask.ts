/** Asking for data: what no draw can repair is asked of the dataset's owner, with rows by class, and not again every cycle. */
import type { Finding } from '../../analyzers/analyzer.js';
import { countOf } from '../../analyzers/balance.js';

/** One message to the owner of a dataset. */
export interface DataAsk {
  readonly needId: string;
  readonly dataset: string;
  readonly owner: string | null;
  readonly column: string | null;
  /** Rows missing by class; `*` where no class is concerned. */
  readonly rows: Readonly<Record<string, number>>;
  readonly reason: string;
  /** Others who miss some of the same rows, most rows first, and how many of them: the same delivery helps them too. Absent: nobody else does. */
  readonly affects?: readonly { readonly needId: string; readonly model: string; readonly rows: number }[];
  /** How many others it helps beyond those named. Absent: none. */
  readonly affectsMore?: number;
}
/** The last ask of a need. */
export interface KnownAsk {
  readonly askedMs: number;
  readonly rows: Readonly<Record<string, number>>;
}

/** The same is asked again after a day: whoever has to deliver has seen it, and has had a day. */
export const ASK_AGAIN_MS = 86_400_000;
/** Others named in one message: who reads it weighs whom else it helps, and needs no list of a thousand. */
const AFFECTED_MAX = 20;
/** What is missing by a tenth more is worth another message before that. */
const WORSE_SHARE = 1.1;

/** What of the analyzers' findings the owner would mend, with new rows or times for old ones; the classes say more than the volume. */
const ASKED = ['class-shortfall', 'volume', 'coverage', 'untimed', 'future-volume'];

/** The asks that are due, in the order of `asksFor`. */
export function dueAsks(
  findings: readonly Finding[],
  owners: Readonly<Record<string, string | null>>,
  known: Readonly<Record<string, KnownAsk>>,
  nowMs: number,
): DataAsk[] {
  return asksFor(findings, owners).filter((ask) => isDue(ask, known, nowMs));
}

/** Whether an ask was not made in the last day, or more is missing since. */
export function isDue({ needId, rows }: DataAsk, known: Readonly<Record<string, KnownAsk>>, nowMs: number): boolean {
  const before = known[needId] as KnownAsk | undefined;
  return before === undefined || nowMs - before.askedMs >= ASK_AGAIN_MS || worse(rows, before.rows);
}

/** What there is to ask for, due or not: those first that miss the largest share of what they want. A need without a shortfall asks nothing. */
export function asksFor(findings: readonly Finding[], owners: Readonly<Record<string, string | null>>): DataAsk[] {
  const short = findings
    .filter(({ kind, shortfall, blocking }) => {
      // A shortage that may come is not asked for; one that probably comes is, before it does.
      return ASKED.includes(kind) && (blocking || kind !== 'future-volume') && Object.keys(shortfall ?? {}).length > 0;
    })
    .sort((a, b) => ASKED.indexOf(a.kind) - ASKED.indexOf(b.kind));
  const byNeed = new Map<string, Finding>();
  const severityOf = ({ needId }: DataAsk): number => byNeed.get(needId)!.severity;
  for (const finding of short) if (!byNeed.has(finding.needId)) byNeed.set(finding.needId, finding);
  return [...byNeed.values()]
    .map(({ needId, dataset, column = null, shortfall: rows = {}, message }): DataAsk => {
      const affects = othersShort({ needId, dataset, column, rows }, [...byNeed.values()]);
      const ask = { needId, dataset, owner: owners[dataset] ?? null, column, rows, reason: message };
      if (affects.length === 0) return ask;
      const named = { ...ask, affects: affects.slice(0, AFFECTED_MAX) };
      return affects.length <= AFFECTED_MAX ? named : { ...named, affectsMore: affects.length - AFFECTED_MAX };
    })
    .sort((a, b) => severityOf(b) - severityOf(a) || (a.needId < b.needId ? -1 : 1));
}

function othersShort(
  { needId, dataset, column, rows }: Pick<DataAsk, 'needId' | 'dataset' | 'column' | 'rows'>,
  short: readonly Finding[],
): NonNullable<DataAsk['affects']> {
  return short
    .filter((other) => other.needId !== needId && other.dataset === dataset && (other.column ?? null) === column)
    .map((other) => {
      const same = Object.keys(rows).map((name) => Math.min(rows[name], countOf(other.shortfall ?? {}, name)));
      return { needId: other.needId, model: other.model, rows: same.reduce((sum, missing) => sum + missing, 0) };
    })
    .filter((other) => other.rows > 0)
    .sort((a, b) => b.rows - a.rows || (a.needId < b.needId ? -1 : 1));
}

/** Whether a need's data was asked for before. */
export function isAsked(known: Readonly<Record<string, KnownAsk>>, needId: string): boolean {
  return Object.hasOwn(known, needId);
}

function worse(now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): boolean {
  return Object.entries(now).some(([name, missing]) => missing > WORSE_SHARE * countOf(before, name));
}
