/** The number of a key, 0, 1, 2, … as they come. */
export function numberOf<T>(known: Map<T, number>, key: T): number {
  let id = known.get(key);
  if (id === undefined) known.set(key, (id = known.size));
  return id;
}

/** Slots at first; a power of two. */
const SLOTS_MIN = 64;

/**
 * Numbers for pairs of whole numbers (each of 32 bits), 0, 1, 2, … as they come: an open hash table in three arrays, as
 * a map of pairs as text or as doubles makes an object of each. A pair of which one is the number of another pair
 * stands for a tuple.
 */
export class PairIds {
  /**
   * Held for its shape: the engine (V8) drops a shape with its last object, and with it all compiled code that knows it.
   * Planning happens now and then, and would be compiled anew each time: half of its time for 10,000 requests.
   */
  static readonly held = new PairIds();

  private firsts = new Int32Array(SLOTS_MIN / 2);
  private seconds = new Int32Array(SLOTS_MIN / 2);
  /** One more than the number of the pair that hashes there; 0: nobody. */
  private slots = new Int32Array(SLOTS_MIN);
  private count = 0;

  /** Pairs so far: the number of the next one. */
  get size(): number {
    return this.count;
  }

  idOf(first: number, second: number): number {
    let at = this.slotOf(first, second);
    const known = this.slots[at];
    if (known !== 0) return known - 1;
    if (this.count === this.firsts.length) {
      this.grow();
      at = this.slotOf(first, second);
    }
    this.firsts[this.count] = first;
    this.seconds[this.count] = second;
    this.slots[at] = ++this.count;
    return this.count - 1;
  }

  /** Where the pair is, or belongs. */
  private slotOf(first: number, second: number): number {
    const mask = this.slots.length - 1;
    // Multiplicative hashing (Knuth, TAOCP 3, 6.4) by odd numbers near 2^32 over the golden ratio, and its fold.
    const mixed = Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b);
    let at = (mixed ^ (mixed >>> 15)) & mask;
    for (let id = this.slots[at]; id !== 0; id = this.slots[at]) {
      if (this.firsts[id - 1] === first && this.seconds[id - 1] === second) return at;
      at = (at + 1) & mask;
    }
    return at;
  }

  private grow(): void {
    const [firsts, seconds] = [this.firsts, this.seconds];
    this.firsts = new Int32Array(2 * firsts.length);
    this.seconds = new Int32Array(2 * seconds.length);
    this.firsts.set(firsts);
    this.seconds.set(seconds);
    this.slots = new Int32Array(2 * this.slots.length);
    for (let id = 0; id < this.count; id++) this.slots[this.slotOf(firsts[id], seconds[id])] = id + 1;
  }
}
