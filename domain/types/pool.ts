/**
 * What `balance.yaml` declares, parsed: pools with their sources, datasets, models, needs and schedules.
 * The schema is the one place where a key, its default and its meaning are written; the JSON Schema for
 * editors and the line-numbered messages of `interfaces/config` are made from it.
 */
import { z } from 'zod';
import { parseDependencies, uniqueColumns } from './between-rows.js';
import { checkedCron } from './cron.js';
import { compileFormat } from '../quality/format.js';
import { parseForeignKey } from './foreign-key.js';
import { parseCron } from './run-times.js';
import { parsed } from './parsed.js';
import { parsePredicate } from './predicate.js';
import { parseRule } from './rule.js';
import { parseDayWindow, parseDurationMs, parseSizeBytes } from './units.js';

const id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'an id: lower-case letters, digits, . _ -, at most 63 characters')
  .describe('Identifier: lower-case letters, digits, dot, underscore, hyphen; at most 63 characters.');
const durationMs = parsed(parseDurationMs, 'Duration with a unit: 250ms, 30s, 15m, 6h, 2d.');
const sizeBytes = parsed(parseSizeBytes, 'Size with a unit: 512kB, 20MB, 1.5GiB.');
/** Times in which something passes, and limits of which something can be served. */
const span = durationMs.refine((ms) => ms > 0, { message: 'more than zero' });
const limitBytes = sizeBytes.refine((bytes) => bytes > 0, { message: 'more than zero' });
const instantMs = parsed((text) => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw Object.assign(new Error(`not a time: ${JSON.stringify(text)}`), {
      expected: 'ISO 8601, for example 2001-01-08T00:00:00Z',
    });
  return ms;
}, 'Instant in ISO 8601, for example 2001-01-08T00:00:00Z.');
const fraction = z.number().min(0).max(1);
const predicate = parsed(
  parsePredicate,
  "AND of = != < <= > >= IN BETWEEN IS [NOT] NULL, for example: origin = 'SEA' AND delay > 15",
);

const rule = parsed(
  parseRule,
  "What holds in every row: conditions joined by AND, or CONDITIONS -> CONDITIONS; a condition may compare two columns, for example: arrival >= departure, or status = 'closed' -> closed_at IS NOT NULL",
);

/** Limits of a source, held across all workers. An absent limit is no limit. */
const limits = z.strictObject({
  scansAtOnce: z.int().min(1).max(64).default(2).describe('Reads that may run on the source at the same time.'),
  bytesPerSecond: limitBytes.optional().describe('Sustained logical bytes a second that may leave the source.'),
  rowsPerSecond: z.int().min(1).optional().describe('Sustained rows a second that may leave the source.'),
  quota: z
    .strictObject({ bytes: limitBytes, per: span })
    .optional()
    .describe(
      'Logical bytes that may leave the source in any period of this length, for example {bytes: 10GB, per: 1d}.',
    ),
});

/** Times of day (UTC) at which a source may be read: `22:00-06:00` goes over midnight. */
const window = parsed(parseDayWindow, 'Time of day in UTC, from-to: 22:00-06:00.');
const windows = z
  .array(window)
  .min(1)
  .optional()
  .describe('Times of day (UTC) at which it may be read. Absent: always.');

const filesSource = z.strictObject({
  kind: z.literal('files'),
  root: z
    .string()
    .min(1)
    .describe('Folder; relative to balance.yaml. `package:NAME/PATH` points into an installed npm package.'),
  limits: limits.prefault({}),
  windows,
});
const postgresSource = z.strictObject({
  kind: z.literal('postgres'),
  url: z
    .string()
    .min(1)
    .default('${DATABASE_URL}')
    .describe(
      'Connection URL; `${NAME}` is taken from the environment; ${DATABASE_URL} falls back to the embedded server.',
    ),
  schema: z.string().min(1).default('public'),
  limits: limits.prefault({}),
  windows,
});

