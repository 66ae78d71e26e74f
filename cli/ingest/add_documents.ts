/** Carries out `submind add`: finds files, compares them with what is in the mesh, publishes the difference. */
import type { Clock, Random } from "../../platform/ports.ts";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { NodeClient } from "../client.ts";
import { type Placement, rootTag, sha256Hex, sourceTag } from "./draft.ts";
import { currentParts } from "./current_parts.ts";
import { planChanges } from "./plan.ts";
import { createPublisher } from "./publish.ts";
import { readDocument } from "./read_document.ts";
import {
  DEFAULT_WALK_LIMITS,
  type FoundFile,
  type Skipped,
  type SkipReason,
  unreadable,
  walk,
} from "./walk.ts";

/** Something a person named on the command line. */
export type AddTarget =
  /** An absolute path with symbolic links resolved. */
  | { readonly type: "path"; readonly path: string }
  /** Standard input; with a name it replaces what was added under that name before. */
  | { readonly type: "stdin"; readonly name: string | null };

export interface AddOptions {
  readonly client: NodeClient;
  readonly clock: Clock;
  /** For idempotency keys that no other run has used. */
  readonly random: Random;
  readonly placement: Placement;
  readonly fileBytesMax: number;
  readonly hidden: boolean;
  /** Also remove what came from files that are gone. */
  readonly prune: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, what: string) => void;
}

/** What happened; the JSON of `submind add --json`. */
export interface AddSummary {
  /** False when nothing failed. Skipped files do not count as failure, unreadable and damaged ones do. */
  readonly failed: boolean;
  readonly files: number;
  /** Blocks. */
  readonly added: number;
  readonly superseded: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Files that were added before and are not there any more; their blocks stay, because `prune` was not chosen. */
  readonly goneFiles: number;
  /** Read from files. */
  readonly bytes: number;
  readonly ms: number;
  readonly skippedCounts: Readonly<Partial<Record<SkipReason, number>>>;
  /** Files that could not be read or understood, at most 100. */
  readonly problems: readonly Skipped[];
}

const PROBLEMS_MAX = 100;
const STDIN_ROOT = "standard input";

interface Job {
  readonly rootTag: string;
  readonly name: string;
  readonly path: string;
  read(): Promise<Uint8Array>;
}

/** Adds everything the targets name. Throws `CliError` when the node refuses or is gone; what was published stays. */
export async function addDocuments(
  targets: readonly AddTarget[],
  options: AddOptions,
): Promise<AddSummary> {
  const startedMs = options.clock.monotonicMs();
  const { deviceId } = await options.client.status();
  const skipped: Skipped[] = [];
  const count = {
    files: 0,
    added: 0,
    superseded: 0,
    removed: 0,
    unchanged: 0,
    goneFiles: 0,
    bytes: 0,
  };
  const nonce = options.random.bytes(8).toHex();
  const publisher = createPublisher(options.client, nonce);

  for (const target of targets) {
    const { jobs, root } = await jobsOf(target, `${deviceId} `, options, skipped);
    const existing = await currentParts(options.client, {
      author: deviceId,
      rootTag: root,
      topic: options.placement.topic,
    });
    const seen = new Set<string>();
    for (const [index, job] of jobs.entries()) {
      if (options.signal.aborted) break;
      options.onProgress(index, jobs.length, job.name);
      const outcome = await readJob(job, options.placement);
      if (outcome.type === "skipped") {
        skipped.push(outcome);
        if (outcome.reason !== "empty") seen.add(sourceTag(job.name));
        continue;
      }
      const tag = sourceTag(job.name);
      seen.add(tag);
      const plan = planChanges(existing.get(tag) ?? [], outcome.drafts, publisher.payloadHash);
      await publisher.publish(plan.drafts);
      count.files++;
      count.bytes += outcome.bytes;
      count.added += plan.added;
      count.superseded += plan.superseded;
      count.removed += plan.removed;
      count.unchanged += plan.unchanged;
    }
    if (target.type === "path" && !options.signal.aborted) {
      for (const [tag, parts] of existing) {
        if (seen.has(tag)) continue;
        if (!options.prune) {
          count.goneFiles++;
          continue;
        }
        const plan = planChanges(parts, []);
        await publisher.publish(plan.drafts);
        count.removed += plan.removed;
      }
    }
  }
  await publisher.flush();
  const problems = skipped.filter((entry) => ["unreadable", "damaged"].includes(entry.reason));
  return {
    failed: problems.length > 0,
    ...count,
    ms: Math.round(options.clock.monotonicMs() - startedMs),
    skippedCounts: countReasons(skipped),
    problems: problems.slice(0, PROBLEMS_MAX),
  };
}

async function jobsOf(
  target: AddTarget,
  device: string,
  options: AddOptions,
  skipped: Skipped[],
): Promise<{ readonly jobs: readonly Job[]; readonly root: string }> {
  if (target.type === "stdin") {
    const bytes = await readAll(Deno.stdin.readable, options.fileBytesMax);
    // Without a name every input is a source of its own: nothing that came before is replaced.
    const name = target.name ?? `stdin-${sha256Hex(bytes).slice(0, 16)}`;
    const root = rootTag(device + STDIN_ROOT);
    const job = { rootTag: root, name, path: "-", read: () => Promise.resolve(bytes) };
    return { jobs: [job], root };
  }
  const root = rootTag(device + target.path);
  const limits = { ...DEFAULT_WALK_LIMITS, fileBytesMax: options.fileBytesMax };
  const files: FoundFile[] = [];
  for (const entry of walk(target.path, { limits, hidden: options.hidden })) {
    if (entry.type === "file") files.push(entry);
    else skipped.push(entry);
  }
  const jobs = files.map(({ name, path }) => ({
    rootTag: root,
    name,
    path,
    read: () => Deno.readFile(path),
  }));
  return { jobs, root };
}

type JobOutcome =
  | { readonly type: "read"; readonly drafts: readonly BlockDraft[]; readonly bytes: number }
  | Skipped;

async function readJob(job: Job, placement: Placement): Promise<JobOutcome> {
  let bytes: Uint8Array;
  try {
    bytes = await job.read();
  } catch (error) {
    return unreadable(job.path, error);
  }
  const outcome = await readDocument({ name: job.name, rootTag: job.rootTag, bytes }, placement);
  return outcome.type === "read"
    ? { ...outcome, bytes: bytes.length }
    : { ...outcome, path: job.path };
}

async function readAll(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new RangeError(`standard input has more than ${bytesMax} bytes, expected at most that`);
    }
    parts.push(part);
  }
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function countReasons(skipped: readonly Skipped[]): Partial<Record<SkipReason, number>> {
  const counts: Partial<Record<SkipReason, number>> = {};
  for (const { reason } of skipped) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
