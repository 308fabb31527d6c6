/** What a decision does once and all who use a dataset feel: who else gets other rows, waits, or gains. */
import type { Finding } from '../../analyzers/analyzer.js';
import { totalOf } from '../../analyzers/balance.js';
import { exactly } from '../../quality/impact.js';
import type { Circuits } from '../quality/circuit.js';
import type { ItemVerdict, QualityInputs } from '../quality/quality-inputs.js';
import { asksFor, isAsked, isDue, type DataAsk, type KnownAsk } from './ask.js';
import type { SharedAction } from './effect-record.js';

export interface SharedInputs {
  readonly quality: QualityInputs;
  readonly verdicts: readonly ItemVerdict[];
  readonly findings: readonly Finding[];
  /** Circuits that the decision changes, by dataset. */
  readonly circuits: Circuits;
  /** The last ask for data of each need. */
  readonly asked: Readonly<Record<string, KnownAsk>>;
}

/** @param readersMax readers that are told of each */
export function sharedActions(inputs: SharedInputs, readersMax: number): SharedAction[] {
  return [...restActions(inputs), ...askActions(inputs)].map((action) => {
    const omitted = action.readers.length - readersMax;
    return omitted <= 0 ? action : { ...action, readers: action.readers.slice(0, readersMax), omitted };
  });
}

/** A dataset that rests from the next cycle on: all its needs get the stand-in's rows, also those whose own were good. */
function restActions({ quality, verdicts, circuits }: SharedInputs): SharedAction[] {
  const resting = Object.keys(circuits).filter(
    (dataset) => circuits[dataset].failures > 0 && circuits[dataset].left > 0,
  );
  if (resting.length === 0) return [];
  const verdictOf = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  return resting.sort().map((dataset): SharedAction => {
    const { standIn, left, reason } = circuits[dataset];
    const cycles = left === 1 ? 'the next cycle' : `the next ${left} cycles`;
    const readers = quality.items
      .filter((item) => item.dataset === dataset && item.needId !== null)
      .map((item) => {
        const judged = verdictOf.get(item.id);
        const bad = judged !== undefined && (judged.use !== 'slice' || judged.routed !== undefined);
        const rested = quality.circuits?.[dataset]?.rests != null;
        const own = rested ? 'as in this one' : bad ? 'its own were no good' : 'though its own were good';
        const what =
          item.window == null
            ? `gets rows of ${standIn} in ${cycles}, ${own}`
            : `waits for its new rows while ${dataset} rests, in ${cycles} at most`;
        return { bad, needId: item.needId, model: item.model, what, rows: exactly(item.rows ?? 0) };
      })
      .sort((a, b) => +b.bad - +a.bad || (a.needId! < b.needId! ? -1 : 1));
    return {
      ...{ action: 'rest', dataset, taken: true, why: reason },
      readers: readers.map(({ needId, model, what, rows }) => ({ needId, model, what, rows })),
    };
  });
}

/** What the owner is asked for, or was asked for before: whom it would help, and by how many rows. */
function askActions({ quality, findings, asked }: SharedInputs): SharedAction[] {
  const { ways = {}, nowMs = quality.asOfMs } = quality;
  const owners = Object.fromEntries(Object.entries(ways).map(([id, { owner }]) => [id, owner]));
  const modelOf = new Map(findings.map(({ needId, model }) => [needId, model]));
  return asksFor(findings, owners).map((ask): SharedAction => {
    const { needId, dataset, owner, rows, affects = [] } = ask;
    const taken = isDue(ask, asked, nowMs) && ways[dataset]?.mayAsk;
    return {
      ...{ action: 'ask', dataset, taken },
      why: taken
        ? `${owner ?? 'whoever owns it'} is asked for ${describeRows(ask)}`
        : whyNotAsked(ways[dataset]?.mayAsk, asked, needId),
      readers: [
        { needId, model: modelOf.get(needId)!, what: 'asks', rows: exactly(totalOf(rows)) },
        ...affects.map((other) => ({
          ...{ needId: other.needId, model: other.model, what: 'lacks the same rows' },
          rows: exactly(other.rows),
        })),
      ],
    };
  });
}

function whyNotAsked(mayAsk: boolean | undefined, asked: SharedInputs['asked'], needId: string): string {
  if (mayAsk !== true || !isAsked(asked, needId)) return 'a repeat of the past asks nobody';
  return `it was asked for at ${new Date(asked[needId].askedMs).toISOString()}, and hardly more is missing since`;
}

/** Classes named in one sentence. */
const NAMED_MAX = 3;

function describeRows({ column, rows }: DataAsk): string {
  const names = Object.keys(rows).sort((a, b) => rows[b] - rows[a] || (a < b ? -1 : 1));
  if (column === null || names.includes('*')) return `${totalOf(rows)} rows`;
  const shown = names.slice(0, NAMED_MAX).map((name) => `${rows[name]} of ${name}`);
  return `${shown.join(', ')}${names.length > NAMED_MAX ? ', …' : ''} (${column})`;
}