/** What a dataset promises of one column (names of the Open Data Contract Standard 3.1 where it has them). */
const columnContract = z.strictObject({
  type: z
    .enum(['string', 'integer', 'number', 'boolean', 'date', 'time', 'datetime'])
    .optional()
    .describe('What its values are. Text that cannot be read so is invalid.'),
  unit: z.string().min(1).optional().describe('Values are plain numbers in this unit: `12 oz` is invalid.'),
  format: parsed(
    (text) => compileFormat(text).source,
    'Date or time format as people write it (M/D/YY), or strftime.',
  ).optional(),
  required: z.boolean().default(false).describe('Missing values are not allowed.'),
  minCompleteness: fraction.optional().describe('Least share of non-null values; below it the delivery is degraded.'),
  values: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .min(1)
    .optional()
    .describe('The only values allowed.'),
  min: z.number().optional(),
  max: z.number().optional(),
  sensitivity: z
    .enum(['public', 'internal', 'restricted'])
    .default('public')
    .describe('Restricted columns reach only models that list them in `mayRead`.'),
});
const corrections = z
  .array(z.enum(['drop-rows', 'impute', 'repair', 'reweight']))
  .describe(
    'What may be done with a delivery that is at fault: `drop-rows` (rows that break the contract, lack a required value or repeat a key), `impute` (fills cells and flags them in a column NAME_imputed), `repair` (writes what a cell surely means by its declared type, unit, format or dependencies, flagged in NAME_repaired), `reweight` (a column balance_weight). What does harm is rolled back.',
  );
const dataset = z.strictObject({
  source: id,
  path: z.string().min(1).optional().describe('File or glob under the root of a files source.'),
  format: z.enum(['parquet', 'csv', 'json']).optional().describe('Taken from the file name when absent.'),
  table: z.string().min(1).optional().describe('Table of a postgres source.'),
  load: z
    .string()
    .min(1)
    .optional()
    .describe(
      'CSV or JSON file that fills the table of a postgres source when it is not there yet; relative to balance.yaml or `package:NAME/PATH`.',
    ),
  key: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Columns that identify a row. Absent: file and row position (files sources only).'),
  eventTime: z
    .string()
    .min(1)
    .optional()
    .describe("Column with the time at which a row happened; rows after the cycle's time have not arrived yet."),
  lateness: durationMs
    .optional()
    .describe('How long after its event time a row may still become visible; `rows: new` waits that long for it.'),
  columns: z.record(z.string(), columnContract).default({}),
  maxDuplicateFraction: fraction.default(1).describe('More duplicates (by key) than this degrade a delivery.'),
  rules: z
    .array(rule)
    .optional()
    .describe('What holds between the columns of a row. A delivery is judged by the rules whose columns it has.'),
  references: z
    .array(
      parsed(
        parseForeignKey,
        'Columns that name a row of another dataset: COLUMN -> DATASET.COLUMN, or COLUMN, COLUMN -> DATASET(COLUMN, COLUMN).',
      ),
    )
    .optional()
    .describe(
      'Rows of other datasets that the rows of this one refer to. A delivery is judged where it has the columns.',
    ),
  dependencies: z
    .array(parsed(parseDependencies, 'Columns that decide others: COLUMN, COLUMN -> COLUMN, for example: zip -> city'))
    .transform((lists) => lists.flat())
    .optional()
    .describe(
      'Rows that agree on the columns on the left agree on those on the right. A delivery is judged where it has them all; `repair` writes what a clear majority of such rows holds.',
    ),
  unique: z
    .array(z.array(z.string().min(1)).min(1))
    .transform((sets) => sets.map(uniqueColumns))
    .optional()
    .describe('Columns whose values together occur once, beside the key. A delivery is judged where it has them all.'),
  maxInconsistentFraction: fraction
    .optional()
    .describe(
      'More rows than this that break a rule, a dependency or a unique set, or refer to what is not there, degrade a delivery. Absent: 0.05.',
    ),
  access: z
    .enum(['shared', 'exclusive'])
    .optional()
    .describe('`exclusive`: one read at a time, across all workers. Absent: shared.'),
  corrections: corrections.optional(),
  fallback: id
    .optional()
    .describe(
      'Dataset with the same columns that stands in where what was read of this one would be kept back; judged by what this one promises.',
    ),
  owner: z
    .string()
    .min(1)
    .optional()
    .describe('Who is asked for rows that are missing: a name or address, passed on in the message.'),
});

