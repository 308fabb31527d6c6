/**
 * Delay and false alarms of `balance watch` at a shift of half a deviation, beside a CUSUM that is *given* the true mean,
 * deviation and shift (the bound), Page-Hinkley and ADWIN with their usual settings.
 *
 * Run: npx tsx bench/watch-delay.ts [streams, default 100]
 */
import { createShiftDetector } from '../domain/quality/watch.js';
import { gaussian, uniforms } from './drift-samples.js';

const streams = Number(process.argv[2] ?? 100);
const STABLE = 10_000;
const BEFORE = 2000;
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

const noise: Record<string, () => number> = {
  gaussian: () => gaussian(random),
  't, 3 degrees': () => {
    const square = gaussian(random) ** 2 + gaussian(random) ** 2 + gaussian(random) ** 2;
    return gaussian(random) / Math.sqrt(square);
  },
  lognormal: () => (Math.exp(gaussian(random)) - Math.exp(0.5)) / Math.sqrt((Math.E - 1) * Math.E),
};

process.stdout.write('noise         detector             median delay  mean delay  missed  false alarms per 10k\n');
for (const [kind, draw] of Object.entries(noise)) {
  for (const [name, detector] of Object.entries({
    balance,
    'CUSUM, told all': bound,
    'Page-Hinkley': pageHinkley,
    ADWIN: adwin,
  })) {
    let alarms = 0;
    const delays: number[] = [];
    for (let stream = 0; stream < streams; stream++) {
      const stable = detector();
      for (let i = 0; i < STABLE; i++) if (stable.update(draw())) alarms++;
      const shifted = detector();
      for (let i = 0; i < BEFORE; i++) shifted.update(draw());
      let delay = 1;
      while (delay <= 1000 && !shifted.update(draw() + 0.5)) delay++;
      delays.push(delay);
    }
    delays.sort((a, b) => a - b);
    const found = delays.filter((delay) => delay <= 1000);
    const mean = found.reduce((a, b) => a + b, 0) / Math.max(1, found.length);
    const cells = [
      kind.padEnd(13),
      name.padEnd(20),
      String(delays[streams >> 1]).padStart(12),
      mean.toFixed(1).padStart(11),
      String(streams - found.length).padStart(7),
      ((alarms / (streams * STABLE)) * 10_000).toFixed(2).padStart(10),
    ];
    process.stdout.write(cells.join(' ') + '\n');
  }
}
