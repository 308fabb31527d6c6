/**
 * What an ODCS 3.1 contract says of a table, in the words of the short form; and what it says that nothing here checks:
 * a rule that is passed over in silence would be taken for one that holds.
 */
import { z } from 'zod';
import { isMoment, type ColumnRule, type ColumnType } from './column-rule.js';
import { boundsOf, odcsOptions, textPattern, uncheckedOptions } from './odcs-options.js';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const odcsQuality = z.looseObject({
  metric: z.string().optional(),
  rule: z.string().optional(),
  arguments: z
    .looseObject({
      validValues: z.array(scalar).optional(),
      pattern: z.string().optional(),
      properties: z.array(z.string()).optional(),
      missingValues: z.array(z.unknown()).optional(),
    })
    .optional(),
  validValues: z.array(scalar).optional(),
  mustBe: z.unknown().optional(),
  type: z.string().optional(),
  engine: z.string().optional(),
  implementation: z.unknown().optional(),
});

/** ODCS 3.1 writes a reference as a relationship: of one column at the property, of several at the schema object. */
const odcsRelationships = z.array(
  z.looseObject({
    type: z.string().optional(),
    from: z.union([z.string(), z.array(z.string())]).optional(),
    to: z.union([z.string(), z.array(z.string())]),
  }),
);

const odcsCustom = z.array(z.looseObject({ property: z.string(), value: z.unknown() }));

const odcsProperty = z.looseObject({
  name: z.string(),
  logicalType: z.string().optional(),
  required: z.boolean().optional(),
  unique: z.boolean().optional(),
  primaryKey: z.boolean().optional(),
  logicalTypeOptions: odcsOptions.optional(),
  quality: z.array(odcsQuality).optional(),
  relationships: odcsRelationships.optional(),
  customProperties: odcsCustom.optional(),
});

export const odcsForm = z.looseObject({
  schema: z.array(
    z.looseObject({
      name: z.string().optional(),
      properties: z.array(odcsProperty).optional(),
      quality: z.array(odcsQuality).optional(),
      relationships: odcsRelationships.optional(),
      customProperties: odcsCustom.optional(),
    }),
  ),
});

type OdcsProperty = z.infer<typeof odcsProperty>;

/** ODCS logical types; `object` and `array` say nothing about a cell's text. */
const LOGICAL_TYPES: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ['string', 'string'],
  ['integer', 'integer'],
  ['number', 'number'],
  ['boolean', 'boolean'],
  ['date', 'date'],
  ['time', 'time'],
  ['timestamp', 'datetime'],
]);

type Quality = z.infer<typeof odcsQuality>;
type OdcsObject = z.infer<typeof odcsForm>['schema'][number];

/** What the first schema object says; `unchecked` is absent where all of it is checked. */
export function saidByOdcs({ schema }: z.infer<typeof odcsForm>) {
  if (schema.length === 0) return {};
  const [object, ...further] = schema;
  const { properties = [], quality = [] } = object;
  const key = properties.filter(({ primaryKey }) => primaryKey === true).map(({ name }) => name);
  const custom = (name: string): string[] => {
    const value = (object.customProperties ?? []).find((entry) => entry.property === name)?.value;
    return (Array.isArray(value) ? value : []).map(String);
  };
  const unchecked = [
    ...further.map(({ name = 'without a name' }) => `schema object ${name}: only the first one is read`),
    ...quality.filter((rule) => !isCheckedOfTable(rule)).map((rule) => `quality rule ${ruleName(rule)}`),
    ...properties.flatMap(uncheckedOf),
  ];
  return {
    columns: Object.fromEntries(properties.map((property) => [property.name, saidOfColumn(property)])),
    dependencies: custom('dependencies'),
    unique: [
      ...(key.length === 0 ? [] : [key]),
      ...properties
        .filter(({ unique, quality: rules = [] }) => unique === true || rules.some(forbidsRepeats))
        .map(({ name }) => [name]),
      ...quality.filter(forbidsRepeats).flatMap(({ arguments: of }) => (of?.properties ? [of.properties] : [])),
    ],
    rules: [...odcsRules(object), ...custom('rules')],
    references: [...odcsReferences(object), ...custom('references')],
    ...(unchecked.length === 0 ? {} : { unchecked }),
  };
}

