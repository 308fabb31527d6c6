/**
 * The predicate language of requests: a conjunction of simple conditions on columns.
 *
 * It is small on purpose: exactly what the request algebra can reason about (equal, contained, overlapping, adjacent)
 * and what every source can push down. A predicate is plain JSON; its text form is SQL's.
 */
import { usageError, type BalanceError } from './errors.js';

/** A constant. Timestamps and dates stay ISO strings: the data plane binds them by the column's type. */
export type Literal = string | number | boolean;

/** One condition. As in SQL, every comparison is false (unknown) for a NULL cell; only `is-null` matches it. */
export type Condition =
  | { readonly column: string; readonly op: Comparison; readonly value: Literal }
  | { readonly column: string; readonly op: 'in'; readonly values: readonly Literal[] }
  | { readonly column: string; readonly op: 'between'; readonly low: Literal; readonly high: Literal }
  | { readonly column: string; readonly op: 'is-null' | 'is-not-null' };

/** Compares two columns of one row. Rules have it (`rule.ts`), requests do not: their algebra could not reason about it. */
export interface ColumnComparison {
  readonly column: string;
  readonly op: Comparison;
  readonly other: string;
}
type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** A conjunction: a row matches when it matches every condition. `[]` is every row. */
export type Predicate = readonly Condition[];

/** Longest accepted text: a key set of some 100,000 keys; anything longer belongs into a table. */
const PREDICATE_CHARS_MAX = 1_000_000;

const SUPPORTED =
  'conditions joined by AND: column = != <> < <= > >= literal, column IN (literals), ' +
  'column BETWEEN low AND high, column IS [NOT] NULL';

const COMPARISONS = new Map<string, Comparison>([
  ['=', '='],
  ['!=', '!='],
  ['<>', '!='],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
]);

/** Words that cannot be bare column names; those outside the grammar are named in the error instead of guessed at. */
const GRAMMAR_WORDS = ['AND', 'IN', 'BETWEEN', 'IS', 'NOT', 'NULL', 'TRUE', 'FALSE'];
const RESERVED = new Set([...GRAMMAR_WORDS, 'OR', 'LIKE', 'ILIKE', 'SIMILAR', 'EXISTS', 'CASE', 'CAST', 'SELECT']);

type TokenKind = 'word' | 'column' | 'text' | 'number' | 'symbol' | 'end';
interface Token {
  readonly kind: TokenKind;
  /** Upper-cased keyword, column name, text content, digits, or symbol. */
  readonly value: string;
  /** As written. */
  readonly raw: string;
  /** 0-based offset in the text. */
  readonly at: number;
}

// One alternative per token kind, in the order of the groups below; the number takes its sign, as no arithmetic exists.
const TOKEN =
  /([\p{L}_][\p{L}\p{N}_]*)|"([^"]*(?:""[^"]*)*)"|'([^']*(?:''[^']*)*)'|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\p{L}\p{N}_.]))|(->|<=|>=|<>|!=|[=<>(),])/uy;

/** The whole match, then one group per token kind, of which exactly one is present. */
type TokenGroups = [raw: string, word: string, ...others: (string | undefined)[]];

function predicateError(position: number, expected: string, got: string): BalanceError {
  return usageError({
    type: 'InvalidPredicate',
    message: `invalid predicate at position ${position + 1}`,
    expected,
    got,
    hint: `Supported: ${SUPPORTED}. Text is 'quoted', a column with unusual letters is "quoted".`,
  });
}

/** The tokens of a text in this grammar. @throws usage error `InvalidPredicate` at the first letter that begins none. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/u.test(text[at])) {
      at++;
      continue;
    }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw predicateError(at, SUPPORTED, JSON.stringify(text.slice(at, at + 20)));
    const [raw, word, column, quoted, digits, symbol] = match as (string | undefined)[] as TokenGroups;
    if (column === '') throw predicateError(at, 'a column name', raw);
    else if (column !== undefined) tokens.push({ kind: 'column', value: column.replaceAll('""', '"'), raw, at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', value: quoted.replaceAll("''", "'"), raw, at });
    else if (digits !== undefined) tokens.push({ kind: 'number', value: digits, raw, at });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', value: symbol, raw, at });
    else if (RESERVED.has(word.toUpperCase())) tokens.push({ kind: 'word', value: word.toUpperCase(), raw, at });
    else tokens.push({ kind: 'column', value: word, raw, at });
    at += raw.length;
  }
  tokens.push({ kind: 'end', value: '', raw: 'the end of the text', at: text.length });
  return tokens;
}

function numberOf(token: Token): number {
  const value = Number(token.value);
  const wholeDigits = /^[-+]?\d+$/.test(token.value);
  if (!Number.isFinite(value) || (wholeDigits && BigInt(token.value.replace('+', '')) !== BigInt(value))) {
    // Rounding 9007199254740993 to its neighbour would silently select another row.
    throw predicateError(token.at, 'a number that a 64-bit float holds exactly', token.raw);
  }
  return value === 0 ? 0 : value; // no negative zero: it compares equal and prints alike
}

/** Recursive descent over the tokens; one method per rule of the grammar. */
export class Parser {
  private index = 0;
  constructor(
    private readonly tokens: readonly Token[],
    /** Whether a column may stand on the right of a comparison. */
    private readonly comparesColumns = false,
  ) {}

  /** A method, not a getter: each call may see another token, so the compiler must not narrow it. */
  private token(): Token {
    return this.tokens[this.index];
  }