const classTarget = z.union([z.enum(['uniform', 'reference']), z.record(z.string(), z.number().min(0))]);
const need = z.strictObject({
  id,
  dataset: id,
  fields: z.array(z.string().min(1)).min(1),
  where: predicate.default([]),
  rows: z
    .union([z.int().min(1), z.literal('new')])
    .describe(
      'Rows wanted each cycle, picked by hash; `new`: every row that arrived since the need was last served, the oldest first. What a limit keeps back comes with later cycles.',
    ),
  seed: z.int().min(0).default(0),
  classColumn: z.string().min(1).optional(),
  target: classTarget.optional().describe('Class mix wanted: `uniform`, shares by class, or that of the `reference`.'),
  maxClassGap: fraction
    .default(0.1)
    .describe('Half the L1 distance between the mix and its target that is still tolerated.'),
  segments: z
    .array(z.string().min(1))
    .min(1)
    .max(4)
    .optional()
    .describe(
      'Columns whose values, and whose combinations up to three, must each have rows enough to learn from; rows of each are drawn first; thin ones are found, asked for, and make the need more critical.',
    ),
  maxAge: durationMs.optional().describe('The newest row may be at most this old.'),
  minCompleteness: fraction.optional(),
  reference: id.optional().describe('Dataset that holds what the model was trained on: drift is judged against it.'),
  onDrift: z
    .enum(['pass', 'degrade', 'hold'])
    .optional()
    .describe(
      'What a delivery whose columns drifted from the `reference`, else from what the model was last given in good order, is: `pass` (told), `degrade`, or `hold` (kept back; the last good delivery stands in). Default: `degrade`; `pass` for `rows: new`, where each delivery is another stretch of time.',
    ),
  corrections: corrections.optional(),
  minRows: z.int().min(0).default(0).describe('Fewer rows than this and nothing is delivered.'),
  critical: fraction.default(0.5).describe('How much it matters that this need is met, 0 to 1.'),
  resources: z
    .record(z.string(), z.number().min(0))
    .default({})
    .describe('Pool resources that serving the full need takes, for example {gpu: 1}.'),
  after: z
    .array(z.string().min(1))
    .default([])
    .describe('Needs (`model/need`) whose deliveries must be good in the same cycle before this one is handed out.'),
});
const crontab = parsed((text) => {
  parseCron(text);
  return text;
}, 'Cron expression of five fields in UTC: minute hour day month weekday.');
const run = z
  .strictObject({
    id,
    every: durationMs
      .refine((ms) => ms >= 60_000, { message: 'at least 1m' })
      .optional()
      .describe('Multiples of this since 1970-01-01T00:00:00Z.'),
    cron: crontab.optional(),
    dataset: id,
    fields: z.array(z.string().min(1)).min(1),
    where: predicate.default([]),
    rows: z.int().min(1).optional().describe('Rows that it asks; absent: all that match.'),
    seed: z.int().min(0).default(0),
    maxAge: durationMs
      .optional()
      .describe('How old its data may be: from then on it is read ahead. Absent: nothing is read ahead of it.'),
  })
  .refine((value) => (value.every === undefined) !== (value.cron === undefined), {
    message: 'exactly one of `every` and `cron`',
  });
/** What is guaranteed, lent and borrowed together, by models or by cohorts of models. */
const amounts = z
  .record(z.string().min(1), z.union([z.number().min(0, 'an amount of zero or more'), sizeBytes]))
  .default({});
const cohort = z.strictObject({
  parent: id.optional().describe('Cohort that it is a part of; absent: the pool.'),
  weight: z.number().min(0).default(1).describe('Share of what may be borrowed, relative to its siblings.'),
  nominal: amounts.describe(
    'Guaranteed to the cohort and all below it, by limit, in the unit of the limit (a second): {bytes:lake: 200kB, gpu: 1}.',
  ),
  lendingLimit: amounts.describe('Most of the guarantee that others may use while it is idle. Absent: all of it.'),
  borrowingLimit: amounts.describe('Most that the cohort may use above its guarantee. Absent: no limit.'),
});
const model = z.strictObject({
  kind: z.enum(['training', 'serving', 'federated']),
  cohort: id.optional().describe('Cohort that it belongs to. Absent: it shares with the cohorts as one of the pool.'),
  weight: z.number().positive().default(1).describe('Share of what is scarce, relative to the other models.'),
  priority: z.int().min(1).max(5).default(3).describe('1 is the most urgent.'),
  mayRead: z.array(z.string()).default([]).describe('Restricted columns (`dataset.column`) that this model may read.'),
  needs: z.array(need).default([]),
  runs: z
    .array(run)
    .default([])
    .describe('What the model will ask by itself at known times: demand that is expected before it was ever seen.'),
});

