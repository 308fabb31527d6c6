/**
 * Deliveries judged as the loop judges them: read from a file by the data plane, sampled, and held against the contract, the
 * reference and what is usual of earlier deliveries; and the profile of the dataset as the analyze stage sees it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Papa from 'papaparse';
import type { DatasetRef, SliceResult } from '../../activities/ports.js';
import { qualityAnalyzer } from '../../domain/analyzers/quality.js';
import { deliveryMetrics } from '../../domain/decision/quality/delivery-metrics.js';
import { judgeAll } from '../../domain/decision/quality/judge-slice.js';
import type { DeliveryMetric, Judged, QualityInputs } from '../../domain/decision/quality/quality-inputs.js';
import type { WorkItem } from '../../domain/decision/work.js';
import type { Sample } from '../../domain/quality/sample.js';
import { suggestContract } from '../../domain/quality/suggest-contract.js';
import { learnUsual, type HistoryValue } from '../../domain/quality/usual.js';
import { mergeVocabularies, misspelt, vocabularyOf, type Vocabulary } from '../../domain/quality/vocabulary.js';
import { createDataPlane } from '../../interfaces/data/data-plane.js';
import { openEngine } from '../../interfaces/data/engine.js';
import { fileCache } from '../../interfaces/data/file-cache.js';
import { createSliceFiles } from '../../interfaces/data/slice-files.js';
import { AGE_MAX_DAYS, newestTime, type FaultColumns, type TextTable } from './faults.js';

const HOUR_MS = 3_600_000;
const KEY = 'delivered_row';

/** What earlier sound deliveries of a need left behind. */
export interface LoopPast {
  readonly columns: FaultColumns;
  /** Types, ranges and lists as `--suggest` writes them for the first delivery; empty: nothing is promised. */
  readonly promised: DatasetRef['definition']['columns'];
  readonly reference: Sample;
  readonly vocabulary: Vocabulary;
  readonly histories: ReadonlyMap<string, readonly HistoryValue[]>;
  /** An hour after the newest of them. */
  readonly atMs: number;
}

export interface LoopVerdict extends Pick<Judged, 'verdict' | 'findings'> {
  /** What the profile of the dataset says, by kind. */
  readonly profiled: readonly string[];
}

const metricKey = ({ metric, column }: Pick<DeliveryMetric, 'metric' | 'column'>): string =>
  JSON.stringify([metric, column]);

function itemOf(table: TextTable, columns: FaultColumns): WorkItem {
  return {
    ...{ id: 'i', kind: 'need', needId: 'm/n', model: 'm', dataset: 'd', fields: [...table.columns, KEY], where: [] },
    ...{ rows: null, seed: 0, deadlineMs: null, priority: 3, datasetVersion: null, createdMs: 0, attempts: 1 },
    maxAgeMs: columns.time === undefined ? null : AGE_MAX_DAYS * 24 * HOUR_MS,
    ...{ classColumn: columns.label, target: null, maxClassGap: 0.1, minCompleteness: null, minRows: 0, critical: 0.5 },
    ...{ resources: {}, after: [], onDrift: 'degrade' },
  };
}

