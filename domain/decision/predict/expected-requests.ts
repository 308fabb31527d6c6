/** Which requests of the past will come again while a result of now is still fresh enough for them? */
import { recurrenceWithin, type Recurrence } from '../../prediction/recurrence.js';
import type { Predicate } from '../../types/predicate.js';

/** What is asked, of whom, and by whom. */
export interface Question {
  /** Who asks; of a known one, who asked last. */
  readonly model: string;
  readonly dataset: string;
  readonly source: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  readonly rows: number | null;
  readonly seed: number;
  /** How old a result may be for it; null: of the very time at which it is asked. */
  readonly maxAgeMs: number | null;
}

/** A question that was asked before, when, and how predictions of it went. */
export interface KnownRequest extends Question {
  /** Digest of the question: dataset, fields, predicate, rows, seed. */
  readonly shape: string;
  /** Event times at which it was asked, ascending and distinct; this cycle's where it is asked now. */
  readonly askedMs: readonly number[];
  /** Its last result. */
  readonly resultRows: number;
  readonly resultBytes: number;
  /** It was never asked, and what it will find could not be counted; absent: it was, or could. */
  readonly uncounted?: true;
  /** A result that is there, or on its way, answers it up to this event time; null: none. */
  readonly coveredUntilMs: number | null;
  /** A declared run will have asked it by then, and not before `asOfMs`; absent: none is near. */
  readonly declaredByMs?: number;
  /** Predictions of it that came true, and that did not; old ones count for less. */
  readonly right: number;
  readonly wrong: number;
}

export interface ExpectedRequest extends Pick<
  KnownRequest,
  | 'shape'
  | 'model'
  | 'dataset'
  | 'source'
  | 'fields'
  | 'where'
  | 'rows'
  | 'seed'
  | 'maxAgeMs'
  | 'resultRows'
  | 'resultBytes'
  | 'uncounted'
> {
  /** It is expected in this window of event time. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** At least this probable. */
  readonly probability: number;
  readonly basis: Recurrence['basis'] | 'declared';
  /** Whether reading ahead for it is worth it: at least as many predictions of it came true as did not. */
  readonly pays: boolean;
  readonly right: number;
  readonly wrong: number;
}

/** More likely than not: below that, more than half of what is read ahead would be read for nobody. */
export const EXPECTED_MIN = 0.5;
/** Expected requests that one decision keeps. */
export const EXPECTED_MAX = 256;

/** The most probable first; ties by shape. */
export function expectRequests(known: readonly KnownRequest[], asOfMs: number): ExpectedRequest[] {
  return known
    .flatMap((request): ExpectedRequest[] => {
      const { resultBytes, coveredUntilMs, right, wrong, maxAgeMs } = request;
      const untilMs = asOfMs + (maxAgeMs ?? 0);
      // What is covered is covered; asking again within it costs no read.
      const fromMs = coveredUntilMs === null ? asOfMs : Math.max(asOfMs, coveredUntilMs + 1);
      if (fromMs > untilMs || resultBytes <= 0) return [];
      const { probability, basis } = likelihood(request, fromMs, untilMs, asOfMs);
      if (probability < EXPECTED_MIN) return [];
      const { shape, model, dataset, source, fields, where, rows, seed, resultRows, uncounted } = request;
      return [
        {
          ...{ shape, model, dataset, source, fields, where, rows, seed, maxAgeMs, resultRows, resultBytes },
          ...{ fromMs, untilMs, probability, basis, right, wrong },
          ...(uncounted === undefined ? {} : { uncounted }),
          pays: right >= wrong,
        },
      ];
    })
    .sort((a, b) => b.probability - a.probability || (a.shape < b.shape ? -1 : 1))
    .slice(0, EXPECTED_MAX);
}

/** A declaration counts until it has proven wrong (Laplace's rule, from one that held); a habit as the record shows it. */
function likelihood(
  { declaredByMs, askedMs, right, wrong }: KnownRequest,
  fromMs: number,
  untilMs: number,
  asOfMs: number,
): Pick<ExpectedRequest, 'probability' | 'basis'> {
  const habit = recurrenceWithin(askedMs, asOfMs, fromMs, untilMs);
  const isDeclared = declaredByMs !== undefined && declaredByMs >= fromMs && declaredByMs <= untilMs;
  const kept = isDeclared ? (1 + right) / (1 + right + wrong) : 0;
  return kept > habit.probability ? { probability: kept, basis: 'declared' } : habit;
}