const schedule = z
  .strictObject({
    id,
    every: span.optional(),
    cron: parsed(checkedCron, 'Five fields in UTC: minute, hour, day of month, month, day of week.').optional(),
    overlap: z.enum(['skip', 'buffer-one', 'allow-all']).default('skip'),
    catchupWindow: durationMs.default(600_000),
    jitter: durationMs.default(0),
    pauseOnFailure: z.boolean().default(false),
    paused: z.boolean().default(false),
  })
  .refine((value) => (value.every === undefined) !== (value.cron === undefined), {
    message: 'exactly one of `every` and `cron`',
  });

const clock = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('wall') }),
  z.strictObject({
    kind: z.literal('replay'),
    start: instantMs.describe('Event time of the first cycle.'),
    step: span.describe('How far each full cycle advances event time.'),
    end: instantMs.optional().describe('Where the replay stops advancing.'),
  }),
]);

export const poolSchema = z.strictObject({
  tenant: id.default('default'),
  clock: clock.default({ kind: 'wall' }),
  window: span
    .default(10_000)
    .describe('Time over which per-second limits are balanced in one cycle (burst of the budget).'),
  forecastStep: span
    .optional()
    .describe('Step of the demand series; defaults to the step of a replay clock, else one hour.'),
  resources: z
    .record(z.string(), z.number().positive())
    .default({})
    .describe('Pool-wide resources for each cycle, for example {gpu: 2, memoryBytes: 4e9}.'),
  cache: z
    .strictObject({
      maxBytes: sizeBytes.default(2e9),
      lease: durationMs.default(3_600_000),
      prefetch: sizeBytes
        .default(100e6)
        .describe('The most that one cycle reads ahead of requests that are likely to come; `0B` switches it off.'),
    })
    .prefault({}),
  predict: z
    .strictObject({
      violation: z
        .number()
        .gt(0)
        .max(0.5)
        .default(0.05)
        .describe('Share of steps in which a source may be short: the capacity recommended for it keeps to that.'),
      alarmsPerWeek: z
        .number()
        .positive()
        .default(7)
        .describe('Most warnings of anomalous demand in any seven days of event time.'),
    })
    .prefault({}),
  retention: z
    .strictObject({ decisions: durationMs.default(30 * 86_400_000), metrics: durationMs.default(90 * 86_400_000) })
    .prefault({}),
  release: z
    .strictObject({
      maxWait: durationMs
        .optional()
        .describe(
          'The most that a request is held so that others which are likely to come share its cycle; `0s` holds none. Absent: 500ms.',
        ),
    })
    .optional(),
  reads: z
    .strictObject({
      timeMax: durationMs.optional().describe('A read that will probably take longer is split. Absent: 30s.'),
      memoryMax: sizeBytes.optional().describe('A read that will probably hold more memory is split. Absent: 256MiB.'),
      waitMax: durationMs
        .optional()
        .describe('How long a cycle waits for its reads: one that takes longer goes on by itself. Absent: 10s.'),
    })
    .optional(),
  maxRequestsPerCycle: z.int().min(1).max(100_000).default(10_000),
  sources: z.record(id, z.discriminatedUnion('kind', [filesSource, postgresSource])),
  datasets: z.record(id, dataset),
  cohorts: z
    .record(id, cohort)
    .optional()
    .describe('Groups of models with guarantees that are lent while idle and reclaimed when asked for.'),
  models: z.record(id, model),
  schedules: z.array(schedule).default([]),
});
export const configSchema = z.strictObject({ version: z.literal(1), pools: z.record(id, poolSchema) });

export type PoolDefinition = z.output<typeof poolSchema>;
export type BalanceConfig = z.output<typeof configSchema>;
export type SourceDefinition = PoolDefinition['sources'][string];
export type DatasetDefinition = PoolDefinition['datasets'][string];
export type ModelDefinition = PoolDefinition['models'][string];
export type CohortDefinition = NonNullable<PoolDefinition['cohorts']>[string];
export type NeedDefinition = ModelDefinition['needs'][number];
export type RunDefinition = ModelDefinition['runs'][number];
export type ScheduleDefinition = PoolDefinition['schedules'][number];

/** A pool's address: tenant and pool are part of every key. */
export interface PoolRef {
  readonly tenant: string;
  readonly pool: string;
}
