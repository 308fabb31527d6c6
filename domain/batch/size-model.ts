/**
 * What a batch of a given size will take, learned batch by batch: service time and memory as `a + b * items`, by least
 * squares in which old batches fade, and a tail bound from the recent errors. From it, the largest batch within limits.
 * Pure: each observation gives a new state, which is plain JSON.
 */

/** A finished batch. `bytes` is its peak memory; null where it was not measured. */
export interface BatchMeasurement {
  readonly items: number;
  readonly ms: number;
  readonly bytes: number | null;
}

/** Faded sums of a line fit, and the latest ratios of measured to predicted. */
interface LineState {
  readonly weight: number;
  readonly x: number;
  readonly y: number;
  readonly xx: number;
  readonly xy: number;
  readonly ratios: readonly number[];
}

export interface SizeModelState {
  readonly time: LineState;
  readonly memory: LineState;
  /** Largest batch seen, fading, so that growth is stepwise after a shrink as after a start. */
  readonly itemsSeen: number;
}

export interface BatchPrediction {
  readonly ms: number;
  readonly msTail: number;
  /** Null while memory was never measured. */
  readonly bytes: number | null;
  readonly bytesTail: number | null;
}

/** Limits of a batch. Absent: none. */
export interface SizeLimits {
  readonly itemsMax: number;
  readonly msMax?: number;
  readonly bytesMax?: number;
}

export interface SizeChoice {
  readonly items: number;
  /** What keeps it from being larger; `growth`: a size so far beyond those measured would be a guess. */
  readonly binding: 'items' | 'time' | 'memory' | 'growth';
}

/** Weight that a batch keeps with each later one: after 200 batches 0.2 %, so a changed machine is learned anew by then. */
const FADING = 0.97;
/** Errors remembered for the tail: the largest of 64 is about the 98.5 % point. */
const RATIOS_MAX = 64;
/** The tail bound covers this share of the remembered errors. */
const TAIL_SHARE = 0.95;
/** A batch is at most this many times the largest one measured: doubling, as in TCP's slow start. */
const GROWTH_FACTOR = 2;

const emptyLine: LineState = { weight: 0, x: 0, y: 0, xx: 0, xy: 0, ratios: [] };

export const emptySizeModel: SizeModelState = { time: emptyLine, memory: emptyLine, itemsSeen: 0 };

/** The line through the faded points, neither coefficient negative. One size alone: proportional beyond it, flat below. */
function predictLine(line: LineState, items: number): number | null {
  if (line.weight === 0) return null;
  const { weight, x, y, xx, xy } = line;
  const [meanX, meanY] = [x / weight, y / weight];
  const spread = xx / weight - meanX * meanX;
  if (spread <= 1e-9 * meanX * meanX) return meanY * Math.max(1, items / meanX);
  const slope = (xy / weight - meanX * meanY) / spread;
  if (slope <= 0) return meanY * Math.max(1, items / meanX); // nothing says that more items cost less
  const intercept = meanY - slope * meanX;
  return intercept >= 0 ? intercept + slope * items : (xy / xx) * items;
}

/** Whether batches of different sizes were measured: before that nothing is known of how size tells. */
export function knowsSlope({ time: { weight, x, xx } }: SizeModelState): boolean {
  return weight > 0 && xx / weight - (x / weight) ** 2 > 1e-9 * (x / weight) ** 2;
}

function tailFactor(line: LineState): number {
  if (line.ratios.length === 0) return 1;
  const sorted = [...line.ratios].sort((a, b) => a - b);
  return Math.max(1, sorted[Math.ceil(TAIL_SHARE * sorted.length) - 1]);
}

function observeLine(line: LineState, items: number, value: number): LineState {
  const predicted = predictLine(line, items);
  const ratio = predicted === null || predicted <= 0 ? [] : [value / predicted];
  return {
    weight: line.weight * FADING + 1,
    x: line.x * FADING + items,
    y: line.y * FADING + value,
    xx: line.xx * FADING + items * items,
    xy: line.xy * FADING + items * value,
    ratios: [...line.ratios, ...ratio].slice(-RATIOS_MAX),
  };
}

/**
 * Learns from a finished batch.
 * @throws Error for a measurement that is not finite, of no items, or negative.
 */
export function observeBatch(state: SizeModelState, { items, ms, bytes }: BatchMeasurement): SizeModelState {
  if (!(items >= 1 && ms >= 0 && (bytes ?? 0) >= 0 && Number.isFinite(items + ms + (bytes ?? 0)))) {
    throw new Error(
      `size model: expected items >= 1, ms >= 0, bytes >= 0, got ${JSON.stringify({ items, ms, bytes })}`,
    );
  }
  return {
    time: observeLine(state.time, items, ms),
    memory: bytes === null ? state.memory : observeLine(state.memory, items, bytes),
    itemsSeen: Math.max(state.itemsSeen * FADING, items),
  };
}

/** What a batch of `items` will take, and what it will hardly exceed; null before the first measurement. */
export function predictBatch(state: SizeModelState, items: number): BatchPrediction | null {
  const ms = predictLine(state.time, items);
  if (ms === null) return null;
  const bytes = predictLine(state.memory, items);
  const bytesTail = bytes === null ? null : bytes * tailFactor(state.memory);
  return { ms, msTail: ms * tailFactor(state.time), bytes, bytesTail };
}

/** Largest whole number up to `most` whose value is within `limit`, for a value that does not fall; at least 1. */
function largestWithin(valueOf: (items: number) => number, limit: number, most: number): number {
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (valueOf(middle) <= limit * (1 + 1e-9)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The largest batch whose tail bounds keep the limits, since a larger batch never costs more per item. At least 1 item,
 * even where one alone may break a limit: only a try can tell. Starts with 1 and at most doubles beyond what was measured.
 */
export function chooseBatchSize(state: SizeModelState, limits: SizeLimits): SizeChoice {
  const itemsMax = Math.max(1, Math.floor(limits.itemsMax));
  const grown = Math.max(1, Math.floor(state.itemsSeen * GROWTH_FACTOR));
  let choice: SizeChoice =
    grown < itemsMax ? { items: grown, binding: 'growth' } : { items: itemsMax, binding: 'items' };
  const tighten = (line: LineState, limit: number | undefined, binding: 'time' | 'memory') => {
    if (limit === undefined || line.weight === 0) return;
    const factor = tailFactor(line);
    const items = largestWithin((count) => predictLine(line, count)! * factor, limit, choice.items);
    if (items < choice.items) choice = { items, binding };
  };
  tighten(state.time, limits.msMax, 'time');
  tighten(state.memory, limits.bytesMax, 'memory');
  return choice;
}