  private fail(expected: string): BalanceError {
    return predicateError(this.token().at, expected, this.token().raw);
  }

  /** Takes the next token if it is this one. */
  accept(kind: TokenKind, value: string): boolean {
    if (this.token().kind !== kind || this.token().value !== value) return false;
    this.index++;
    return true;
  }

  private require(kind: TokenKind, value: string, expected = value): void {
    if (!this.accept(kind, value)) throw this.fail(expected);
  }

  predicate(): Predicate {
    if (this.token().kind === 'end') return [];
    const conditions = this.conditions();
    this.end('AND or the end of the text');
    return conditions as readonly Condition[]; // no columns are compared here
  }

  /** At least one condition, joined by AND. */
  conditions(): readonly (Condition | ColumnComparison)[] {
    const conditions = [this.condition()];
    while (this.accept('word', 'AND')) conditions.push(this.condition());
    return conditions;
  }

  /** @throws where anything is left. */
  end(expected: string): void {
    if (this.token().kind !== 'end') throw this.fail(expected);
  }

  private condition(): Condition | ColumnComparison {
    if (this.token().kind !== 'column') throw this.fail('a column name');
    const column = this.token().value;
    this.index++;
    const comparison = this.operator();
    if (comparison !== undefined) {
      this.index++;
      if (!this.comparesColumns || this.token().kind !== 'column')
        return { column, op: comparison, value: this.literal() };
      const other = this.token().value;
      this.index++;
      return { column, op: comparison, other };
    }
    if (this.accept('word', 'IN')) return { column, op: 'in', values: this.list() };
    if (this.accept('word', 'BETWEEN')) {
      const low = this.literal();
      this.require('word', 'AND', 'AND between the two bounds');
      return { column, op: 'between', low, high: this.literal() };
    }
    if (this.accept('word', 'IS')) {
      const not = this.accept('word', 'NOT');
      this.require('word', 'NULL');
      return { column, op: not ? 'is-not-null' : 'is-null' };
    }
    throw this.fail('= != <> < <= > >= IN BETWEEN or IS after a column');
  }

  private operator(): ReturnType<typeof COMPARISONS.get> {
    return this.token().kind === 'symbol' ? COMPARISONS.get(this.token().value) : undefined;
  }

  private list(): Literal[] {
    this.require('symbol', '(');
    const values = [this.literal()];
    while (this.accept('symbol', ',')) values.push(this.literal());
    this.require('symbol', ')', ', or )');
    return values;
  }

  private literal(): Literal {
    const token = this.token();
    const expected = "a literal: 'text', a number, true or false" + (token.value === 'NULL' ? ' (or IS NULL)' : '');
    if (token.kind === 'text') {
      this.index++;
      return token.value;
    }
    if (token.kind === 'number') {
      this.index++;
      return numberOf(token);
    }
    if (this.accept('word', 'TRUE')) return true;
    if (this.accept('word', 'FALSE')) return false;
    throw this.fail(expected);
  }
}

/**
 * Parses predicate text such as `origin = 'SFO' AND delay BETWEEN 10 AND 60`. Keywords in any case, `<>` is `!=`,
 * empty text is every row. Numbers are finite and never rounded.
 * @throws usage error `InvalidPredicate` with the position (from 1), what was expected and what was found. OR, NOT,
 *   LIKE, functions, brackets, comments and semicolons are refused with what is supported.
 */
export function parsePredicate(text: string): Predicate {
  if (text.length > PREDICATE_CHARS_MAX) {
    throw predicateError(PREDICATE_CHARS_MAX, `at most ${PREDICATE_CHARS_MAX} characters`, `${text.length} characters`);
  }
  return new Parser(tokenize(text)).predicate();
}

/** A column's name as this grammar reads it: in double quotes where its letters are unusual. */
export function formatColumn(column: string): string {
  if (column === '') throw predicateError(0, 'a column name', 'an empty name');
  const bare = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(column) && !RESERVED.has(column.toUpperCase());
  return bare ? column : `"${column.replaceAll('"', '""')}"`;
}

function formatLiteral(value: Literal): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === 'boolean') return String(value);
  if (!Number.isFinite(value)) throw predicateError(0, 'a finite number', String(value));
  // Shortest digits of a large whole number are not its digits; BigInt writes them out, so parsing stays exact.
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value);
}

/** The canonical text of one condition. */
export function formatCondition(condition: Condition): string {
  const column = formatColumn(condition.column);
  switch (condition.op) {
    case 'in':
      if (condition.values.length === 0) throw predicateError(0, 'at least one value for IN', 'none');
      return `${column} IN (${condition.values.map(formatLiteral).join(', ')})`;
    case 'between':
      return `${column} BETWEEN ${formatLiteral(condition.low)} AND ${formatLiteral(condition.high)}`;
    case 'is-null':
      return `${column} IS NULL`;
    case 'is-not-null':
      return `${column} IS NOT NULL`;
    default:
      return `${column} ${condition.op} ${formatLiteral(condition.value)}`;
  }
}

/**
 * The canonical text of a predicate; `parsePredicate` of it gives the same predicate. `[]` gives `''`.
 * @throws usage error `InvalidPredicate` for what the text form cannot hold: an empty IN list, an empty column name,
 *   a number that is not finite.
 */
export function formatPredicate(predicate: Predicate): string {
  return predicate.map(formatCondition).join(' AND ');
}

/** The columns that a predicate reads, each once, sorted. */
export function predicateColumns(predicate: Predicate): readonly string[] {
  return [...new Set(predicate.map((condition) => condition.column))].sort();
}
