/**
 * Rules about one row: what holds between its columns. `arrival >= departure` compares two columns,
 * `status = 'closed' -> closed_at IS NOT NULL` says what a row with some property must have.
 *
 * The grammar is that of predicates, extended by comparisons of two columns and by one implication. As with a CHECK of
 * SQL, a row breaks a rule only where the rule is false: what a missing value leaves unknown breaks nothing.
 */
import { BalanceError, usageError } from './errors.js';
import { formatColumn, formatCondition, Parser, tokenize, type ColumnComparison, type Condition } from './predicate.js';

export type RuleCondition = Condition | ColumnComparison;

/** `when` implies `then`; both are conjunctions. An empty `when` holds for every row. */
export interface RowRule {
  /** The canonical text: the rule's name in findings and figures. */
  readonly text: string;
  readonly when: readonly RuleCondition[];
  readonly then: readonly RuleCondition[];
}

const SUPPORTED =
  'conditions joined by AND, or CONDITIONS -> CONDITIONS; a condition is column = != <> < <= > >= column or literal, ' +
  'column IN (literals), column BETWEEN low AND high, column IS [NOT] NULL';

/**
 * Parses a rule such as `arrival >= departure` or `status = 'closed' -> closed_at IS NOT NULL AND amount > 0`.
 * @throws usage error `InvalidRule` with the position (from 1), what was expected and what was found
 */
export function parseRule(text: string): RowRule {
  try {
    const parser = new Parser(tokenize(text), true);
    const first = parser.conditions();
    if (!parser.accept('symbol', '->')) {
      parser.end('AND, -> or the end of the text');
      return namedRule([], first);
    }
    const then = parser.conditions();
    parser.end('AND or the end of the text');
    return namedRule(first, then);
  } catch (error) {
    if (!(error instanceof BalanceError) || error.type !== 'InvalidPredicate') throw error;
    throw usageError({
      type: 'InvalidRule',
      message: `${error.message.replace('predicate', 'rule')} of ${JSON.stringify(text)}`,
      expected: error.expected ?? SUPPORTED,
      got: error.got ?? text,
      hint: `Supported: ${SUPPORTED}. Text is 'quoted', a column with unusual letters is "quoted".`,
    });
  }
}

/** The rule under its canonical text, which `parseRule` reads as the same rule. */
export function namedRule(when: readonly RuleCondition[], then: readonly RuleCondition[]): RowRule {
  const side = (conditions: readonly RuleCondition[]): string => conditions.map(formatRuleCondition).join(' AND ');
  return { text: when.length === 0 ? side(then) : `${side(when)} -> ${side(then)}`, when, then };
}

function formatRuleCondition(condition: RuleCondition): string {
  if (!('other' in condition)) return formatCondition(condition);
  return `${formatColumn(condition.column)} ${condition.op} ${formatColumn(condition.other)}`;
}

/** The columns that one condition reads. */
export function conditionColumns(condition: RuleCondition): readonly string[] {
  return 'other' in condition ? [condition.column, condition.other] : [condition.column];
}

/** The columns that a rule reads, each once, sorted. */
export function ruleColumns({ when, then }: Pick<RowRule, 'when' | 'then'>): readonly string[] {
  return [...new Set([...when, ...then].flatMap(conditionColumns))].sort();
}

/** Those of the rules that rows of these columns alone can be judged by. */
export function rulesWithin<Rule extends Pick<RowRule, 'when' | 'then'>>(
  rules: readonly Rule[] | undefined,
  columns: readonly string[],
): readonly Rule[] {
  return (rules ?? []).filter((rule) => ruleColumns(rule).every((column) => columns.includes(column)));
}
