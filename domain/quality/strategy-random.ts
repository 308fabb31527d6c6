/** Seeded draws for the choice of strategies. */

/** Uniform numbers in (0, 1) from a seed: the mulberry32 generator, the same on every machine. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

/** Tries of one rejection draw; each succeeds with a chance above .95 (Marsaglia & Tsang 2000), so they never run out. */
const TRIES = 100;

/** Gamma(shape >= 1, 1) (Marsaglia & Tsang 2000, ACM TOMS 26:363). */
function drawGamma(random: () => number, shape: number): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let i = 0; i < TRIES; i++) {
    const x = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(random()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
  return d;
}

/** Beta(a, b) with a, b >= 1, as a ratio of gammas. */
export function drawBeta(random: () => number, a: number, b: number): number {
  const x = drawGamma(random, a);
  return x / (x + drawGamma(random, b));
}

/** 32 bits of a text (FNV-1a, Fowler, Noll & Vo 1991). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}
