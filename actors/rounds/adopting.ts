/**
 * Results become versions: a committed result is believed when its signatures hold and the new parameters, made here from the aggregate, have the hash
 * that it names. A device that missed rounds takes the newest version as a whole and checks its hash.
 */
import { verifyModel } from "../../learning/models/verify_model.ts";
import { firstModel } from "../../learning/runs/opened_plan.ts";
import { parameterBytes, parametersFromBytes } from "../../learning/parameters.ts";
import type { ModelState } from "../../learning/runs/model_state.ts";
import {
  optimiserStateBytes,
  optimiserStateFrom,
} from "../../learning/strategies/optimiser_state_bytes.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import type {
  Adoption,
  CommittedResult,
  KeptCheckpoint,
  OpenedRun,
  RunHead,
  SignedWord,
  Try,
} from "./commands.ts";
import { checkpointSetting } from "./checkpoints.ts";
import { signedSetting } from "./given_word.ts";
import { partsAreOver, partSetting, readParts } from "./kept_parts.ts";
import { forgetUpdate } from "./kept_update.ts";
import { verifiedSetting } from "./old_vectors.ts";
import { obtain, obtainSigned, sourcesFor } from "./obtaining.ts";
import { versionInstead } from "./other_version.ts";
import { readRestored } from "./restored.ts";
import type { Incoming, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable } from "./talking.ts";
import { fetchVector } from "./transfers.ts";
import { isUnavailable, onUnavailable } from "./unavailable.ts";

/** Setting: the newest version this device has. */
export function headSetting(run: string): string {
  return `learning/head/${run}`;
}

interface StoredHead {
  readonly round: number;
  readonly block: BlockId | null;
  readonly parameters: ContentHash;
  readonly state: ContentHash | null;
  readonly tuning?: number;
}

/** Reads what the disk has of the run. */
export async function openRun(deps: RunDependencies): Promise<OpenedRun> {
  const { settings } = deps.store;
  const stored = await settings.get(headSetting(deps.run)) as StoredHead | undefined;
  const head = stored === undefined ? await firstHead(deps) : await readHead(deps, stored);
  const signed = await settings.get(signedSetting(deps.run)) as SignedWord | undefined;
  const checkpoint = await settings.get(checkpointSetting(deps.run)) as KeptCheckpoint | undefined;
  return {
    head,
    examples: await deps.examples(),
    signed: signed ?? null,
    kept: readParts(await settings.get(partSetting(deps.run)), {
      round: head.round + 1,
      signed: signed ?? null,
      deps,
    }),
    checkpoint: checkpoint ?? null,
    restored: await readRestored(deps),
  };
}

async function firstHead(deps: RunDependencies): Promise<RunHead> {
  const { startFrom } = deps.opened.plan;
  const model = firstModel(deps.opened);
  if (startFrom === null) {
    const parameters = hashOf(deps, parameterBytes(model.parameters));
    return { round: 0, block: null, parameters, model };
  }
  const bytes = await deps.vectors.get(startFrom);
  const parameters = bytes && parametersFromBytes(bytes);
  const fits = parameters?.length === deps.opened.layout.count;
  return {
    round: 0,
    block: null,
    parameters: startFrom,
    model: fits ? { parameters: parameters!, optimiser: model.optimiser } : null,
  };
}

async function readHead(deps: RunDependencies, stored: StoredHead): Promise<RunHead> {
  const { round, block, parameters, state, tuning } = stored;
  const bytes = await deps.vectors.get(parameters);
  const stateBytes = state === null ? null : await deps.vectors.get(state);
  const model = bytes === undefined ? null : modelFrom(deps, bytes, stateBytes, tuning);
  return { round, block, parameters, model };
}

/** A model from its vectors; null when they do not fit the plan. */
function modelFrom(
  deps: RunDependencies,
  parameterBytes: Uint8Array,
  state: Uint8Array | null | undefined,
  tuning: number | undefined,
): ModelState | null {
  const { layout, strategy } = deps.opened;
  const parameters = parametersFromBytes(parameterBytes);
  if (parameters?.length !== layout.count || state === undefined) return null;
  const optimiser = state === null
    ? { step: 0, slots: [] }
    : optimiserStateFrom(state, strategy.optimiser, layout.count);
  if (optimiser?.slots.length !== strategy.optimiser.slots) return null;
  return { parameters, optimiser, ...(tuning !== undefined && { tuning }) };
}

