/**
 * Capacity per window of six steps, one step ahead: mean capacity / mean demand at a share of violating steps.
 * Baselines plan at the same windows and are scaled by the one factor (of each series, known afterwards) that gives
 * them exactly that share; ours is shown as planned and scaled likewise. `oracle` is each window's own peak.
 */
import { planPeaks } from '../domain/prediction/peak-planner.js';
import { geometricMean, mean, printTable, requireData, workloads } from './forecast-data.js';

const EVERY = 6;
const LEAD = 1;
/** Ratio of neighbouring buckets of the decayed histogram, and what the recommender multiplies its percentile by. */
const VPA_BUCKET = 1.05;
const VPA_MARGIN = 1.15;

type Plan = readonly number[];

/** Capacity of each window that starts at or after `from`. */
interface Planned {
  readonly values: readonly number[];
  readonly starts: readonly number[];
}

function stepsOf({ values, starts }: Planned, plan: Plan): { demand: number; capacity: number }[] {
  return starts.flatMap((start, i) =>
    values.slice(start, start + EVERY).map((demand) => ({ demand, capacity: plan[i] })),
  );
}

const cost = (planned: Planned, plan: Plan): number => {
  const steps = stepsOf(planned, plan);
  return mean(steps.map(({ capacity }) => capacity)) / mean(steps.map(({ demand }) => demand));
};

const violations = (planned: Planned, plan: Plan): number =>
  mean(stepsOf(planned, plan).map(({ demand, capacity }) => (demand > capacity ? 1 : 0)));

/** Cost after scaling the plan so that just the share `violation` of steps exceeds it. */
function costAt(planned: Planned, plan: Plan, violation: number): number {
  const ratios = stepsOf(planned, plan)
    .map(({ demand, capacity }) => (demand === 0 ? 0 : demand / Math.max(capacity, 1e-9)))
    .sort((a, b) => a - b);
  const factor = ratios[Math.ceil((1 - violation) * ratios.length) - 1];
  return cost(
    planned,
    plan.map((capacity) => capacity * factor),
  );
}

/** 90th percentile of a histogram that forgets half in a day, times 1.15: the Kubernetes vertical pod autoscaler. */
function verticalPodAutoscaler({ values, starts }: Planned, day: number): number[] {
  const buckets = new Map<number, number>();
  let weight = 1;
  let seen = 0;
  return starts.map((start) => {
    for (; seen < start - LEAD; seen++) {
      const bucket = Math.ceil(Math.log(Math.max(values[seen], 1e-6)) / Math.log(VPA_BUCKET));
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + weight);
      weight *= 2 ** (1 / day);
    }
    const sorted = [...buckets].sort(([a], [b]) => a - b);
    let left = 0.9 * sorted.reduce((sum, [, share]) => sum + share, 0);
    const found = sorted.find(([, share]) => (left -= share) <= 0) ?? sorted[sorted.length - 1];
    return VPA_MARGIN * VPA_BUCKET ** found[0];
  });
}

const lastDayPeak = ({ values, starts }: Planned, day: number): number[] =>
  starts.map((start) => Math.max(...values.slice(Math.max(0, start - LEAD - day), start - LEAD)));

const weekPercentile = ({ values, starts }: Planned, day: number): number[] =>
  starts.map((start) => {
    const past = values.slice(Math.max(0, start - LEAD - 7 * day), start - LEAD).sort((a, b) => a - b);
    return 1.1 * past[Math.floor(0.95 * past.length)];
  });

requireData('llm-large-clients-10min.csv', 'nasa-web-5min.csv');
const rows: (string | number)[][] = [];
for (const violation of [0.05, 0.01]) {
  const ratios: number[] = [];
  for (const { name, day, week, series, from } of workloads()) {
    const lines = series.map((values) => {
      const all = planPeaks(values, { violation, every: EVERY, lead: LEAD, seasons: [day, week] });
      const windows = all.filter(({ step }) => step >= from && step + EVERY <= values.length);
      const planned = { values, starts: windows.map(({ step }) => step) };
      const ours = windows.map(({ capacity }) => capacity);
      return {
        planned: cost(planned, ours),
        violations: violations(planned, ours),
        ours: costAt(planned, ours, violation),
        vpa: costAt(planned, verticalPodAutoscaler(planned, day), violation),
        lastDay: costAt(planned, lastDayPeak(planned, day), violation),
        percentile: costAt(planned, weekPercentile(planned, day), violation),
        oracle: cost(
          planned,
          planned.starts.map((start) => Math.max(...values.slice(start, start + EVERY))),
        ),
      };
    });
    // The median over the series of a set: one that idles for days needs any multiple of its mean.
    const middle = (key: keyof (typeof lines)[number]): number =>
      lines.map((line) => line[key]).sort((a, b) => a - b)[lines.length >> 1];
    const best = Math.min(middle('vpa'), middle('lastDay'), middle('percentile'));
    ratios.push(middle('ours') / best);
    rows.push([`${100 * violation} %, ${name}`, middle('planned'), mean(lines.map((line) => line.violations))]);
    rows[rows.length - 1].push(middle('ours'), middle('vpa'), middle('lastDay'), middle('percentile'));
    rows[rows.length - 1].push(middle('oracle'), middle('ours') / best);
  }
  rows.push([`${100 * violation} %, geometric mean`, '', '', '', '', '', '', '', geometricMean(ratios)]);
}
printTable(['violations, set', 'planned', 'violated', 'ours', 'VPA', 'last day', 'p95 x 1.1', 'oracle', 'ratio'], rows);
