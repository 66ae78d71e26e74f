/** What the members actor knows: a plain value that checkers can read. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import type { RegistryFold } from "../../protocols/registry/fold.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Ref } from "../kernel/actor.ts";
import type { Request } from "./answers.ts";

/** A request that changes the registry, under way or waiting. */
export interface Operation {
  readonly id: number;
  readonly request: Request;
  /** The mesh we have just founded, while it is being noted. */
  founded: Block | null;
  /** Whom the publisher answers, while it is asked. */
  reply: Ref<never> | null;
}

export interface MembersState {
  phase: "loading" | "ready";
  fold: RegistryFold | null;
  registry: Registry | null;
  /** Blocks with a copy beside the store, see `load.ts`. */
  copies: Set<BlockId>;
  /** Those of them that the store does not have. */
  onlyCopies: Set<BlockId>;
  changingCopies: boolean;
  /** The first is under way, unless still loading. */
  operations: Operation[];
  nextOperationId: number;
  /** What came while loading. */
  early: Block[];
  askedEarly: Ref<Registry | null>[];
}
