/**
 * What a few corrected rows teach about all the others.
 *
 *   - Trust: each kind of signal in each column is as reliable as it proved on the corrected rows, starting from its
 *     prior probability (a Beta posterior mean, first over all columns, then in the column itself).
 *   - Rewrites: a wrong value and its correction give programs (drop a suffix, reformat a date); one that is right on
 *     the corrected rows marks and mends every cell that it changes.
 *   - Classes: a value, or a shape, that proved wrong is suspected wherever it occurs in the column, unless corrected
 *     rows also hold it as right.
 *   - The corrected rows themselves are known: they are reported exactly as corrected.
 */
import { isBlank, isMissingSpelling, type CellColumn, type CellTable } from './cell-table.js';
import type { Signal, SignalKind } from './detector/signal.js';
import { shapeOf } from './pattern.js';
import { inferRewrites, type Rewrite } from './rewrite.js';

/** One row as it should read: `values` in the table's column order, `undefined` where nothing is known. */
export interface CorrectedRow {
  readonly row: number;
  readonly values: readonly (string | undefined)[];
}

/** Weight of a signal's prior probability, in labelled cells: over all columns, and within one column. */
const POOLED_PRIOR_CELLS = 8;
const COLUMN_PRIOR_CELLS = 2;
/** A class or rewrite seen wrong once and never right is believed with (1 + 1/4) / (1 + 1); letters within words need two. */
const CLASS_PRIOR = 0.25;
const MIN_EXAMPLES = 2;
/** Where right values are seldom new, what one example makes of a value is proposed only if the column has it. */
const NEW_VALUE_SHARE = 0.05;
/** Blanks in at most this share of a column are the exception there. */
const RARE_BLANK_SHARE = 0.05;
/** Signals that are weaker than this after learning are dropped. */
const LEAST_SCORE = 0.05;

interface Pair {
  readonly row: number;
  readonly dirty: string;
  readonly clean: string;
}

/** Re-weighs the signals by the corrected rows and adds what these teach. Without corrected rows: the same signals. */
export function learnFromLabels(
  table: CellTable,
  signals: readonly Signal[],
  corrected: readonly CorrectedRow[],
): readonly Signal[] {
  if (corrected.length === 0) return signals;
  const pairs = table.columns.map((column, index) =>
    corrected.flatMap(({ row, values }) => {
      const clean = values[index];
      return clean === undefined ? [] : [{ row, dirty: column.values[column.codes[row]], clean }];
    }),
  );
  const trusted = reweigh(table, signals, pairs);
  const explained = new Set(
    trusted.filter((signal) => signal.score >= 0.5).map(({ row, column }) => row * table.columns.length + column),
  );
  const learned = table.columns.flatMap((column, index) => {
    const open = pairs[index].filter((pair) => !explained.has(pair.row * table.columns.length + index));
    return [...rewriteSignals(column, index, pairs[index]), ...classSignals(column, index, pairs[index], open)];
  });
  const known = new Set(pairs.flatMap((column, index) => column.map(({ row }) => row * table.columns.length + index)));
  const guessed = [...trusted, ...learned].filter(({ row, column }) => !known.has(row * table.columns.length + column));
  return [...guessed, ...knownSignals(pairs)];
}

/** The corrected cells themselves. */
function knownSignals(pairs: readonly (readonly Pair[])[]): Signal[] {
  return pairs.flatMap((column, index) =>
    column
      .filter(({ dirty, clean }) => dirty !== clean)
      .map(({ row, clean }) => ({
        row,
        column: index,
        kind: 'labelled' as const,
        score: 1,
        evidence: 'corrected by hand',
        suggested: clean,
      })),
  );
}

interface Trial {
  hits: number;
  cells: number;
}

/** Signals from this probability on are as good as certain. */
const SURE_SCORE = 0.95;

/** Sure, strong and weak signals of one kind are different witnesses. */
function witness({ kind, score }: Signal): string {
  return `${kind}${score >= SURE_SCORE ? '!' : score >= 0.5 ? '' : '?'}`;
}

/** Kinds that judge a value's look speak about all values of that look alike; the others about single cells. */
const LOOK_KINDS: ReadonlySet<SignalKind> = new Set([
  'implicit-missing',
  'type',
  'unit',
  'format',
  'pattern',
  'domain',
  'unusual-pattern',
]);

