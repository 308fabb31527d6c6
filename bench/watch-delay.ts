/**
 * Delay and false alarms of `balance watch` at a shift of half a deviation, beside two procedures that are *given* the true
 * mean, deviation and size of the shift (the bounds: CUSUM, and Shiryaev-Roberts, which has the smallest mean delay of all at
 * its rate), Page-Hinkley and ADWIN with their usual settings. A missed shift counts as a delay of 1,000 in the mean.
 *
 * Run: npx tsx bench/watch-delay.ts [streams, default 100] [noise, default all] [values before the shift, default 2000]
 */
import { createShiftDetector } from '../domain/quality/watch.js';
import { gaussian, uniforms } from './drift-samples.js';

const streams = Number(process.argv[2] ?? 100);
const STABLE = 10_000;
const BEFORE = Number(process.argv[4] ?? 2000);
const random = uniforms(22);

type Detector = () => { update(value: number): boolean };
const balance: Detector = () => {
  const detector = createShiftDetector();
  return { update: (value) => detector.update(value).alarm };
};
/** Two-sided CUSUM, k = .25, h = 16, with the true parameters. */
const bound: Detector = () => {
  let [up, down] = [0, 0];
  return {
    update(value) {
      up = Math.max(0, up + value - 0.25);
      down = Math.max(0, down - value - 0.25);
      if (up <= 16 && down <= 16) return false;
      [up, down] = [0, 0];
      return true;
    },
  };
};
/** Two-sided Shiryaev-Roberts with the true parameters at half a false alarm in 10,000 values. */
const shiryaevRoberts: Detector = () => {
  let [up, down] = [0, 0];
  return {
    update(value) {
      up = (1 + up) * Math.exp(0.5 * value - 0.125);
      down = (1 + down) * Math.exp(-0.5 * value - 0.125);
      if ((up + down) / 2 <= 15_000) return false;
      [up, down] = [0, 0];
      return true;
    },
  };
};
/** Page-Hinkley with the usual settings: tolerance .005, threshold 50, 30 values first. */
const pageHinkley: Detector = () => {
  let [count, mean, up, least, down, most] = [0, 0, 0, 0, 0, 0];
  return {
    update(value) {
      count++;
      mean += (value - mean) / count;
      up += value - mean - 0.005;
      down += value - mean + 0.005;
      least = Math.min(least, up);
      most = Math.max(most, down);
      if (count < 30 || (up - least <= 50 && most - down <= 50)) return false;
      [count, mean, up, least, down, most] = [0, 0, 0, 0, 0, 0];
      return true;
    },
  };
};
/** ADWIN (Bifet & Gavalda 2007), delta .002, every cut at a multiple of 8 over a window of at most 2,048 values. */
const adwin: Detector = () => {
  let values: number[] = [];
  let seen = 0;
  return {
    update(value) {
      values.push(value);
      if (values.length > 2048) values.shift();
      if (++seen % 32 !== 0) return false;
      const n = values.length;
      const sum = values.reduce((a, b) => a + b, 0);
      const variance = values.reduce((a, b) => a + b * b, 0) / n - (sum / n) ** 2;
      const confidence = Math.log((2 * Math.log(n)) / 0.002);
      let head = 0;
      for (let cut = 1; cut < n; cut++) {
        head += values[cut - 1];
        if (cut % 8 !== 0) continue;
        const harmonic = 1 / (1 / cut + 1 / (n - cut));
        const limit = Math.sqrt((2 / harmonic) * variance * confidence) + (2 / (3 * harmonic)) * confidence;
        if (Math.abs(head / cut - (sum - head) / (n - cut)) <= limit) continue;
        values = values.slice(cut);
        return true;
      }
      return false;
    },
  };
};

/** Makes one stream with mean 0 and deviation 1 in control; `shift` moves its mean by that many deviations. */
type Stream = () => (shift: number) => number;
const independent =
  (draw: () => number): Stream =>
  () =>
  (shift) =>
    draw() + shift;
const poisson = (rate: number): number => {
  let count = -1;
  for (let sum = 0; sum < rate; count++) sum -= Math.log(1 - random());
  return count;
};
const autoregressive =
  (memory: number): Stream =>
  () => {
    let state = gaussian(random);
    return (shift) => (state = memory * state + Math.sqrt(1 - memory * memory) * gaussian(random)) + shift;
  };
const noise: Record<string, Stream> = {
  gaussian: independent(() => gaussian(random)),
  't, 3 degrees': independent(() => {
    const square = gaussian(random) ** 2 + gaussian(random) ** 2 + gaussian(random) ** 2;
    return gaussian(random) / Math.sqrt(square);
  }),
  lognormal: independent(() => (Math.exp(gaussian(random)) - Math.exp(0.5)) / Math.sqrt((Math.E - 1) * Math.E)),
  'counts, mean 3': () => (shift) => (poisson(3 + shift * Math.sqrt(3)) - 3) / Math.sqrt(3),
  // Exponential where not zero: the shift makes fewer zeros.
  '80 % zeros': () => (shift) => ((random() < 0.2 + 0.6 * shift ? -Math.log(1 - random()) : 0) - 0.2) / 0.6,
  'AR(1), .5': autoregressive(0.5),
  'AR(1), .9': autoregressive(0.9),
  'season of 24': () => {
    let step = 0;
    return (shift) => Math.sin((2 * Math.PI * step++) / 24) + Math.SQRT1_2 * gaussian(random) + shift;
  },
  // Half a deviation in 10,000 values: a shift of its own, late.
  trend: () => {
    let step = 0;
    return (shift) => gaussian(random) + (step++ - 5000) / 20_000 + shift;
  },
};
const only = process.argv[3] === 'all' ? undefined : process.argv[3];

process.stdout.write('noise           detector             median delay  mean delay  missed  false alarms per 10k\n');
for (const [kind, stream] of Object.entries(noise)) {
  if (only !== undefined && only !== kind) continue;
  for (const [name, detector] of Object.entries({
    balance,
    'CUSUM, told all': bound,
    'SR, told all': shiryaevRoberts,
    'Page-Hinkley': pageHinkley,
    ADWIN: adwin,
  })) {
    let alarms = 0;
    const delays: number[] = [];
    for (let run = 0; run < streams; run++) {
      let draw = stream();
      const stable = detector();
      for (let i = 0; i < STABLE; i++) if (stable.update(draw(0))) alarms++;
      draw = stream();
      const shifted = detector();
      for (let i = 0; i < BEFORE; i++) shifted.update(draw(0));
      let delay = 1;
      while (delay <= 1000 && !shifted.update(draw(0.5))) delay++;
      delays.push(delay);
    }
    delays.sort((a, b) => a - b);
    const found = delays.filter((delay) => delay <= 1000);
    const mean = delays.reduce((sum, delay) => sum + Math.min(delay, 1000), 0) / streams;
    const cells = [
      kind.padEnd(15),
      name.padEnd(20),
      String(delays[streams >> 1]).padStart(12),
      mean.toFixed(1).padStart(11),
      String(streams - found.length).padStart(7),
      ((alarms / (streams * STABLE)) * 10_000).toFixed(2).padStart(10),
    ];
    process.stdout.write(cells.join(' ') + '\n');
  }
}
