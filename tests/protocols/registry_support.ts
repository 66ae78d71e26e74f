/** Writes registry blocks for tests as a handful of devices would, each with its own log. */
import type { Block } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import { type BlockId, type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { DEFAULT_PERMISSIONS, type Permission, type Role } from "../../protocols/registry/roles.ts";
import {
  encodeFounding,
  encodeStatement,
  MEMBER_MEDIA_TYPE,
  type MemberStatement,
} from "../../protocols/registry/statement.ts";
import { testCrypto, testSigner } from "./blocks_support.ts";

/** One device with a log of its own. Number 0 founds. */
export interface TestDevice {
  readonly id: DeviceId;
  readonly number: number;
}

export class TestMesh {
  readonly founding: Block;
  readonly mesh: MeshId;
  readonly blocks: Block[] = [];
  readonly #heads = new Map<number, { readonly sequence: number; readonly id: BlockId }>();

  constructor() {
    const body = encodeFounding({ displayName: "Founder", salt: new Uint8Array(16).fill(9) });
    this.founding = createBlock({
      mesh: null,
      sequence: 1,
      previous: null,
      parents: [],
      kind: "founding",
      target: null,
      topic: "registry",
      tags: [],
      mediaType: "application/vnd.kiana.founding+cbor",
      timeMs: 1_790_000_000_000,
      bodyBytes: body.length,
      payload: body,
      signer: signerOf(0),
      crypto: testCrypto,
    });
    this.mesh = this.founding.id as MeshId;
    this.blocks.push(this.founding);
    this.#heads.set(0, { sequence: 1, id: this.founding.id });
  }

  device(number: number): TestDevice {
    return { id: deviceIdOf(signerOf(number).publicKey), number };
  }

  /** Skips to a sequence, as if the device had written other blocks in between. */
  skipTo(by: number, sequence: number): void {
    this.#heads.set(by, { sequence: sequence - 1, id: "44".repeat(32) as BlockId });
  }

  /** The sequence of the device's newest block. */
  sequenceOf(by: number): number {
    return this.#heads.get(by)?.sequence ?? 0;
  }

  state(by: number, statement: MemberStatement, parents: readonly Block[] = []): Block {
    const head = this.#heads.get(by);
    const body = encodeStatement(statement);
    const block = createBlock({
      mesh: this.mesh,
      sequence: (head?.sequence ?? 0) + 1,
      previous: head?.id ?? null,
      parents: parents.map((parent) => parent.id),
      kind: "member",
      target: null,
      topic: "registry",
      tags: [],
      mediaType: MEMBER_MEDIA_TYPE,
      timeMs: 1_790_000_000_000 + this.blocks.length,
      bodyBytes: body.length,
      payload: body,
      signer: signerOf(by),
      crypto: testCrypto,
    });
    this.#heads.set(by, { sequence: block.header.sequence, id: block.id });
    this.blocks.push(block);
    return block;
  }

  add(by: number, device: number, options: {
    readonly role?: Role;
    readonly permissions?: readonly Permission[];
    readonly incarnation?: number;
    readonly parents?: readonly Block[];
  } = {}): Block {
    const role = options.role ?? "submind";
    return this.state(by, {
      action: "add",
      device: this.device(device).id,
      incarnation: options.incarnation ?? 1,
      displayName: `Device ${device}`,
      role,
      permissions: options.permissions ?? DEFAULT_PERMISSIONS[role],
      trust: "normal",
    }, options.parents);
  }

  update(by: number, device: number, options: {
    readonly role?: Role;
    readonly permissions?: readonly Permission[];
    readonly incarnation?: number;
    readonly version?: number;
    readonly afterSequence?: number;
    readonly displayName?: string;
  } = {}): Block {
    const role = options.role ?? "submind";
    return this.state(by, {
      action: "update",
      device: this.device(device).id,
      incarnation: options.incarnation ?? 1,
      version: options.version ?? 2,
      afterSequence: options.afterSequence ?? 0,
      displayName: options.displayName ?? `Device ${device}`,
      role,
      permissions: options.permissions ?? DEFAULT_PERMISSIONS[role],
      trust: "normal",
    });
  }

  revoke(by: number, device: number, options: {
    readonly upTo?: number;
    readonly incarnation?: number;
    readonly parents?: readonly Block[];
  } = {}): Block {
    return this.state(by, {
      action: "revoke",
      device: this.device(device).id,
      incarnation: options.incarnation ?? 1,
      validUpToSequence: options.upTo ?? this.sequenceOf(device),
    }, options.parents);
  }
}

const signers = new Map<number, ReturnType<typeof testSigner>>();

export function signerOf(number: number): ReturnType<typeof testSigner> {
  let signer = signers.get(number);
  if (signer === undefined) signers.set(number, signer = testSigner(number + 1));
  return signer;
}
