/** Plans keep gangs whole: of each, all members are granted, or all wait, or all are refused. */
import { refuseTogether, waitForMembers, waitTogether, type Gang } from '../gangs.js';
import type { Refusal, WaitReason } from '../work.js';
import type { BatchInputs } from './batch-inputs.js';

/** What is answered apart from the plan. */
export interface Apart {
  readonly waiting: WaitReason[];
  readonly refusals: Refusal[];
}

/** What a plan says of its items. */
interface Answers {
  readonly grants: readonly { readonly itemId: string; readonly score: number }[];
  readonly waiting: readonly WaitReason[];
  readonly refusals: readonly Refusal[];
}

/** Gangs that not all of have come: those that have wait. Analyze has answered those of which one is out as a whole. */
export function gangsApart(gangs: readonly Gang[], { refused, nowMs }: BatchInputs): Apart {
  const out = new Set(refused);
  const open = gangs.filter(({ members }) => !members.some(({ id }) => out.has(id)));
  return { waiting: open.flatMap((gang) => waitForMembers(gang, nowMs) ?? []), refusals: [] };
}

/** Each plan sets apart this part of the gangs that it would part, the least urgent: some dozens of plans, however many gangs there are. */
const APART_PART = 1 / 4;

/**
 * Gangs that this plan would part, with the answers to all of each: refused, where one of its members was; else waiting.
 * Of those that would wait the least urgent: the others may have what they leave. Null: all are whole.
 */
export function partedGangs(
  gangs: readonly Gang[],
  { grants, waiting, refusals }: Answers,
  apart: Apart,
): Apart | null {
  const done = new Set([...apart.waiting, ...apart.refusals].map(({ itemId }) => itemId));
  const scores = new Map(grants.map(({ itemId, score }) => [itemId, score]));
  const waits = new Map(waiting.map((wait) => [wait.itemId, wait]));
  const refused = new Map(refusals.map((refusal) => [refusal.itemId, refusal]));
  const broken: Refusal[] = [];
  const parted: { readonly score: number; readonly gang: Gang; readonly waits: readonly WaitReason[] }[] = [];
  for (const gang of gangs) {
    const { members } = gang;
    if (members.some(({ id }) => done.has(id))) continue;
    const causes = members.flatMap(({ id }) => refused.get(id) ?? []);
    if (causes.length > 0) {
      broken.push(...refuseTogether(members, causes).filter(({ itemId }) => !refused.has(itemId)));
      continue;
    }
    const granted = members.flatMap(({ id }) => scores.get(id) ?? []);
    const behind = members.flatMap(({ id }) => waits.get(id) ?? []);
    if (granted.length === 0 || behind.length === 0) continue;
    parted.push({ score: Math.min(...granted), gang, waits: behind });
  }
  if (broken.length === 0 && parted.length === 0) return null;
  // Equal ones in the order of their names.
  const least = parted.sort((a, b) => a.score - b.score).slice(0, Math.ceil(parted.length * APART_PART));
  return { waiting: least.flatMap((one) => waitTogether(one.gang, one.waits)), refusals: broken };
}
