/**
 * Writes this device's own log.
 *
 * Invariants:
 * - A sequence is used for one block only. After any failure, and at every start, the log's end is read again behind a
 *   barrier in the storage actor's queue, so that a commit still under way counts.
 * - An answer is given only after the blocks are durable.
 * - A store restored from a backup publishes nothing before a peer was compared: others may hold newer blocks of ours.
 */
import type { Block, Frontier } from "../../protocols/blocks/block.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { isAdmitted, type Registry } from "../../protocols/registry/registry.ts";
import type { Crypto, Signer } from "../../platform/ports.ts";
import { type PutOutcome, RESTORED_SETTING, type Store } from "../../store/store.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { Behaviour, Context, Ref, TaskOutcome } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import { type BlocksCommitted, blocksCommitted, type StorageCommand } from "../storage/commands.ts";
import { peerInSync } from "../sync/commands.ts";
import type { LoadedLog, PublisherCommand } from "./commands.ts";
import { prepare, type PreparedDrafts } from "./prepare.ts";
import { signDrafts } from "./sign.ts";

/** Requests waiting at most. */
const JOBS_MAX = 1024;
/** Drafts in one request at most. */
export const DRAFTS_MAX = 1000;
/** The token of the barrier that precedes reading the log; jobs count from 1. */
const BARRIER_TOKEN = 0;

export interface PublisherDependencies {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly store: Pick<Store, "blocks" | "settings">;
  readonly storage: Ref<StorageCommand>;
}

/** One request on its way: prepared outside, chunks stored, signed in turn, stored. */
interface Job {
  readonly id: number;
  readonly command: Extract<PublisherCommand, { type: "publish" }>;
  /** Everyone who asked with this idempotency key. */
  readonly replies: Ref<Outcome<readonly Block[]>>[];
  prepared: PreparedDrafts | null;
  /** `waiting`: until the log's end is known. */
  phase: "waiting" | "preparing" | "storingChunks" | "ready" | "storing";
  blocks: readonly Block[];
}

export interface PublisherState {
  phase: "loading" | "open" | "restored";
  registry: Registry | null;
  head: Frontier | null;
  /** In the order asked. */
  jobs: Job[];
  nextJobId: number;
}

type Ctx = Context<PublisherCommand>;

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
      };
      reload(context, state, deps);
      return state;
    },
    receive(context, state, command) {
      switch (command.type) {
        case "publish":
          return onPublish(context, state, deps, command);
        case "prepared":
          return onPrepared(context, state, deps, command.jobId, command.outcome);
        case "chunksStored":
          return onChunksStored(context, state, deps, command.token);
        case "blocksStored":
          if (command.token === BARRIER_TOKEN) return readLog(context, deps);
          return onStored(context, state, deps, command.token, command.outcomes);
        case "storeFailed":
          return onStoreFailed(context, state, deps, command.token, command.error);
        case "loaded":
          if (!command.outcome.ok) throw command.outcome.error;
          return onLoaded(context, state, deps, command.outcome.value);
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

/** Reads the log's end again; an empty commit in front makes sure that nothing of ours is still on its way. */
function reload(context: Ctx, state: PublisherState, deps: PublisherDependencies): void {
  state.phase = "loading";
  context.send(deps.storage, {
    type: "storeBlocks",
    blocks: [],
    receivedFrom: null,
    replyTo: context.self,
    token: BARRIER_TOKEN,
  });
}

function readLog(context: Ctx, deps: PublisherDependencies): void {
  context.perform(
    async (): Promise<LoadedLog> => {
      return {
        // Not the frontier: that ends before a block that was set aside as damaged, and its sequence is used.
        head: await deps.store.blocks.head(deps.self) ?? null,
        restored: await deps.store.settings.get(RESTORED_SETTING) === true,
      };
    },
    (outcome) => ({ type: "loaded", outcome }),
  );
}

function onLoaded(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  log: LoadedLog,
): void {
  if ((state.head?.sequence ?? 0) < (log.head?.sequence ?? 0)) state.head = log.head;
  state.phase = log.restored ? "restored" : "open";
  leaveRestored(context, state, deps, false);
  if (state.phase === "restored") {
    for (const job of state.jobs.filter(({ phase }) => phase === "waiting")) {
      finish(context, state, job, RESTORED);
    }
  }
  if (state.phase !== "open") return;
  for (const job of state.jobs) {
    if (job.phase === "waiting") startPreparing(context, state, deps, job);
  }
  signReady(context, state, deps);
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
  if (!outcome.ok) return finish(context, state, job, failed(outcome.error));
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
  signReady(context, state, deps);
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
  signReady(context, state, deps);
}

/** Signs and stores every job whose turn it is: in order, several commits under way at once. */
function signReady(context: Ctx, state: PublisherState, deps: PublisherDependencies): void {
  if (state.phase !== "open") return;
  for (const job of [...state.jobs]) {
    if (job.phase === "storing") continue;
    if (job.phase !== "ready" || job.prepared === null) return;
    const signed = signDrafts(job.prepared.drafts, {
      ...deps,
      registry: state.registry,
      head: state.head,
      nowMs: context.wallMs(),
    });
    if (signed.type === "refused") {
      finish(context, state, job, signed);
      continue;
    }
    job.blocks = signed.blocks;
    job.phase = "storing";
    const last = job.blocks.at(-1)!;
    state.head = { author: deps.self, sequence: last.header.sequence, head: last.id };
    store(context, deps, job);
  }
}

function store(context: Ctx, deps: PublisherDependencies, job: Job): void {
  context.send(deps.storage, {
    type: "storeBlocks",
    blocks: job.blocks,
    receivedFrom: null,
    replyTo: context.self,
    token: job.id,
  });
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

/** What was signed after this can no longer be stored: all of it is answered, and the log's end is read again. */
function onStoreFailed(
  context: Ctx,
  state: PublisherState,
  deps: PublisherDependencies,
  token: number,
  error: unknown,
): void {
  if (token === BARRIER_TOKEN) return reload(context, state, deps);
  const failing = state.jobs.filter((job) => job.phase === "storing" || job.id === token);
  for (const job of failing) finish(context, state, job, failed(error));
  state.head = null;
  reload(context, state, deps);
}

function finish(
  context: Ctx,
  state: PublisherState,
  job: Job,
  outcome: Outcome<readonly Block[]>,
): void {
  state.jobs = state.jobs.filter((candidate) => candidate !== job);
  for (const replyTo of job.replies) context.send(replyTo, outcome);
}

function failed(error: unknown): Refusal {
  const cause = error instanceof Error ? error.message : String(error);
  return { type: "refused", reason: "unavailable", message: `Cannot store the blocks: ${cause}` };
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
