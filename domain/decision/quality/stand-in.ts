/** A dataset that stands in for another: how it is read, and what of it a model may not see. */
import { predicateColumns } from '../../types/predicate.js';
import type { DatasetDefinition, PoolDefinition } from '../../types/pool.js';
import type { WorkItem } from '../work.js';

/** The stand-in as it is read: its place, and what the dataset that it stands for promises. */
export function standInFor(promised: DatasetDefinition, other: DatasetDefinition): DatasetDefinition {
  const { source, path, format, table, access, key } = other;
  return { ...promised, source, path, format, table, access, key: promised.key ?? key };
}

/** Columns that an item asks for or is judged by, each once. */
export function usedColumns({
  fields,
  where,
  classColumn,
  segments = [],
}: Pick<WorkItem, 'fields' | 'where' | 'classColumn' | 'segments'>): string[] {
  return [
    ...new Set([...fields, ...predicateColumns(where), ...(classColumn === null ? [] : [classColumn]), ...segments]),
  ];
}

/** Columns of the stand-in that the item needs and its model may not read. */
export function forbiddenColumns(
  item: WorkItem,
  id: string,
  { columns }: DatasetDefinition,
  models: PoolDefinition['models'],
): string[] {
  const mayRead = Object.hasOwn(models, item.model) ? models[item.model].mayRead : [];
  return usedColumns(item).filter(
    (column) =>
      Object.hasOwn(columns, column) &&
      columns[column].sensitivity === 'restricted' &&
      !mayRead.includes(`${id}.${column}`),
  );
}
