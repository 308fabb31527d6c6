/** Predicates as small numbers: very many requests are written in few ways. */
import type { Condition, Literal, Predicate } from '../types/predicate.js';
import { numberOf, PairIds } from './pair-ids.js';

/** What a number in the tuple of a predicate stands for: the lowest two bits. */
const HEAD = 0;
const WHOLE = 1;
const OTHER = 2;
/** Whole numbers up to this are themselves in a tuple. */
const WHOLE_MAX = 2 ** 28;

/** The number of a predicate as it is written: equal for the same conditions in the same order. */
export class PredicateIds {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new PredicateIds();

  private readonly prefixes = new PairIds();
  private readonly columns = new Map<string, number>();
  private readonly ops = new Map<string, number>();
  private readonly literals = new Map<Literal, number>();
  /** Predicates by their last prefix; -1 for none. `[]` has no prefix. */
  private readonly predicates: number[] = [];
  private empty = -1;
  private count = 0;

  /** 0, 1, 2, … as they come: one that was not seen before has the number `size` of before. */
  idOf(predicate: Predicate): number {
    if (predicate.length === 0) return this.empty < 0 ? (this.empty = this.count++) : this.empty;
    let prefix = -1;
    for (const condition of predicate) prefix = this.withCondition(prefix, condition);
    while (this.predicates.length <= prefix) this.predicates.push(-1);
    if (this.predicates[prefix] < 0) this.predicates[prefix] = this.count++;
    return this.predicates[prefix];
  }

  get size(): number {
    return this.count;
  }

  private withCondition(prefix: number, condition: Condition): number {
    // Conditions have at most some ten operators.
    const head = numberOf(this.columns, condition.column) * 16 + numberOf(this.ops, condition.op);
    const id = this.prefixes.idOf(prefix, head * 4 + HEAD);
    switch (condition.op) {
      case 'is-null':
      case 'is-not-null':
        return id;
      case 'between':
        return this.withLiteral(this.withLiteral(id, condition.low), condition.high);
      case 'in':
        return condition.values.reduce<number>((before, value) => this.withLiteral(before, value), id);
      default:
        return this.withLiteral(id, condition.value);
    }
  }

  private withLiteral(prefix: number, value: Literal): number {
    const whole = typeof value === 'number' && (value | 0) === value && Math.abs(value) < WHOLE_MAX;
    return this.prefixes.idOf(prefix, whole ? value * 4 + WHOLE : numberOf(this.literals, value) * 4 + OTHER);
  }
}
