/**
 * Segments of keys that take in others, at a cost that depends on what is added and hardly on what is there: an ordered
 * list in blocks (the leaves of a B-tree, whose one inner node is the list of the blocks' ends).
 */
import type { Segments } from './segments.js';

/** Numbers in a block, twice its segments: moving so many within an array costs as much as finding the place. */
const BLOCK = 512;
/** Where nothing is before. */
const NONE = -Infinity;

export class SegmentList {
  /** As `Segments`, one after the other; none is empty. */
  private readonly blocks: number[][] = [];
  /** Where the last segment of each block ends. */
  private readonly ends: number[] = [];
  /** Place of the segment that is looked at; beyond all blocks: none. */
  private block = 0;
  private at = 0;
  /** What reading all keys costs, by the cost of a key; kept true as segments are added. */
  private readonly costs = new Map<number, number>();

  /** @param perOperation most that it costs to bridge a gap */
  constructor(
    segments: Segments,
    private readonly perOperation: number,
  ) {
    for (let from = 0; from < segments.length; from += BLOCK) this.newBlock(segments.slice(from, from + BLOCK));
  }

  private newBlock(block: number[], place = this.blocks.length): void {
    this.blocks.splice(place, 0, block);
    this.ends.splice(place, 0, block[block.length - 1]);
  }

  /** Numbers in `segments`, about: a bound on the work of asking for them. */
  get length(): number {
    return this.blocks.length * BLOCK;
  }

  get segments(): Segments {
    return this.blocks.flat();
  }

  /** Cost of all keys, each gap bridged or paid for as an operation, whichever is cheaper; the first operation is not in it. */
  cost(perKey: number): number {
    let cost = this.costs.get(perKey);
    if (cost === undefined) {
      let [keys, gaps, end] = [0, 0, NONE];
      for (const block of this.blocks)
        for (let i = 0; i < block.length; i += 2) {
          keys += block[i + 1] - block[i];
          if (end !== NONE) gaps += Math.min(this.perOperation, perKey * (block[i] - end));
          end = block[i + 1];
        }
      this.costs.set(perKey, (cost = perKey * keys + gaps));
    }
    return cost;
  }

  /** What `cost` would be more with these. O(n log m) for n that are added to m, and what they cover. */
  added(segments: Segments, perKey: number): number {
    const { perOperation } = this;
    let [keys, gaps] = [0, 0];
    this.seek(segments[0]);
    // Merged up to `end`, of our own up to `last`: equal where nothing that was added reaches.
    let last = this.endBefore();
    let end = last;
    for (let i = 0; i < segments.length || (end !== last && this.isThere());) {
      const own = this.isThere() && (i >= segments.length || this.low() <= segments[i]);
      const low = own ? this.low() : segments[i];
      const high = own ? this.high() : segments[i + 1];
      if (own) {
        if (last !== NONE) gaps -= Math.min(perOperation, perKey * (low - last));
        keys -= high - low;
        last = high;
        this.step();
      } else i += 2;
      if (low > end) {
        if (end !== NONE) gaps += Math.min(perOperation, perKey * (low - end));
        keys += high - low;
        end = high;
      } else if (high > end) {
        keys += high - end;
        end = high;
      }
      if (own && end === last && i < segments.length && this.isThere() && this.high() < segments[i]) {
        this.seek(segments[i]);
        last = end = this.endBefore();
      }
    }
    return perKey * keys + gaps;
  }

  add(segments: Segments): void {
    if (segments.length === 0) return;
    for (const [perKey, cost] of this.costs) this.costs.set(perKey, cost + this.added(segments, perKey));
    for (let i = 0; i < segments.length; i += 2) this.addOne(segments[i], segments[i + 1]);
  }

  private addOne(low: number, high: number): void {
    this.seek(low);
    if (!this.isThere() || this.low() > high) {
      this.insert(low, high);
      return;
    }
    const { block: place, at } = this;
    const block = this.blocks[place];
    block[at] = Math.min(block[at], low);
    let end = Math.max(block[at + 1], high);
    this.step();
    while (this.isThere() && this.low() <= end) {
      end = Math.max(end, this.high());
      this.remove();
    }
    block[at + 1] = end;
    this.ends[place] = block[block.length - 1];
  }

  private insert(low: number, high: number): void {
    if (this.blocks.length === 0) {
      this.newBlock([low, high]);
      return;
    }
    if (!this.isThere()) {
      this.block = this.blocks.length - 1;
      this.at = this.blocks[this.block].length;
    }
    const block = this.blocks[this.block];
    block.splice(this.at, 0, low, high);
    if (block.length > 2 * BLOCK) this.newBlock(block.splice(BLOCK), this.block + 1);
    this.ends[this.block] = block[block.length - 1];
  }

  /** Removes the segment that is looked at: then it is the next one. */
  private remove(): void {
    const block = this.blocks[this.block];
    block.splice(this.at, 2);
    if (block.length === 0) {
      this.blocks.splice(this.block, 1);
      this.ends.splice(this.block, 1);
    } else {
      this.ends[this.block] = block[block.length - 1];
      if (this.at === block.length) [this.block, this.at] = [this.block + 1, 0];
    }
  }

  /** Goes to the first segment that ends at a key or beyond it. */
  private seek(key: number): void {
    this.block = firstFrom(this.ends, 0, 1, key);
    this.at = this.isThere() ? 2 * firstFrom(this.blocks[this.block], 1, 2, key) : 0;
  }

  private step(): void {
    this.at += 2;
    if (this.at === this.blocks[this.block].length) [this.block, this.at] = [this.block + 1, 0];
  }

  private isThere(): boolean {
    return this.block < this.blocks.length;
  }

  private low(): number {
    return this.blocks[this.block][this.at];
  }

  private high(): number {
    return this.blocks[this.block][this.at + 1];
  }

  private endBefore(): number {
    if (this.at > 0) return this.blocks[this.block][this.at - 1];
    return this.block > 0 ? this.ends[this.block - 1] : NONE;
  }
}

/** The first k for which `sorted[offset + k * stride]` is at least the key, or their number. */
function firstFrom(sorted: readonly number[], offset: number, stride: number, key: number): number {
  let low = 0;
  let high = Math.floor((sorted.length - offset + stride - 1) / stride);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[offset + middle * stride] >= key) high = middle;
    else low = middle + 1;
  }
  return low;
}