/** Opens an engine with a folder of its own. Close it at the end. */
export async function openLoop() {
  const folder = mkdtempSync(join(tmpdir(), 'balance-loop-'));
  const engine = await openEngine({ tempDir: join(folder, 'spill') });
  const cacheDir = join(folder, 'cache');
  const plane = createDataPlane({ engine, cacheDir, env: {}, baseDir: folder, projectRoot: folder });
  const files = createSliceFiles({ engine, cache: fileCache(cacheDir), cacheDir });
  const { signal } = new AbortController();

  async function deliver(table: TextTable, past: Pick<LoopPast, 'columns' | 'promised'>, reference: Sample | null) {
    const { columns, promised } = past;
    const keys = new Map<string, number>();
    // Equal rows are one row delivered twice: they share their key.
    const rows = table.rows.map((row) => {
      const text = JSON.stringify(row);
      if (!keys.has(text)) keys.set(text, keys.size);
      return [...row, String(keys.get(text))];
    });
    writeFileSync(join(folder, 't.csv'), Papa.unparse([[...table.columns, KEY], ...rows]));
    const dataset: DatasetRef = {
      ...{ tenant: 't', pool: 'p', id: 'd', sourceId: 's' },
      source: { kind: 'files', root: folder, limits: { scansAtOnce: 2 } },
      definition: {
        ...{ source: 's', path: 't.csv', key: [KEY], maxDuplicateFraction: 0.05, columns: promised },
        ...(columns.time === undefined ? {} : { eventTime: columns.time }),
      },
    };
    const { fields } = itemOf(table, columns);
    const ask = { id: 'i', fields, where: [], rows: null, seed: 0, classColumn: columns.label, quotas: null };
    const read = { id: 'r', dataset, asOfMs: END_OF_TIME, contentId: null, slices: [ask] };
    const [slice] = (await plane.read(read, signal)).slices;
    const moving = [KEY, ...(columns.time === undefined ? [] : [columns.time])];
    const sample = await files.sample(slice, { fields, moving, reference }, signal);
    return { dataset, slice, sample };
  }

  /** @param deliveries sound ones, oldest first; the newest is the reference */
  async function learn(deliveries: readonly TextTable[], columns: FaultColumns): Promise<LoopPast> {
    const promised = promisesOf(suggestContract(deliveries[0].columns, deliveries[0].rows).columns);
    const histories = new Map<string, HistoryValue[]>();
    let reference: Sample | null = null;
    let vocabulary: Vocabulary | null = null;
    for (const [at, table] of deliveries.entries()) {
      const { slice, sample } = await deliver(table, { columns, promised }, null);
      reference = sample.own;
      const near = vocabulary === null ? {} : misspelt(vocabulary, sample.own);
      vocabulary = mergeVocabularies(vocabulary ?? {}, vocabularyOf(sample.own));
      for (const one of figuresOf(table, columns, slice, newestTime(table, columns), near)) {
        const history = histories.get(metricKey(one)) ?? [];
        histories.set(metricKey(one), [...history, { atMs: at * HOUR_MS, value: one.value }]);
      }
    }
    return {
      columns,
      promised,
      reference: reference!,
      vocabulary: vocabulary!,
      histories,
      atMs: deliveries.length * HOUR_MS,
    };
  }

  /**
   * @param nowMs when it arrives
   * @param past without `promised`: what would have been learned had nothing been promised is the same but for breaches
   */
  async function judge(past: LoopPast, table: TextTable, nowMs: number): Promise<LoopVerdict> {
    const { dataset, slice, sample } = await deliver(table, past, past.reference);
    const item = itemOf(table, past.columns);
    const near = misspelt(past.vocabulary, sample.own);
    const usual = figuresOf(table, past.columns, slice, nowMs, near).flatMap(({ metric, column }) => {
      const learned = learnUsual(metric, past.histories.get(metricKey({ metric, column })) ?? [], past.atMs);
      return learned === null ? [] : [{ metric, column, usual: learned }];
    });
    const asOfMs = Number.isFinite(nowMs) ? nowMs : 0;
    const inputs: QualityInputs = {
      ...{ asOfMs, items: [item], granted: { i: slice.rows }, minRows: {}, lastGood: [] },
      results: [{ itemId: 'i', served: 'read', asOfMs, slice, failure: null }],
      datasets: { d: dataset.definition },
      samples: { i: sample },
      references: {
        'm/n': {
          ...{ asOfMs: 0, decisionId: 'x', question: '', sample: past.reference, population: null, settling: 0 },
          vocabulary: past.vocabulary,
        },
      },
      usual: { i: usual },
      available: { i: slice.rows },
    };
    const { verdict, findings } = judgeAll(inputs).get('i')!;
    return { verdict, findings, profiled: await profiled(dataset, item) };
  }

  async function profiled(dataset: DatasetRef, item: WorkItem): Promise<string[]> {
    const state = await plane.describe(dataset, END_OF_TIME, signal);
    const ask = { columns: item.fields, latenessMs: 0, kept: null };
    const { profile } = await plane.profile(dataset, END_OF_TIME, ask, signal);
    const outcome = qualityAnalyzer.analyze({
      asOfMs: END_OF_TIME,
      needs: [
        {
          ...{ id: 'm/n', model: 'm', dataset: 'd', fields: item.fields, rowsPerCycle: 0, classColumn: null },
          ...{ classTarget: null, maxAgeMs: null, minCompleteness: null, critical: 0.5, weight: 1 },
        },
      ],
      datasets: [
        {
          ...{ id: 'd', version: state.version, rows: state.rows, newestEventMs: null, asOfMs: 0, classCounts: {} },
          completeness: Object.fromEntries(state.columns.map(({ name, completeness }) => [name, completeness])),
          profile,
        },
      ],
      measurements: [],
    });
    return outcome.ok ? outcome.findings.map(({ kind }) => kind) : [];
  }

  const close = (): void => {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { learn, judge, close };
}

/** After every event of the tables. */
const END_OF_TIME = Date.parse('2100-01-01');

function figuresOf(
  table: TextTable,
  columns: FaultColumns,
  slice: SliceResult,
  nowMs: number,
  near: ReturnType<typeof misspelt>,
): DeliveryMetric[] {
  return deliveryMetrics(itemOf(table, columns), slice, Number.isFinite(nowMs) ? nowMs : 0, slice.rows, near);
}

function promisesOf(columns: ReturnType<typeof suggestContract>['columns']): LoopPast['promised'] {
  return Object.fromEntries(
    Object.entries(columns).map(([name, { type, required, min, max, values }]) => [
      name,
      {
        ...{ sensitivity: 'public' as const, required: required ?? false },
        ...(type === undefined ? {} : { type }),
        ...(min === undefined || max === undefined ? {} : { min, max }),
        ...(values === undefined ? {} : { values: [...values] }),
      },
    ]),
  );
}
