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

/**
 * A gang that this plan would part, with the answer to all of it: refused, where one of its members was; else waiting. Of
 * several the one whose grants are least urgent: the others may have what it leaves. Null: all are whole.
 */
export function partedGang(gangs: readonly Gang[], { grants, waiting, refusals }: Answers, apart: Apart): Apart | null {
  const done = new Set([...apart.waiting, ...apart.refusals].map(({ itemId }) => itemId));
  const scores = new Map(grants.map(({ itemId, score }) => [itemId, score]));
  const waits = new Map(waiting.map((wait) => [wait.itemId, wait]));
  const refused = new Set(refusals.map(({ itemId }) => itemId));
  let least: { readonly score: number; readonly gang: Gang; readonly waits: readonly WaitReason[] } | null = null;
  for (const gang of gangs) {
    const { members } = gang;
    if (members.some(({ id }) => done.has(id))) continue;
    if (members.some(({ id }) => refused.has(id))) {
      const others = refuseTogether(members, refusals).filter(({ itemId }) => !refused.has(itemId));
      if (others.length > 0) return { waiting: [], refusals: others };
      continue;
    }
    const granted = members.flatMap(({ id }) => scores.get(id) ?? []);
    const behind = members.flatMap(({ id }) => waits.get(id) ?? []);
    if (granted.length === 0 || behind.length === 0) continue;
    const score = Math.min(...granted);
    if (least === null || score < least.score) least = { score, gang, waits: behind };
  }
  return least === null ? null : { waiting: waitTogether(least.gang, least.waits), refusals: [] };
}
