/**
 * Writes this device's own log.
 *
 * Invariants:
 * - A sequence is used for one block only. After any failure, and at every start, the log's end is read again behind a
 *   barrier in the storage actor's queue, so that a commit still under way counts.
 * - Blocks are named by their headers, so the log runs ahead of its signatures: many are signed beside the commit of those
 *   before. They go to storage in order, and an answer is given only after the blocks are signed and durable.
 * - A store restored from a backup publishes nothing before a peer was compared: others may hold newer blocks of ours.
 */
import { problemOfDraft } from "../../protocols/blocks/limits.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import { type PutOutcome, RESTORED_SETTING } from "../../store/store.ts";
import type { Refusal } from "../handle.ts";
import type { Behaviour, TaskOutcome } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import { type BlocksCommitted, blocksCommitted } from "../storage/commands.ts";
import { peerInSync } from "../sync/commands.ts";
import type { LoadedLog, PublisherCommand } from "./commands.ts";
import {
  BARRIER_TOKEN,
  onPruneDue,
  PRUNE_EVERY_MS,
  readLog,
  reload,
  reloadLater,
} from "./log_end.ts";
import { prepare, type PreparedDrafts } from "./prepare.ts";
import { placeDrafts } from "./sign.ts";
import {
  cannot,
  failJobs,
  finish,
  mayRunAhead,
  onSigned,
  startSigning,
  storeSigned,
} from "./signing.ts";
import type {
  Job,
  PublisherContext as Ctx,
  PublisherDependencies,
  PublisherState,
} from "./state.ts";

/** Requests waiting at most. */
const JOBS_MAX = 1024;
/** Drafts in one request at most. */
export const DRAFTS_MAX = 1000;

/** The publisher actor. */
export function publisher(
  deps: PublisherDependencies,
): Behaviour<PublisherCommand, PublisherState> {
  return {
    name: "publisher",
    init(context) {
      context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
      context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
      context.subscribe(peerInSync, () => ({ type: "peerCompared" }));
      const state: PublisherState = {
        phase: "loading",
        registry: null,
        head: null,
        jobs: [],
        nextJobId: 1,
        failures: 0,
      };
      reload(context, state, deps);
      context.startTimer("prune", PRUNE_EVERY_MS, { type: "pruneDue" });
      return state;
    },
    receive(context, state, command) {
      switch (command.type) {
        case "publish":
          return onPublish(context, state, deps, command);
        case "prepared":
          return onPrepared(context, state, deps, command.jobId, command.outcome);
        case "signed":
          onSigned(context, state, deps, command.jobId, command.outcome);
          return placeReady(context, state, deps);
        case "chunksStored":
          return onChunksStored(context, state, deps, command.token);
        case "blocksStored":
          if (command.token === BARRIER_TOKEN) return readLog(context, deps);
          return onStored(context, state, deps, command.token, command.outcomes);
        case "storeFailed":
          return onStoreFailed(context, state, deps, command.token, command.error);
        case "loaded":
          if (!command.outcome.ok) return onLoadFailed(context, state, command.outcome.error);
          return onLoaded(context, state, deps, command.outcome.value);
        case "reloadDue":
          return reload(context, state, deps);
        case "pruneDue":
          return onPruneDue(context, deps);
        case "pruned":
          if (command.outcome.ok) return;
          return context.log.write("warning", "Cannot forget old idempotency keys", {
            error: String(command.outcome.error),
          });
        case "membershipChanged":
          state.registry = command.event.registry;
          return leaveRestored(context, state, deps, false);
        case "blocksCommitted":
          return onBlocksCommitted(state, deps, command.event);
        case "peerCompared":
          return leaveRestored(context, state, deps, true);
        case "acceptRestore":
          leaveRestored(context, state, deps, true);
          return context.send(command.replyTo, null);
        default:
          command satisfies never;
      }
    },
  };
}

/** The disk fails: those who wait hear of it now. */
function onLoadFailed(context: Ctx, state: PublisherState, error: unknown): void {
  failJobs(context, state, ["waiting"], cannot("store", error));
  reloadLater(context, state);
}

function onLoaded(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  log: LoadedLog,
): void {
  state.failures = 0;
  if ((state.head?.sequence ?? 0) < (log.head?.sequence ?? 0)) state.head = log.head;
  state.phase = log.restored ? "restored" : "open";
  leaveRestored(context, state, deps, false);
  if (state.phase === "restored") {
    failJobs(context, state, ["waiting"], RESTORED);
  }
  if (state.phase !== "open") return;
  for (const job of state.jobs) {
    if (job.phase === "waiting") startPreparing(context, state, deps, job);
  }
  placeReady(context, state, deps);
}

/** A restored store may publish once a peer was compared, or when there is no other member who could know more. */
function leaveRestored(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  compared: boolean,
): void {
  if (state.phase !== "restored") return;
  const registry = state.registry;
  const others = registry === null
    ? []
    : [...registry.members.keys()].filter((id) => id !== deps.self && isAdmitted(registry, id));
  if (!compared && others.length > 0) return;
  if (!compared && registry === null) return;
  context.perform(
    async (): Promise<LoadedLog> => {
      await deps.store.settings.set({
        [RESTORED_SETTING]: undefined,
      });
      return { head: null, restored: false };
    },
    (outcome) => ({ type: "loaded", outcome }),
  );
}