function reweigh(table: CellTable, signals: readonly Signal[], pairs: readonly (readonly Pair[])[]): Signal[] {
  const pairAt = new Map(
    pairs.flatMap((column, index) => column.map((pair) => [pair.row * table.columns.length + index, pair])),
  );
  const pooled = new Map<string, Trial>();
  const local = new Map<string, Trial>();
  const keyOf = (signal: Signal): string => {
    const column = table.columns[signal.column];
    const look = LOOK_KINDS.has(signal.kind) ? shapeOf(column.values[column.codes[signal.row]]) : '';
    return JSON.stringify([witness(signal), signal.column, look]);
  };
  // One wrong cell accuses several others of its row: over all columns, a row counts once for each witness.
  const heard = new Map<string, number>();
  const labelled = signals.flatMap((signal) => {
    const pair = pairAt.get(signal.row * table.columns.length + signal.column);
    if (pair === undefined) return [];
    const event = `${witness(signal)} ${signal.row}`;
    heard.set(event, (heard.get(event) ?? 0) + 1);
    return [{ signal, event, isHit: pair.dirty !== pair.clean }];
  });
  for (const { signal, event, isHit } of labelled) {
    for (const [records, key, weight] of [
      [pooled, witness(signal), 1 / heard.get(event)!],
      [local, keyOf(signal), 1],
    ] as const) {
      const record = records.get(key) ?? { hits: 0, cells: 0 };
      record.cells += weight;
      if (isHit) record.hits += weight;
      records.set(key, record);
    }
  }
  const posterior = (prior: number, weight: number, record: Trial | undefined): number =>
    record === undefined ? prior : (weight * prior + record.hits) / (weight + record.cells);
  return signals
    .map((signal) => {
      const overall = posterior(signal.score, POOLED_PRIOR_CELLS, pooled.get(witness(signal)));
      return { ...signal, score: posterior(overall, COLUMN_PRIOR_CELLS, local.get(keyOf(signal))) };
    })
    .filter((signal) => signal.score >= LEAST_SCORE);
}

/** The programs that proved right on this column's corrected cells, each cell mended by the most reliable one. */
function rewriteSignals(column: CellColumn, index: number, pairs: readonly Pair[]): Signal[] {
  const proven = provenRewrites(pairs);
  if (proven.length === 0) return [];
  // A program is trusted on values unlike its examples as long as the result looks like a value known to be right.
  const rightShapes = new Set(pairs.map(({ clean }) => shapeOf(clean)));
  const known = new Set([...column.values, ...pairs.map(({ clean }) => clean)]);
  const isOftenNew = chanceOfNewValue(column) > NEW_VALUE_SHARE;
  const byCode = column.values.map((value, code) => {
    // What stands where a value was lost is not written otherwise: it is no value.
    if (isBlank(value) || isMissingSpelling(value)) return undefined;
    const results = proven.flatMap((program) => {
      const result = program.rewrite.apply(value);
      // A value that many rows write in this case, and none in the other, is a name of its own (`Not Rated` among `PG`).
      const isName = program.rewrite.isCase === true && column.counts[code] > 1 && !known.has(result ?? '');
      if (result === undefined || result === value || isName || !rightShapes.has(shapeOf(result))) return [];
      return program.examples < MIN_EXAMPLES && isOtherNumber(value, result) ? [] : [{ ...program, result }];
    });
    if (results.length === 0) return undefined;
    const equals = results.filter(({ right }) => right === results[0].right);
    const best = equals.find(({ result }) => known.has(result)) ?? equals[0];
    const isBacked = known.has(best.result) || best.examples >= MIN_EXAMPLES || isOftenNew;
    const isOne = known.has(best.result) || equals.every(({ result }) => result === best.result);
    const suggestion = isBacked && isOne ? { suggested: best.result } : {};
    return { score: best.score, evidence: `as corrected elsewhere: ${best.rewrite.name}`, ...suggestion };
  });
  return expand(column, index, byCode);
}

/** Chance that a right value is one that no other row has: the share of such rows (Good 1953). */
function chanceOfNewValue({ counts, codes }: CellColumn): number {
  return counts.filter((rows) => rows === 1).length / Math.max(1, codes.length);
}

/** Whether a plain number became a number of another size: that is no way of writing it. */
function isOtherNumber(value: string, result: string): boolean {
  return Number.isFinite(Number(value)) && Number(value) !== Number(result);
}

