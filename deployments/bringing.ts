/**
 * Brings the content of a mesh that was left into the mesh this device belongs to now: its own current blocks, oldest first,
 * published anew under the same topics, tags and media types. Old blocks cannot be copied: each is signed for its mesh.
 *
 * Each batch carries a key made of the old mesh and sequence, and progress is noted after it: a crash repeats at most a
 * batch, and the publisher recognises a repeated one (for 24 hours).
 */
import { basename } from "node:path";
import type { NodeHandle, Outcome } from "../actors/handle.ts";
import { readBody } from "../actors/block_views.ts";
import type { Clock, Crypto, Log } from "../platform/ports.ts";
import type { BlockDraft } from "../protocols/blocks/block.ts";
import type { BlockId } from "../protocols/ids.ts";
import { openSqliteStore } from "../store/sqlite_store.ts";
import type { Store } from "../store/store.ts";
import {
  type BringProgress,
  finishBringing,
  meshesToBring,
  readBringProgress,
  writeBringProgress,
} from "./leaving.ts";

/** One request to the publisher. */
const BATCH_DRAFTS_MAX = 50;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** How long to wait for a mesh, or for a passing reason not to take a batch, before looking again, ms. */
const RETRY_MS = 2_000;
/** Refusals that pass by themselves. */
const PASSING: readonly string[] = ["busy", "unavailable", "noMesh"];

export interface BringingOptions {
  readonly dataDirectory: string;
  readonly node: Pick<NodeHandle, "deviceId" | "status" | "addBlocks" | "subscribe">;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly log: Log;
}

interface Running extends BringingOptions {
  readonly stopped: () => boolean;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * Starts to bring along what is waiting, as soon as this device belongs to a mesh. Without anything waiting it does nothing.
 *
 * @returns a function that stops it and resolves when it has; the next start goes on where it was
 */
export function startBringing(options: BringingOptions): () => Promise<void> {
  let stopped = false;
  let wake = () => {};
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      if (stopped) return resolve();
      const cancel = options.clock.schedule(ms, () => wake());
      wake = () => {
        cancel();
        resolve();
      };
    });
  const unsubscribe = options.node.subscribe((event) => {
    if (event.type === "meshJoined") wake();
  });
  const done = bringAll({ ...options, stopped: () => stopped, sleep }).catch((error) => {
    // What is not brought yet stays where it is; the next start tries again.
    if (!stopped) {
      options.log.write("error", "Cannot bring content along", { error: String(error) });
    }
  });
  return async () => {
    stopped = true;
    unsubscribe();
    wake();
    await done;
  };
}

async function bringAll(running: Running): Promise<void> {
  const folders = await meshesToBring(running.dataDirectory);
  if (folders.length === 0) return;
  while (!running.stopped() && (await running.node.status()).mesh === null) {
    await running.sleep(RETRY_MS);
  }
  for (const folder of folders) {
    if (running.stopped()) return;
    const store = await openSqliteStore({ directory: folder, crypto: running.crypto });
    try {
      if (await bringFrom(running, store, folder)) await finishBringing(folder);
    } finally {
      await store.close();
    }
  }
}

/** True when everything was brought, false when it was stopped. */
async function bringFrom(running: Running, store: Store, folder: string): Promise<boolean> {
  let progress = await readBringProgress(folder);
  if (progress === null) return false;
  const { sequence } = progress;
  const waiting = (await ownCurrent(running, store)).filter((one) => one.sequence > sequence);
  for (let from = 0; from < waiting.length;) {
    const batch = await nextBatch(store, waiting, from);
    const first = waiting[from]?.sequence ?? 0;
    const key = `bring-${basename(folder)}-${first}`;
    const outcome = batch.drafts.length === 0 ? null : await publish(running, batch.drafts, key);
    if (running.stopped() && outcome?.type !== "done") return false;
    const published = outcome === null ? 0 : batch.drafts.length;
    if (outcome?.type === "refused") {
      throw new Error(`the mesh refused content: ${outcome.message}`);
    }
    from = batch.to;
    progress = {
      version: 1,
      sequence: waiting[from - 1]?.sequence ?? progress.sequence,
      brought: progress.brought + published,
      leftBehind: progress.leftBehind + batch.incomplete,
    };
    await writeBringProgress(folder, progress);
  }
  report(running, progress, folder);
  return true;
}

function report({ log }: Running, progress: BringProgress, folder: string): void {
  const { brought, leftBehind } = progress;
  log.write("info", "content of the mesh that was left is here", { folder, brought, leftBehind });
}

interface Waiting {
  readonly id: BlockId;
  readonly sequence: number;
}

/** Our own blocks with content that nothing replaces, oldest first. */
async function ownCurrent(running: Running, store: Store): Promise<readonly Waiting[]> {
  const found: Waiting[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Store["blocks"]["list"]>> = await store.blocks.list({
      author: running.node.deviceId,
      kinds: ["put", "supersede"],
      currentOnly: true,
      limit: 500,
      ...(cursor === null ? {} : { cursor }),
    });
    for (const { id, header } of page.blocks) found.push({ id, sequence: header.sequence });
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found.sort((left, right) => left.sequence - right.sequence);
}

interface Batch {
  readonly drafts: readonly BlockDraft[];
  readonly incomplete: number;
  /** Position after the last block that was looked at. */
  readonly to: number;
}

async function nextBatch(store: Store, waiting: readonly Waiting[], from: number): Promise<Batch> {
  const drafts: BlockDraft[] = [];
  let [incomplete, bytes, to] = [0, 0, from];
  for (; to < waiting.length && drafts.length < BATCH_DRAFTS_MAX; to++) {
    const [block] = await store.blocks.get([waiting[to]!.id]);
    if (block !== undefined && drafts.length > 0) {
      if (bytes + block.header.bodyBytes > BATCH_BYTES_MAX) break;
    }
    const body = block === undefined ? null : await readBody(store, block.id);
    if (block === undefined || body?.type !== "done") {
      incomplete++;
      continue;
    }
    const { topic, tags, mediaType, bodyBytes } = block.header;
    bytes += bodyBytes;
    drafts.push({ kind: "put", topic, tags, mediaType, body: await bytesOf(body.value) });
  }
  return { drafts, incomplete, to };
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function publish(
  running: Running,
  drafts: readonly BlockDraft[],
  key: string,
): Promise<Outcome<unknown> | null> {
  while (!running.stopped()) {
    const outcome = await running.node.addBlocks(drafts, key);
    if (outcome.type === "done" || !PASSING.includes(outcome.reason)) return outcome;
    await running.sleep(RETRY_MS);
  }
  return null;
}