/** Texts of the rules: ODCS has custom checks of an engine, `{type: custom, engine: balance, implementation: RULE}`. */
function odcsRules({ quality = [], properties = [] }: OdcsObject): string[] {
  return [...quality, ...properties.flatMap((property) => property.quality ?? [])]
    .filter(isOwnCheck)
    .map(({ implementation }) => String(implementation));
}

function odcsReferences({ relationships = [], properties = [] }: OdcsObject): string[] {
  const own = properties.flatMap(({ name, relationships: of = [] }) => of.map((one) => ({ from: name, ...one })));
  return [...relationships, ...own]
    .filter(({ type = 'foreignKey' }) => type === 'foreignKey')
    .map(({ from = [], to }) => {
      // `table.column`, from the own table with or without its name.
      const columns = [from].flat().map((name) => name.split('.').at(-1)!);
      const target = [to].flat();
      const dataset = target[0]?.split('.').slice(0, -1).join('.') ?? '';
      const keys = target.map((name) => name.split('.').at(-1)!).join(', ');
      return `${columns.join(', ')} -> ${dataset}(${keys})`;
    });
}

const metricOf = ({ metric, rule }: Quality): string => metric ?? rule ?? '';
const isOwnCheck = ({ type, engine }: Quality): boolean => type === 'custom' && engine === 'balance';
/** `duplicateValues` must be 0: of a property, or of the properties that its arguments name. */
const forbidsRepeats = (rule: Quality): boolean => metricOf(rule) === 'duplicateValues' && rule.mustBe === 0;
const forbidsNulls = (rule: Quality): boolean =>
  ['nullValues', 'missingValues'].includes(metricOf(rule)) && rule.mustBe === 0;
/** `{type: text}` is prose for people. */
const isProse = ({ type }: Quality): boolean => type === 'text';

const isCheckedOfTable = (rule: Quality): boolean =>
  isProse(rule) || isOwnCheck(rule) || (forbidsRepeats(rule) && rule.arguments?.properties !== undefined);

function isCheckedOfColumn(rule: Quality): boolean {
  if (isProse(rule) || isOwnCheck(rule) || forbidsRepeats(rule)) return true;
  // The standard's `missingValues` names words of its own that stand for nothing.
  if (forbidsNulls(rule)) return rule.arguments?.missingValues === undefined;
  const { validValues, pattern } = rule.arguments ?? {};
  return (
    rule.validValues !== undefined ||
    (metricOf(rule) === 'invalidValues' && (validValues !== undefined || pattern !== undefined))
  );
}

const ruleName = (rule: Quality): string => metricOf(rule) || `of type ${rule.type ?? 'library'}`;

function uncheckedOf({ name, logicalType, logicalTypeOptions = {}, quality = [] }: OdcsProperty): string[] {
  const type = LOGICAL_TYPES.get(logicalType ?? '');
  return [
    ...(logicalType !== undefined && type === undefined ? [`${name}: logicalType ${logicalType}`] : []),
    ...uncheckedOptions(logicalTypeOptions, type).map((option) => `${name}: logicalTypeOptions.${option}`),
    ...quality.filter((rule) => !isCheckedOfColumn(rule)).map((rule) => `${name}: quality rule ${ruleName(rule)}`),
  ];
}

function saidOfColumn(property: OdcsProperty): ColumnRule {
  const { logicalTypeOptions: options = {}, quality = [] } = property;
  const type = LOGICAL_TYPES.get(property.logicalType ?? '');
  const invalid = quality.filter((rule) => metricOf(rule) === 'invalidValues');
  const values =
    invalid.find((rule) => rule.arguments?.validValues)?.arguments?.validValues ??
    quality.find((rule) => rule.validValues)?.validValues;
  const patterns = invalid.flatMap((rule) => rule.arguments?.pattern ?? []);
  const unit = (property.customProperties ?? []).find((entry) => entry.property === 'unit')?.value;
  const isRequired = property.required === true || property.primaryKey === true || quality.some(forbidsNulls);
  return dropAbsent({
    type,
    required: isRequired ? true : undefined,
    ...boundsOf(options, type),
    pattern: textPattern(options, patterns),
    format: isMoment(type) ? options.format : undefined,
    values: values?.map(String),
    unit: typeof unit === 'string' ? unit : undefined,
  });
}

function dropAbsent(said: { readonly [K in keyof ColumnRule]: ColumnRule[K] | undefined }): ColumnRule {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
