/**
 * Small shares of bad rows: false alarms on streams of deliveries without a fault, and how soon nulls that begin are found, by
 * the figures of a need's history (`domain/quality/usual.ts`), beside the same without counts of rows (the spread of the history alone).
 *
 * Run: npx tsx bench/usual-shares.ts [streams of each kind, default 40]
 */
import { HISTORY_MAX, judgeUnusual, learnUsual, type HistoryValue, type Measured } from '../domain/quality/usual.js';
import { binomial, gaussian, uniforms } from './drift-samples.js';

const streams = Number(process.argv[2] ?? 40);
const random = uniforms(7);
const HOUR = 3_600_000;
/** Deliveries of a stream, those that only teach among them. */
const LENGTH = 200;
const WARM = 20;
/** Null rates of the columns of one delivery. */
const RATES = [0, 0, 0.0005, 0.002, 0.005, 0.02, 0.05, 0.1, 0.3, 0.6];

type RateAt = (rate: number, at: number) => number;
const clip = (rate: number): number => Math.min(1, Math.max(0, rate));
const KINDS: Readonly<Record<string, () => RateAt>> = {
  steady: () => (rate) => rate,
  // Days differ by a third of the rate.
  'varying by day': () => (rate) => clip(rate * (1 + 0.33 * gaussian(random))),
  // By night three times as many, from the first day on.
  'by hour of the day': () => (rate, at) => (at % 24 < 8 ? clip(3 * rate) : rate),
  // Twice as many in the end as in the beginning.
  'slowly growing': () => (rate, at) => clip(rate * (1 + at / LENGTH)),
};

/** One delivery: what each column lacks, judged by what came before; both rules. */
function judged(histories: readonly HistoryValue[][], shares: readonly number[], rows: number, atMs: number) {
  const measured = shares.flatMap((share, column): Measured[] => {
    const usual = learnUsual('completeness', histories[column].slice(-HISTORY_MAX), atMs);
    return usual === null
      ? []
      : [{ id: 'n', metric: 'completeness', column: `c${column}`, value: 1 - share, rows, usual }];
  });
  const spreadOnly = measured.map((one) => {
    return { ...one, usual: { ...one.usual, bad: undefined } };
  });
  return { counts: judgeUnusual(measured), spread: judgeUnusual(spreadOnly) };
}

console.log('false alarms of deliveries of 10 columns (goal: 1 in 1,000)');
console.log(
  `  ${'stream'.padEnd(22)}${'rows'.padStart(6)}${'deliveries'.padStart(12)}${'by counts'.padStart(12)}${'by spread'.padStart(12)}`,
);
for (const [name, make] of Object.entries(KINDS)) {
  for (const rows of [50, 200, 1000, 5000]) {
    const found = { counts: 0, spread: 0 };
    for (let stream = 0; stream < streams; stream++) {
      const rateAt = make();
      const histories: HistoryValue[][] = RATES.map(() => []);
      for (let at = 0; at < LENGTH; at++) {
        const shares = RATES.map((rate) => binomial(random, rows, rateAt(rate, at)) / rows);
        const { counts, spread } = judged(histories, shares, rows, at * HOUR);
        if (counts.length > 0) found.counts++;
        if (spread.length > 0) found.spread++;
        for (const [column, share] of shares.entries()) histories[column].push({ atMs: at * HOUR, value: 1 - share });
      }
    }
    const of = streams * (LENGTH - WARM);
    const show = (count: number): string => `${((1000 * count) / of).toFixed(2)} ‰`.padStart(12);
    console.log(
      `  ${name.padEnd(22)}${String(rows).padStart(6)}${String(of).padStart(12)}${show(found.counts)}${show(found.spread)}`,
    );
  }
}

console.log(
  'nulls that begin after so many deliveries: share of streams in which they are found by the first, second, fourth, eighth delivery',
);
for (const history of [20, 60]) {
  for (const [from, to] of [
    [0.005, 0.105],
    [0.005, 0.035],
    [0.066, 0.16],
    [0.33, 0.4],
  ]) {
    for (const rows of [200, 1000]) {
      const firsts = { counts: [] as number[], spread: [] as number[] };
      for (let stream = 0; stream < 5 * streams; stream++) {
        const others = RATES.map(() => [] as HistoryValue[]);
        const first = { counts: Infinity, spread: Infinity };
        for (let at = 0; at < history + 8; at++) {
          const shares = RATES.map(
            (rate, column) => binomial(random, rows, column > 0 ? rate : at < history ? from : to) / rows,
          );
          if (at >= history) {
            const { counts, spread } = judged(others, shares, rows, at * HOUR);
            for (const [key, list] of [
              ['counts', counts],
              ['spread', spread],
            ] as const)
              if (list.some(({ finding }) => finding.column === 'c0'))
                first[key] = Math.min(first[key], at - history + 1);
          }
          for (const [column, share] of shares.entries()) others[column].push({ atMs: at * HOUR, value: 1 - share });
        }
        firsts.counts.push(first.counts);
        firsts.spread.push(first.spread);
      }
      const by = (list: readonly number[]): string =>
        [1, 2, 4, 8].map((n) => (list.filter((one) => one <= n).length / list.length).toFixed(2)).join(' ');
      const what = `${(100 * from).toFixed(1)} % -> ${(100 * to).toFixed(1)} %`;
      console.log(
        `  ${what.padEnd(18)} ${String(history).padStart(3)} deliveries of ${String(rows).padEnd(5)} counts ${by(firsts.counts)}   spread ${by(firsts.spread)}`,
      );
    }
  }
}
