/** Plans keep gangs whole: of each, all members are granted, or all wait, or all are refused. */
import { refuseTogether, waitForMembers, waitTogether, type Gang } from '../gangs.js';
import type { Refusal, WaitReason } from '../work.js';
import type { BatchInputs } from './batch-inputs.js';

/** What is apart from a plan's shares: what is answered already, and who may only have what the others leave, by item. */
export interface Apart {
  readonly waiting: WaitReason[];
  readonly refusals: Refusal[];
  readonly aside: Set<string>;
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
  return { waiting: open.flatMap((gang) => waitForMembers(gang, nowMs) ?? []), refusals: [], aside: new Set() };
}

/** Each plan sets aside this part of the gangs that it would part, the least urgent: some dozens of plans, however many gangs there are. */
const ASIDE_PART = 1 / 4;

/**
 * Gangs that this plan would part. All of each are answered where a member was refused or its source is closed; else they
 * have no part in the shares any more, and may have what those leave, as a whole. Of these the least urgent first: the
 * others may have what they leave. Null: all are whole.
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
  const closed: WaitReason[] = [];
  const parted: { readonly score: number; readonly members: Gang['members'] }[] = [];
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
    const shut = behind.filter(({ resource }) => resource?.startsWith('window:'));
    if (shut.length > 0) closed.push(...waitTogether(gang, shut));
    // What is left is given to it whole: aside, nothing but a source that closes parts it.
    else if (members.some(({ id }) => apart.aside.has(id))) closed.push(...waitTogether(gang, behind));
    else parted.push({ score: Math.min(...granted), members });
  }
  if (broken.length === 0 && closed.length === 0 && parted.length === 0) return null;
  // Equal ones in the order of their names.
  const least = parted.sort((a, b) => a.score - b.score).slice(0, Math.ceil(parted.length * ASIDE_PART));
  const aside = new Set(least.flatMap(({ members }) => members.map(({ id }) => id)));
  return { waiting: closed, refusals: broken, aside };
}
