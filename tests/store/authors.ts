/** Authors who write real, signed blocks for store tests; equal names give equal keys. */
import { createHash } from "node:crypto";
import { type Block, type BlockKind, CHUNK_BYTES } from "../../protocols/blocks/block.ts";
import { splitBody } from "../../protocols/blocks/body.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import {
  type BlockId,
  type ContentHash,
  type DeviceId,
  deviceIdOf,
  type MeshId,
} from "../../protocols/ids.ts";
import type { Crypto, Signer } from "../../platform/ports.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";

export const testCrypto: Crypto = nodeCrypto();

const MESH = "ab".repeat(32) as MeshId;
const utf8 = new TextEncoder();

export interface WriteOptions {
  readonly tags?: readonly string[];
  readonly kind?: BlockKind;
  readonly topic?: string;
  readonly mediaType?: string;
  readonly target?: BlockId;
  readonly timeMs?: number;
  /** Continue after this block instead of the author's newest. */
  readonly after?: Block | null;
}

/** One author; `write` makes the next block of the log. */
export class TestAuthor {
  readonly id: DeviceId;
  readonly #signer: Signer;
  #last: Block | null = null;

  constructor(name: string) {
    const seed = createHash("sha256").update(name).digest();
    this.#signer = nodeSigner(seed);
    this.id = deviceIdOf(this.#signer.publicKey);
  }

  write(body: string | Uint8Array, options: WriteOptions = {}): Block {
    const bytes = typeof body === "string" ? utf8.encode(body) : body;
    const previous = options.after === undefined ? this.#last : options.after;
    const split = splitBody(bytes, testCrypto);
    const block = createBlock({
      mesh: MESH,
      sequence: (previous?.header.sequence ?? 0) + 1,
      previous: previous?.id ?? null,
      parents: [],
      kind: options.kind ?? "put",
      target: options.target ?? null,
      topic: options.topic ?? "notes",
      tags: options.tags ?? [],
      mediaType: options.mediaType ?? "text/plain",
      timeMs: options.timeMs ?? 1_700_000_000_000,
      bodyBytes: split.bodyBytes,
      payload: split.payload,
      signer: this.#signer,
      crypto: testCrypto,
    });
    if (options.after === undefined) this.#last = block;
    return block;
  }

  /** `count` blocks in a row. */
  writeMany(count: number, options: WriteOptions = {}): Block[] {
    return Array.from({ length: count }, (_, i) => this.write(`block ${i} of many`, options));
  }
}

/** The block as a device keeps it that does not keep its body. */
export function withoutPayload(block: Block): Block {
  return { ...block, payload: null };
}

/** A full chunk that differs by `seed`, under its hash. */
export function chunk(seed: number, bytes = CHUNK_BYTES): { hash: ContentHash; bytes: Uint8Array } {
  const content = new Uint8Array(bytes).fill(seed);
  return { hash: testCrypto.sha256(content).toHex() as ContentHash, bytes: content };
}