interface ProvenRewrite {
  readonly rewrite: Rewrite;
  readonly score: number;
  readonly right: number;
  /** Different wrong values that it mends: the same slip corrected twice is one example. */
  readonly examples: number;
}

function provenRewrites(pairs: readonly Pair[]): ProvenRewrite[] {
  const candidates = new Map<string, Rewrite>();
  for (const { dirty, clean } of pairs) {
    if (dirty === clean) continue;
    for (const rewrite of inferRewrites(dirty, clean)) candidates.set(rewrite.name, rewrite);
  }
  const proven = [...candidates.values()].flatMap((rewrite) => {
    const changed = pairs.filter(({ dirty }) => {
      const result = rewrite.apply(dirty);
      return result !== undefined && result !== dirty;
    });
    const hits = changed.filter(({ dirty, clean }) => rewrite.apply(dirty) === clean);
    const right = hits.length;
    const score = (right + CLASS_PRIOR) / (changed.length + 2 * CLASS_PRIOR);
    const examples = new Set(hits.map(({ dirty }) => dirty)).size;
    // As often wrong as right is no proof.
    return (rewrite.isStructural || examples >= MIN_EXAMPLES) && score > 0.5
      ? [{ rewrite, score, right, examples }]
      : [];
  });
  return proven.sort((a, b) => b.right - a.right || b.score - a.score || (a.rewrite.name < b.rewrite.name ? -1 : 1));
}

/** Values and shapes that proved wrong without any detector saying so. */
function classSignals(column: CellColumn, index: number, pairs: readonly Pair[], open: readonly Pair[]): Signal[] {
  const wrongOpen = open.filter(({ dirty, clean }) => dirty !== clean);
  if (wrongOpen.length === 0) return [];
  const openShapes = new Set(wrongOpen.map(({ dirty }) => shapeOf(dirty)));
  const openValues = new Set(wrongOpen.map(({ dirty }) => dirty));
  const rate = (members: readonly Pair[]): number => {
    const wrong = members.filter(({ dirty, clean }) => dirty !== clean).length;
    return (wrong + CLASS_PRIOR) / (members.length + 1);
  };
  const byCode = column.values.map((value, code) => {
    if (openValues.has(value)) {
      const same = pairs.filter(({ dirty }) => dirty === value);
      // Blanks that are common are mostly meant: one correction does not condemn them all.
      const isRare = column.counts[code] <= RARE_BLANK_SHARE * column.codes.length;
      if (isBlank(value) && !isRare && same.filter(({ clean }) => clean !== value).length < 2) return undefined;
      const suggestion = isTranslation(value, same) ? { suggested: same[0].clean } : {};
      return { score: rate(same), evidence: 'the same value was corrected elsewhere', ...suggestion };
    }
    const shape = shapeOf(value);
    if (!openShapes.has(shape)) return undefined;
    const alike = pairs.filter(({ dirty }) => shapeOf(dirty) === shape);
    const wrong = alike.filter(({ dirty, clean }) => dirty !== clean).length;
    if (shape.includes('a') && wrong < MIN_EXAMPLES) return undefined;
    return { score: rate(alike), evidence: 'values of this shape were corrected elsewhere' };
  });
  return expand(column, index, byCode);
}

/**
 * Whether the corrections of one value say how to write it (`English` is `eng`), not merely what was lost (`-1` is 12
 * here): all agree, and there are two of them or the one is written with letters of the other.
 */
function isTranslation(value: string, same: readonly Pair[]): boolean {
  if (isBlank(value) || new Set(same.map(({ clean }) => clean)).size > 1) return false;
  const [{ clean }] = same;
  // What stood where a value was lost says nothing of other rows, even if their common value was lost.
  if (isMissingSpelling(value) && clean !== '') return false;
  return same.length > 1 || (clean !== '' && (isSubsequence(clean, value) || isSubsequence(value, clean)));
}

function isSubsequence(part: string, whole: string): boolean {
  const letters = part.toLowerCase();
  let at = 0;
  for (const letter of whole.toLowerCase()) if (at < letters.length && letter === letters[at]) at++;
  return at === letters.length;
}

type Learned = Pick<Signal, 'score' | 'evidence' | 'suggested'>;

function expand(column: CellColumn, index: number, byCode: readonly (Learned | undefined)[]): Signal[] {
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const found = byCode[code];
    if (found !== undefined && found.score >= LEAST_SCORE)
      signals.push({ row, column: index, kind: 'learned', ...found });
  });
  return signals;
}