function onPublish(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  command: Extract<PublisherCommand, { type: "publish" }>,
): void {
  const { idempotencyKey } = command;
  const same = idempotencyKey === null
    ? undefined
    : state.jobs.find((job) => job.command.idempotencyKey === idempotencyKey);
  if (same !== undefined) {
    same.replies.push(command.replyTo);
    return;
  }
  const refusal = refuse(state, command);
  if (refusal !== null) return context.send(command.replyTo, refusal);
  const job: Job = {
    id: state.nextJobId++,
    command,
    replies: [command.replyTo],
    prepared: null,
    phase: "waiting",
    unsigned: [],
    blocks: [],
  };
  state.jobs.push(job);
  if (state.phase === "open") startPreparing(context, state, deps, job);
}

function startPreparing(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  job: Job,
): void {
  job.phase = "preparing";
  const options = {
    ...deps,
    idempotencyKey: job.command.idempotencyKey,
    nowMs: context.wallMs(),
    afterSequence: state.head?.sequence ?? 0,
  };
  context.perform(
    () => prepare(job.command.drafts, options),
    (outcome) => ({ type: "prepared", jobId: job.id, outcome }),
  );
}

const RESTORED: Refusal = {
  type: "refused",
  reason: "unavailable",
  message:
    "Cannot publish yet: this store was restored from a backup or rebuilt after damage, and other devices may hold newer " +
    "blocks of this device. It opens once another device was reached and compared",
};

function refuse(
  state: PublisherState,
  command: Extract<PublisherCommand, { type: "publish" }>,
): Refusal | null {
  if (command.drafts.length === 0 || command.drafts.length > DRAFTS_MAX) {
    const message =
      `Cannot publish ${command.drafts.length} blocks at once: expected 1 to ${DRAFTS_MAX}`;
    return { type: "refused", reason: "invalid", message };
  }
  if (state.jobs.length >= JOBS_MAX) {
    const message = `Cannot publish now: ${JOBS_MAX} requests are waiting; try again shortly`;
    return { type: "refused", reason: "busy", message };
  }
  if (state.phase === "restored") return RESTORED;
  // Before anything of it is hashed or stored: chunks of a body that is then refused would stay on the disk.
  for (const draft of command.drafts) {
    const problem = problemOfDraft(draft);
    if (problem === undefined) continue;
    return { type: "refused", reason: "invalid", message: `Cannot publish block: ${problem}` };
  }
  return null;
}

function onPrepared(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  jobId: number,
  outcome: TaskOutcome<PreparedDrafts>,
): void {
  const job = state.jobs.find((candidate) => candidate.id === jobId);
  if (job === undefined) return;
  if (!outcome.ok) return finish(context, state, job, cannot("store", outcome.error));
  if (outcome.value.earlier !== null) {
    return finish(context, state, job, { type: "done", value: outcome.value.earlier });
  }
  job.prepared = outcome.value;
  if (outcome.value.chunks.length > 0) {
    job.phase = "storingChunks";
    return context.send(deps.storage, {
      type: "storeChunks",
      chunks: outcome.value.chunks,
      replyTo: context.self,
      token: job.id,
    });
  }
  job.phase = "ready";
  placeReady(context, state, deps);
}

function onChunksStored(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  token: number,
): void {
  const job = state.jobs.find((candidate) => candidate.id === token);
  if (job === undefined) return;
  job.phase = "ready";
  placeReady(context, state, deps);
}

/** Gives every job its place whose turn it is, and has it signed: in order, several under way at once. */
function placeReady(context: Ctx, state: PublisherState, deps: PublisherDependencies): void {
  if (state.phase !== "open") return;
  for (const job of [...state.jobs]) {
    if (job.phase === "signing" || job.phase === "signed" || job.phase === "storing") continue;
    if (job.phase !== "ready" || job.prepared === null) break;
    const { drafts } = job.prepared;
    if (!mayRunAhead(state, drafts.length)) break;
    const { registry, head } = state;
    const placed = placeDrafts(drafts, { ...deps, registry, head, nowMs: context.wallMs() });
    if (placed.type === "refused") {
      finish(context, state, job, placed);
      continue;
    }
    const last = placed.blocks.at(-1)!;
    state.head = { author: deps.self, sequence: last.header.sequence, head: last.id };
    startSigning(context, deps, job, placed.blocks);
  }
  storeSigned(context, state, deps);
}

/** Durable: the answer may be given. */
function onStored(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  token: number,
  outcomes: readonly PutOutcome[],
): void {
  const job = state.jobs.find((candidate) => candidate.id === token);
  if (job === undefined) return;
  const wrong = outcomes.find(({ type }) => type !== "stored" && type !== "duplicate");
  if (wrong !== undefined) {
    return onStoreFailed(
      context,
      state,
      deps,
      token,
      `the log does not continue here (${wrong.type})`,
    );
  }
  finish(context, state, job, { type: "done", value: job.blocks });
}

/** What builds on these blocks can no longer be stored: all of it is answered, and the log's end is read again. */
function onStoreFailed(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  token: number,
  error: unknown,
): void {
  if (token === BARRIER_TOKEN) return onLoadFailed(context, state, error);
  const refusal = cannot("store", error);
  const job = state.jobs.find((candidate) => candidate.id === token);
  if (job !== undefined) finish(context, state, job, refusal);
  failJobs(context, state, ["signing", "signed", "storing"], refusal);
  state.head = null;
  reload(context, state, deps);
}

/** Blocks of ours that came from others (after a restore) move the end of our log. */
function onBlocksCommitted(
  state: PublisherState,
  deps: PublisherDependencies,
  event: BlocksCommitted,
): void {
  for (const { block } of event.blocks) {
    const { author, sequence } = block.header;
    if (author !== deps.self || sequence <= (state.head?.sequence ?? 0)) continue;
    state.head = { author, sequence, head: block.id };
  }
}
