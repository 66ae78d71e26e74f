/**
 * The storage actor: the single writer of blocks and chunks.
 *
 * Invariants:
 * - One commit of blocks at a time; what comes meanwhile waits and goes together into the next one (group commit).
 * - Commands are answered in the order in which they came, after their blocks are durable or have failed.
 * - A commit that fails has stored nothing, and everyone in it hears so.
 * - What waits is bounded: beyond `WAITING_COMMANDS_MAX` or `WAITING_BYTES_MAX` a command fails at once.
 */
import { INLINE_BODY_BYTES_MAX } from "../../protocols/blocks/block.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import type { PutOutcome, Store } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { Behaviour, Context, TaskOutcome } from "../kernel/actor.ts";
import {
  type BlocksCommitted,
  blocksCommitted,
  type CommitResult,
  type StorageCommand,
} from "./commands.ts";
import {
  type IndexState,
  onChunksHere,
  onIndexDue,
  onIndexed,
  scheduleIndexing,
} from "./indexing.ts";

/** Blocks in one commit at most, unless one command has more. */
export const COMMIT_BLOCKS_MAX = 1_000;
/** Bytes of blocks or chunks in one commit at most, unless one command has more. */
export const COMMIT_BYTES_MAX = 8 * 1024 * 1024;
export const WAITING_COMMANDS_MAX = 8_192;
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

type StoreBlocks = Extract<StorageCommand, { type: "storeBlocks" }>;
type StoreChunks = Extract<StorageCommand, { type: "storeChunks" }>;
type Ctx = Context<StorageCommand>;

export interface StorageDependencies {
  readonly store: Store;
}

/** Commands on their way to the disk. */
interface Writes<Command> {
  waiting: Command[];
  /** Bytes that wait or are being committed. */
  bytes: number;
  /** What the commit under way holds; null when there is none. */
  committing: readonly Command[] | null;
}

export interface StorageState {
  readonly blocks: Writes<StoreBlocks>;
  readonly chunks: Writes<StoreChunks>;
  readonly index: IndexState;
  /** The last failure that people were told of; null when the last commit succeeded. */
  failure: string | null;
}

/** The behaviour of the storage actor. */
export function storage(deps: StorageDependencies): Behaviour<StorageCommand, StorageState> {
  return {
    name: "storage",
    init(context) {
      const state: StorageState = {
        blocks: { waiting: [], bytes: 0, committing: null },
        chunks: { waiting: [], bytes: 0, committing: null },
        index: { phase: "idle", deferred: new Map(), cameMeanwhile: new Set() },
        failure: null,
      };
      // What a crash or an upgrade has left without an index.
      scheduleIndexing(context, state.index);
      return state;
    },
    receive(context, state, command) {
      switch (command.type) {
        case "storeBlocks":
          return onStoreBlocks(context, state, deps, command);
        case "storeChunks":
          return onStoreChunks(context, state, deps, command);
        case "committed":
          return onCommitted(context, state, deps, command.outcome);
        case "chunksCommitted":
          return onChunksCommitted(context, state, deps, command.outcome);
        case "indexDue":
          return onIndexDue(context, state.index, deps.store);
        case "indexed":
          return onIndexed(context, state.index, deps.store, command.outcome);
        default:
          command satisfies never;
      }
    },
  };
}

function onStoreBlocks(
  context: Ctx,
  state: StorageState,
  deps: StorageDependencies,
  command: StoreBlocks,
): void {
  if (!enqueue(context, state.blocks, command, bytesOfBlocks(command))) return;
  commitBlocks(context, state, deps);
}

function onStoreChunks(
  context: Ctx,
  state: StorageState,
  deps: StorageDependencies,
  command: StoreChunks,
): void {
  if (!enqueue(context, state.chunks, command, bytesOfChunks(command))) return;
  commitChunks(context, state, deps);
}

/** Lets a command wait; false when it was refused because too much waits already. */
function enqueue<Command extends StoreBlocks | StoreChunks>(
  context: Ctx,
  writes: Writes<Command>,
  command: Command,
  bytes: number,
): boolean {
  const tooMany = writes.waiting.length >= WAITING_COMMANDS_MAX;
  if (tooMany || (writes.bytes > 0 && writes.bytes + bytes > WAITING_BYTES_MAX)) {
    const error = new Error("Cannot store: the disk does not keep up, too much is waiting");
    answerFailed(context, command, error);
    return false;
  }
  writes.waiting.push(command);
  writes.bytes += bytes;
  return true;
}

function commitBlocks(context: Ctx, state: StorageState, deps: StorageDependencies): void {
  const { blocks: writes } = state;
  if (writes.committing !== null || writes.waiting.length === 0) return;
  const batch = takeBatch(writes, (command) => command.blocks.length, bytesOfBlocks);
  writes.committing = batch;
  context.perform(
    async (): Promise<CommitResult> => {
      const setAside = new Set((await deps.store.blocks.missing()).map(({ id }) => id));
      const flat = await deps.store.blocks.put(batch.flatMap((command) => command.blocks));
      const repaired = flat.filter(({ type, id }) => type === "stored" && setAside.has(id));
      return { outcomes: split(flat, batch), repaired: repaired.map(({ id }) => id) };
    },
    (outcome) => ({ type: "committed", outcome }),
  );
}

function commitChunks(context: Ctx, state: StorageState, deps: StorageDependencies): void {
  const { chunks: writes } = state;
  if (writes.committing !== null || writes.waiting.length === 0) return;
  const batch = takeBatch(writes, (command) => command.chunks.length, bytesOfChunks);
  writes.committing = batch;
  context.perform(
    () => deps.store.chunks.put(batch.flatMap((command) => command.chunks)),
    (outcome) => ({ type: "chunksCommitted", outcome }),
  );
}

