/**
 * What a data owner declares about a table, read from plain data (parsed YAML or JSON) in either of two spellings:
 * the Open Data Contract Standard 3.1 or the short form
 * `columns: {NAME: {type, required, min, max, pattern, format, values, unit}}`,
 * `dependencies: ["a, b -> c"]`, `unique: [[a, b]]`, `rules: ["a >= b"]`, `references: ["a -> other.id"]`. Everything
 * is optional.
 */
import { z } from 'zod';
import { BalanceError, usageError } from '../types/errors.js';
import { namedForeignKey, parseForeignKey, type ForeignKey } from '../types/foreign-key.js';
import { namedRule, parseRule, ruleColumns, type RowRule, type RuleCondition } from '../types/rule.js';
import { checkRule, type ColumnRule } from './column-rule.js';
import { odcsForm, saidByOdcs } from './odcs-contract.js';

/** `from` decides `to`: rows that agree on every column of `from` agree on `to`. */
export interface DeclaredDependency {
  readonly from: readonly string[];
  readonly to: string;
}

export interface QualityContract {
  readonly columns: Readonly<Record<string, ColumnRule>>;
  readonly dependencies: readonly DeclaredDependency[];
  /** Sets of columns whose combined values occur once. */
  readonly unique: readonly (readonly string[])[];
  /** What holds between the columns of each row; absent: nothing was said. */
  readonly rules?: readonly RowRule[];
  /** Columns whose values occur in another table; absent: nothing was said. */
  readonly references?: readonly ForeignKey[];
  /** What the contract says and nothing here checks, each with its place; absent: all of it is checked. */
  readonly unchecked?: readonly string[];
}

export const EMPTY_CONTRACT: QualityContract = { columns: {}, dependencies: [], unique: [] };

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const bound = z.union([z.number(), z.string(), z.date().transform((date) => date.toISOString().slice(0, 10))]);

const shortColumn = z.strictObject({
  type: z.enum(['string', 'integer', 'number', 'boolean', 'date', 'time', 'datetime']).optional(),
  required: z.boolean().optional(),
  min: bound.optional(),
  max: bound.optional(),
  pattern: z.string().optional(),
  format: z.string().optional(),
  values: z.array(scalar.transform(String)).optional(),
  unit: z.string().optional(),
});

const shortForm = z.strictObject({
  columns: z.record(z.string(), shortColumn.nullable()).optional(),
  dependencies: z.array(z.string()).optional(),
  unique: z.array(z.union([z.string(), z.array(z.string())])).optional(),
  rules: z.array(z.string()).optional(),
  references: z.array(z.string()).optional(),
});

/**
 * Reads a contract.
 *
 * @param input plain data of a parsed YAML or JSON file; `null` (an empty file) declares nothing
 * @returns the contract; from an ODCS file with several schema objects, the first
 * @throws BalanceError `InvalidContract` naming the first place that does not fit
 */
export function parseContract(input: unknown): QualityContract {
  if (input === null || input === undefined) return EMPTY_CONTRACT;
  const isOdcs = typeof input === 'object' && 'schema' in input;
  const said = isOdcs ? saidByOdcs(parseWith(odcsForm, input)) : parseWith(shortForm, input);
  const contract = fromShortForm(said);
  for (const [name, rule] of Object.entries(contract.columns)) checkRule(name, rule);
  return contract;
}

function parseWith<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw usageError({
    type: 'InvalidContract',
    message: `the contract does not fit at ${issue.path.join('.') || 'its top level'}: ${issue.message}`,
    expected:
      'an ODCS 3.1 contract (schema[].properties[]) or the short form {columns, dependencies, unique, rules, references}',
    got: JSON.stringify(input).slice(0, 200),
  });
}