/** Looks for a result that leads on from here, and begins to make it ours. */
export function considerAdopting(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { head } = state;
  if (head === undefined || state.adopting !== null) return;
  // Other versions of the head's round stay in mind: an attempt at the next may have been signed on one of them.
  for (const [block, { result }] of state.waiting) {
    if (result.round < head.round || state.invalid.has(block)) state.waiting.delete(block);
  }
  const candidates = [...state.waiting.values()].filter(({ author, result, block }) =>
    // The head's own result is needed once more when its vectors are not here.
    (block !== head.block || head.model === null) && !isUnavailable(context, state, block) &&
    // News of members may come later than a result: it is looked at again then.
    mayPublish(state, author) && result.submissions.every(({ device }) => isMember(state, device))
  )
    .sort((a, b) => b.result.round - a.result.round || (a.block < b.block ? -1 : 1));
  const newest = candidates[0];
  if (newest === undefined) return fetchStart(context, state, deps, head);
  const next = head.model === null
    ? undefined
    : candidates.findLast(({ result }) =>
      result.round === head.round + 1 && result.parent === head.parameters
    );
  const isNext = next !== undefined && newest.result.round === next.result.round;
  const isSameRound = !isNext && newest.result.round === head.round;
  const later = isSameRound ? versionInstead(state, head, candidates) : newest;
  const target = isNext ? next : later;
  if (target === undefined) return;
  state.adopting = target;
  const { author, result } = target;
  const sources = sourcesFor(state, deps, author, result.round);
  if (isNext) {
    return obtainSigned(context, state, deps, {
      offer: result.aggregate,
      sources,
      purpose: { type: "aggregate", committed: target },
    });
  }
  obtainSigned(context, state, deps, {
    offer: { hash: result.result, bytes: 4 * deps.opened.layout.count },
    sources,
    purpose: { type: "parameters", committed: target },
  });
}

/** True for devices that were ever admitted. */
function isMember({ registry }: RunActorState, device: DeviceId): boolean {
  return registry?.members.has(device) === true;
}

/** True for members that may coordinate. What somebody published before it was removed from the mesh stays valid. */
export function mayPublish({ registry }: RunActorState, author: DeviceId): boolean {
  return registry?.members.get(author)?.permissions.has("learn.coordinate") === true;
}

/** A run that goes on from a version of another one: whoever was not part of that fetches it. */
function fetchStart(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { model, round, parameters: hash }: RunHead,
): void {
  if (model !== null || round > 0) return;
  fetchVector(context, state, deps, {
    offer: { hash, bytes: 4 * deps.opened.layout.count },
    sources: reachable(state),
    purpose: { type: "start" },
  });
}

/** What was looked for on the disk is there, or is not. True when this was about a result. */
export function onObtained(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { hash, bytes }: {
    readonly hash: ContentHash;
    readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  },
): boolean {
  const { wanted } = state;
  if (wanted?.offer.hash !== hash) return false;
  state.wanted = null;
  if (bytes !== undefined) adopt(context, state, deps, wanted.purpose, bytes);
  else if (!fetchVector(context, state, deps, wanted)) {
    onUnavailable(context, state, wanted.purpose);
  }
  return true;
}

