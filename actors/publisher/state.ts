/** What the publisher knows. Shared by its files; nobody else needs it. */
import type { Block, Frontier } from "../../protocols/blocks/block.ts";
import type { UnsignedBlock } from "../../protocols/blocks/encode.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { BatchSigner, Crypto } from "../../platform/ports.ts";
import type { Store } from "../../store/store.ts";
import type { Outcome } from "../handle.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { StorageCommand } from "../storage/commands.ts";
import type { PublisherCommand } from "./commands.ts";
import type { PreparedDrafts } from "./prepare.ts";

export interface PublisherDependencies {
  readonly self: DeviceId;
  readonly crypto: Crypto;
  readonly signer: BatchSigner;
  readonly store: Pick<Store, "blocks" | "settings">;
  readonly storage: Ref<StorageCommand>;
}

/** One request on its way: prepared outside, chunks stored, given its place in turn, signed, stored in turn. */
export interface Job {
  readonly id: number;
  readonly command: Extract<PublisherCommand, { type: "publish" }>;
  /** Everyone who asked with this idempotency key. */
  readonly replies: Ref<Outcome<readonly Block[]>>[];
  prepared: PreparedDrafts | null;
  /** `waiting`: until the log's end is known. `signed`: until what comes before it is signed, too. */
  phase: "waiting" | "preparing" | "storingChunks" | "ready" | "signing" | "signed" | "storing";
  /** From `signing` on: they have their place. */
  unsigned: readonly UnsignedBlock[];
  /** From `signed` on. */
  blocks: readonly Block[];
}

export interface PublisherState {
  phase: "loading" | "open" | "restored";
  registry: Registry | null;
  head: Frontier | null;
  /** In the order asked. */
  jobs: Job[];
  nextJobId: number;
  /** Reads of the log's end that have failed since the last that did not. */
  failures: number;
}

export type PublisherContext = Context<PublisherCommand>;