function fromShortForm(form: z.infer<typeof shortForm> & Pick<QualityContract, 'unchecked'>): QualityContract {
  return {
    columns: Object.fromEntries(Object.entries(form.columns ?? {}).map(([name, rule]) => [name, rule ?? {}])),
    dependencies: (form.dependencies ?? []).flatMap(parseDependency),
    unique: (form.unique ?? []).map((entry) => (typeof entry === 'string' ? splitNames(entry) : entry)),
    ...clauses((form.rules ?? []).map(inContract(parseRule)), (form.references ?? []).map(inContract(parseForeignKey))),
    ...(form.unchecked === undefined ? {} : { unchecked: form.unchecked }),
  };
}

/** Rules and references, left out where there are none. */
function clauses(
  rules: readonly RowRule[],
  references: readonly ForeignKey[],
): Pick<QualityContract, 'rules' | 'references'> {
  return { ...(rules.length === 0 ? {} : { rules }), ...(references.length === 0 ? {} : { references }) };
}

/** A parser whose errors are those of the contract. */
function inContract<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof BalanceError)) throw error;
      throw usageError({ ...error.facts(), type: 'InvalidContract' });
    }
  };
}

/** Reads `a, b -> c, d` as one dependency for each column on the right. */
function parseDependency(text: string): DeclaredDependency[] {
  const sides = text.split('->').map(splitNames);
  if (sides.length !== 2 || sides.some((side) => side.length === 0)) {
    throw usageError({
      type: 'InvalidContract',
      message: `the dependency "${text}" cannot be read`,
      expected: '"a, b -> c"',
      got: text,
    });
  }
  return sides[1].map((to) => ({ from: sides[0], to }));
}

function splitNames(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/**
 * The contract with every column name replaced by the table's own spelling of it: exact names first, then names
 * that agree in letters and digits alone (`beer-name`, `Beer_Name`).
 *
 * @returns the contract, and the declared names that the table lacks (their rules are left out)
 */
export function bindContract(
  contract: QualityContract,
  names: readonly string[],
): { contract: QualityContract; absent: readonly string[] } {
  const find = nameFinder(names);
  const declared = [
    ...Object.keys(contract.columns),
    ...contract.dependencies.flatMap(({ from, to }) => [...from, to]),
    ...contract.unique.flat(),
    ...(contract.rules ?? []).flatMap(ruleColumns),
    ...(contract.references ?? []).flatMap(({ columns }) => columns),
  ];
  const absent = [...new Set(declared.filter((name) => find(name) === undefined))];
  const known = (name: string): boolean => find(name) !== undefined;
  const own = (name: string): string => find(name) ?? name;
  const ownCondition = (condition: RuleCondition): RuleCondition =>
    'other' in condition
      ? { ...condition, column: own(condition.column), other: own(condition.other) }
      : { ...condition, column: own(condition.column) };
  return {
    absent,
    contract: {
      columns: Object.fromEntries(
        Object.entries(contract.columns)
          .filter(([name]) => known(name))
          .map(([name, rule]) => [own(name), rule]),
      ),
      dependencies: contract.dependencies
        .filter(({ from, to }) => [...from, to].every(known))
        .map(({ from, to }) => ({ from: from.map(own), to: own(to) })),
      unique: contract.unique.filter((set) => set.every(known)).map((set) => set.map(own)),
      ...clauses(
        (contract.rules ?? [])
          .filter((rule) => ruleColumns(rule).every(known))
          .map(({ when, then }) => namedRule(when.map(ownCondition), then.map(ownCondition))),
        (contract.references ?? [])
          .filter(({ columns }) => columns.every(known))
          .map((reference) => namedForeignKey({ ...reference, columns: reference.columns.map(own) })),
      ),
    },
  };
}

/** Finds a table's own spelling of a column name; see `bindContract`. */
export function nameFinder(names: readonly string[]): (name: string) => string | undefined {
  const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const byPlain = new Map<string, string | undefined>();
  for (const name of names) byPlain.set(plain(name), byPlain.has(plain(name)) ? undefined : name);
  return (name) => (names.includes(name) ? name : byPlain.get(plain(name)));
}