/** The oldest commands that fit into one commit; at least one. */
function takeBatch<Command>(
  writes: Writes<Command>,
  itemsOf: (command: Command) => number,
  bytesOf: (command: Command) => number,
): Command[] {
  let items = 0;
  let bytes = 0;
  let count = 0;
  for (const command of writes.waiting) {
    items += itemsOf(command);
    bytes += bytesOf(command);
    if (count > 0 && (items > COMMIT_BLOCKS_MAX || bytes > COMMIT_BYTES_MAX)) break;
    count++;
  }
  return writes.waiting.splice(0, count);
}

function onCommitted(
  context: Ctx,
  state: StorageState,
  deps: StorageDependencies,
  outcome: TaskOutcome<CommitResult>,
): void {
  const batch = finish(state.blocks, bytesOfBlocks);
  if (outcome.ok) announce(context, state, batch, outcome.value);
  batch.forEach((command, i) => {
    if (!outcome.ok) return answerFailed(context, command, outcome.error);
    const outcomes = outcome.value.outcomes[i]!;
    context.send(command.replyTo, { type: "blocksStored", token: command.token, outcomes });
  });
  noteHealth(context, state, outcome);
  commitBlocks(context, state, deps);
}

function onChunksCommitted(
  context: Ctx,
  state: StorageState,
  deps: StorageDependencies,
  outcome: TaskOutcome<void>,
): void {
  const here: ContentHash[] = [];
  for (const command of finish(state.chunks, bytesOfChunks)) {
    if (!outcome.ok) {
      answerFailed(context, command, outcome.error);
      continue;
    }
    const hashes = command.chunks.map(({ hash }) => hash);
    context.send(command.replyTo, { type: "chunksStored", token: command.token, hashes });
    here.push(...hashes);
  }
  onChunksHere(context, state.index, here);
  noteHealth(context, state, outcome);
  commitChunks(context, state, deps);
}

function finish<Command>(
  writes: Writes<Command>,
  bytesOf: (command: Command) => number,
): readonly Command[] {
  const batch = writes.committing ?? [];
  writes.committing = null;
  for (const command of batch) writes.bytes -= bytesOf(command);
  return batch;
}

/** Tells everyone what is durable now. */
function announce(
  context: Ctx,
  state: StorageState,
  batch: readonly StoreBlocks[],
  { outcomes, repaired }: CommitResult,
): void {
  const committed: BlocksCommitted["blocks"][number][] = [];
  const ownTwins: BlockId[] = [];
  batch.forEach(({ blocks, receivedFrom }, i) => {
    blocks.forEach((block, k) => {
      const { type } = outcomes[i]![k]!;
      const { author, sequence, kind, topic, bodyBytes } = block.header;
      const { id } = block;
      if (type === "stored" || type === "completed") {
        committed.push({ block, receivedFrom, completed: type === "completed" });
      }
      if (type === "stored") {
        context.publish(nodeEvents, {
          type: "blockStored",
          id,
          author,
          sequence,
          kind,
          topic,
          bodyBytes,
          receivedFrom,
        });
      } else if (type === "completed" && bodyBytes <= INLINE_BODY_BYTES_MAX) {
        // Of larger bodies only the list of chunks has come; sync announces them when the chunks are here.
        context.publish(nodeEvents, { type: "bodyCompleted", id });
      } else if (type === "equivocation") {
        context.publish(nodeEvents, { type: "equivocationFound", author, sequence });
        if (receivedFrom === null) ownTwins.push(id);
      }
    });
  });
  for (const key of repaired) {
    context.publish(nodeEvents, { type: "damageRepaired", table: "blocks", key });
  }
  if (committed.length + ownTwins.length === 0) return;
  const twins = ownTwins.length === 0 ? {} : { ownTwins };
  context.publish(blocksCommitted, { blocks: committed, ...twins });
  scheduleIndexing(context, state.index);
}

/** Warns when commits begin to fail, and again when they fail otherwise; not for each one. */
function noteHealth(context: Ctx, state: StorageState, outcome: TaskOutcome<unknown>): void {
  const failure = outcome.ok ? null : textOf(outcome.error);
  if (failure !== null && failure !== state.failure) {
    context.publish(nodeEvents, { type: "warning", source: "storage", message: failure });
  }
  state.failure = failure;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint: unknown = "hint" in error ? error.hint : undefined;
  return typeof hint === "string" ? `${error.message}. ${hint}` : error.message;
}

function answerFailed(context: Ctx, command: StoreBlocks | StoreChunks, error: unknown): void {
  const { token } = command;
  if (command.type === "storeBlocks") {
    context.send(command.replyTo, { type: "storeFailed", token, error });
  } else context.send(command.replyTo, { type: "storeFailed", token, error });
}

function split(
  outcomes: readonly PutOutcome[],
  batch: readonly StoreBlocks[],
): (readonly PutOutcome[])[] {
  let from = 0;
  return batch.map(({ blocks }) => outcomes.slice(from, from += blocks.length));
}

const bytesByCommand = new WeakMap<StoreBlocks, number>();

/** Asked when a command comes, goes to the disk and is done: counted once. */
function bytesOfBlocks(command: StoreBlocks): number {
  let bytes = bytesByCommand.get(command);
  if (bytes !== undefined) return bytes;
  bytes = 0;
  for (const { headerBytes, payload } of command.blocks) {
    bytes += headerBytes.length + (payload?.length ?? 0);
  }
  bytesByCommand.set(command, bytes);
  return bytes;
}

function bytesOfChunks({ chunks }: StoreChunks): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
