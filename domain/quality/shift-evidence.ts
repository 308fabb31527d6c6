/**
 * Evidence that a stream of scores, independent and standard normal in control, has changed at some unknown row.
 *
 * The Shiryaev-Roberts statistic R is the sum, over all rows at which the change may have begun, of the likelihood
 * ratio of "changed there" to "in control". In control R less the number of rows is a martingale, so that an alarm at R >= A
 * comes once in A rows or less often, whatever the mixture of sizes and directions; with known parameters no procedure of
 * the same rate has a smaller mean delay in the long run (Pollak & Tartakovsky 2009, Statistica Sinica 19:1729).
 */

/** Direction and size that a component of the mixture looks for, and its share of the false alarms. */
export interface EvidenceComponent {
  readonly kind: ShiftKind;
  /** Size of the change, in standard deviations of the scores. */
  readonly size: number;
  readonly share: number;
}
export type ShiftKind = 'level-up' | 'level-down' | 'spread-up' | 'spread-down';

/** Plain JSON. One number a component, in the order of `COMPONENTS`. */
export interface EvidenceState {
  /** R of each component. */
  readonly ratios: readonly number[];
  /** The same sum with each first row weighed by the number of values before it: divided by R, the expected number. */
  readonly origins: readonly number[];
}

/** The shift to be found soonest, and one of three times its size, which would otherwise wait for the small one's chart. */
const SIZES = [
  { size: 0.5, share: 0.85 },
  { size: 1.5, share: 0.15 },
] as const;
/** Share of the false alarms that changes of spread may cost: what is asked for first is the level. */
const SPREAD_SHARE = 0.05;

export const COMPONENTS: readonly EvidenceComponent[] = (
  ['level-up', 'level-down', 'spread-up', 'spread-down'] as const
).flatMap((kind) =>
  SIZES.map(({ size, share }) => ({
    kind,
    size,
    share: (share * (kind.startsWith('level') ? 1 - SPREAD_SHARE : SPREAD_SHARE)) / 2,
  })),
);

/** Rows between two false alarms: half an alarm in 10,000 rows. */
export const RUN_LENGTH = 20_000;
/** Mean overshoot of a normal random walk over a limit, in steps' deviations (Siegmund 1985, Sequential Analysis, ch. 10). */
const OVERSHOOT = 0.583;

/**
 * R at which the alarm is raised: the run length, less what the last step overshoots on average over the mixture (Pollak
 * 1987, Annals of Statistics 15:749). The wider sums of scores spread, the smaller the steps of R.
 */
export function alarmLimit(inflation: number): number {
  const overshot = SIZES.map(({ size, share }) => share * Math.exp((-OVERSHOOT * size) / inflation));
  return RUN_LENGTH * overshot.reduce((sum, part) => sum + part, 0);
}

export function emptyEvidence(): EvidenceState {
  return { ratios: COMPONENTS.map(() => 0), origins: COMPONENTS.map(() => 0) };
}

/** The scores of one value and what they were taken from. */
export interface ScoredValue {
  /** Score of the level and of the distance from the middle. */
  readonly level: number;
  readonly spread: number;
  /** Values before this one since the last alarm, and values, this one too, among which it was ranked. */
  readonly before: number;
  readonly ranked: number;
  /** How much wider sums of scores spread than independent ones would. */
  readonly inflation: number;
}

/**
 * Evidence with one value more. A change that began after `origin` values moves the score only by the share of the ranked
 * values that are older: the later ones have moved as well. That share, squared and summed, is exactly the information of
 * a comparison of the two samples, so that nothing is lost for the mean before the change being unknown.
 * O(components), whatever the length of the stream.
 */
export function addEvidence(state: EvidenceState, value: ScoredValue): EvidenceState {
  const ratios: number[] = [];
  const origins: number[] = [];
  COMPONENTS.forEach(({ kind, size }, i) => {
    const ratio = state.ratios[i] + 1;
    const origin = state.origins[i] + value.before;
    const share = Math.max(0, 1 - (value.before + 1 - origin / ratio) / value.ranked);
    const score = kind.startsWith('level') ? value.level : value.spread;
    const shift = (kind.endsWith('up') ? size : -size) * share;
    const likelihood = Math.exp((shift * score - (shift * shift) / 2) / value.inflation);
    ratios.push(ratio * likelihood);
    origins.push(origin * likelihood);
  });
  return { ratios, origins };
}

/** R of the mixture. */
export function totalEvidence(state: EvidenceState): number {
  return COMPONENTS.reduce((sum, { share }, i) => sum + share * state.ratios[i], 0);
}

/** The component that has most of the evidence, and after how many values its change began, as far as it can be told. */
export function leadingChange(state: EvidenceState): { readonly kind: ShiftKind; readonly before: number } {
  let lead = 0;
  COMPONENTS.forEach(({ share }, i) => {
    if (share * state.ratios[i] > COMPONENTS[lead].share * state.ratios[lead]) lead = i;
  });
  return { kind: COMPONENTS[lead].kind, before: Math.round(state.origins[lead] / state.ratios[lead]) };
}