/** A vector of a result is in hand. */
export function adopt(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  purpose: Incoming["purpose"],
  bytes: Uint8Array<ArrayBuffer>,
): void {
  const { head } = state;
  if (head === undefined) return;
  switch (purpose.type) {
    case "start":
      return context.perform(async () => {
        await deps.vectors.put(head.parameters, bytes);
        return await openRun(deps);
      }, (outcome) => ({ type: "opened", outcome }));
    case "aggregate": {
      const { committed } = purpose;
      const { model } = head;
      if (model === null) {
        state.adopting = null;
        return;
      }
      const known = state.buffered.lineage;
      return finish(context, deps, committed, async () => {
        const { run, opened } = deps;
        const verification = await verifyModel(committed.result, {
          parent: model,
          aggregate: bytes,
          submissionOf: () => undefined,
        }, {
          opened,
          expected: { run, round: head.round + 1 },
          known,
          isParticipant: (device) => isMember(state, device),
          own: null,
          deps,
        });
        if (!verification.ok) return verification.detail;
        // So that this device can verify the version again, and show others.
        await deps.vectors.put(committed.result.aggregate.hash, bytes);
        return { model: verification.model, isVerified: true };
      });
    }
    case "parameters": {
      const { committed } = purpose;
      const { result, author } = committed;
      if (result.state === null) {
        return finish(context, deps, committed, () => whole(deps, committed, bytes, null));
      }
      state.fetchedParameters = bytes;
      return obtain(context, state, deps, {
        offer: result.state,
        sources: sourcesFor(state, deps, author, result.round),
        purpose: { type: "state", committed },
      });
    }
    case "state": {
      const parameters = state.fetchedParameters;
      state.fetchedParameters = null;
      const { committed } = purpose;
      if (parameters === null) return;
      return finish(context, deps, committed, () => whole(deps, committed, parameters, bytes));
    }
    default:
      return;
  }
}

/** A model in hand, and whether it was made here; or why the result does not hold. */
type Made = { readonly model: ModelState; readonly isVerified: boolean } | string;

/** A version that was fetched as a whole: that it is what its result names, whose signatures were checked before. */
function whole(
  deps: RunDependencies,
  { result }: CommittedResult,
  parameters: Uint8Array,
  state: Uint8Array | null,
): Made {
  const model = modelFrom(deps, parameters, state, result.tuning?.next);
  if (model === null) return "its vectors do not fit the plan";
  const hash = hashOf(deps, parameters);
  return hash === result.result
    ? { model, isVerified: false }
    : `what came has the hash ${hash}, it names ${result.result}`;
}

/** Makes the version this device's head, or finds why it must not be. */
function finish(
  context: RunContext,
  deps: RunDependencies,
  committed: CommittedResult,
  make: () => Made | Promise<Made>,
): void {
  const { result, block } = committed;
  context.perform(
    async (): Promise<Adoption> => {
      const made = await make();
      if (typeof made === "string") return { type: "invalid", reason: made };
      const { model, isVerified } = made;
      const bytes = parameterBytes(model.parameters);
      const hash = result.result;
      await deps.vectors.put(hash, bytes);
      const { slots } = model.optimiser;
      const state = slots.length === 0
        ? null
        : optimiserStateBytes(model.optimiser, model.parameters.length);
      const stateHash = state === null ? null : hashOf(deps, state);
      if (state !== null) await deps.vectors.put(stateHash!, state);
      const stored: StoredHead = {
        round: result.round,
        block,
        parameters: hash,
        state: stateHash,
        ...(model.tuning !== undefined && { tuning: model.tuning }),
      };
      const { settings } = deps.store;
      const care = await settings.get(checkpointSetting(deps.run)) as KeptCheckpoint | undefined;
      const word = await settings.get(signedSetting(deps.run)) as SignedWord | undefined;
      const parts = await settings.get(partSetting(deps.run));
      const isOver = (one: Try | undefined) => one !== undefined && one.round <= result.round;
      await settings.set({
        [headSetting(deps.run)]: stored,
        ...(isVerified && { [verifiedSetting(block)]: true }),
        // What was said about a later round binds: this may be another version of an older one.
        ...(isOver(word) && { [signedSetting(deps.run)]: undefined }),
        ...(partsAreOver(parts, result.round) && { [partSetting(deps.run)]: undefined }),
        ...(isOver(care) && { [checkpointSetting(deps.run)]: undefined }),
      });
      if (isOver(care)) await deps.vectors.remove(care!.offer.hash);
      await forgetUpdate(deps, deps.run, result.round);
      return { type: "adopted", head: { round: result.round, block, parameters: hash, model } };
    },
    (outcome) => ({ type: "adopted", committed, outcome }),
  );
}

function hashOf(deps: RunDependencies, bytes: Uint8Array): ContentHash {
  return deps.crypto.sha256Hex(bytes) as ContentHash;
}
