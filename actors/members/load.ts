/**
 * The registry on disk. Registry blocks live in the store like all others, but a joiner gets them before the logs they belong to, and the
 * store takes logs only without gaps. Until sync has brought those, copies are kept in the settings: a device must know
 * its mesh again after a restart, however early that comes. The founding block and the first of the others are kept there for
 * good: when their rows are damaged, a device must still know whom to ask for them.
 */
import type { Crypto } from "../../platform/ports.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { decodeBlock } from "../../protocols/blocks/decode.ts";
import { encodeBlock, signedMessageOf } from "../../protocols/blocks/encode.ts";
import {
  type BlockId,
  type DeviceId,
  type MeshId,
  parseMeshId,
  shortId,
} from "../../protocols/ids.ts";
import { foldRegistry, type RegistryFold } from "../../protocols/registry/fold.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import { decodeFounding, decodeStatement } from "../../protocols/registry/statement.ts";
import type { Store } from "../../store/store.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { LoadedRegistry } from "./commands.ts";

/** The settings key that names the mesh this device belongs to. */
export const MESH_KEY = "mesh";
const COPY_PREFIX = "registry/";
/** Copies kept for good, at most: enough members to find one who has the rest. About 600 bytes each. */
export const KEPT_COPIES_MAX = 256;
/** Registry blocks accepted in one `joinMesh`. */
export const JOIN_BLOCKS_MAX = 10_000;

export interface RegistryOnDisk {
  readonly self: DeviceId;
  readonly crypto: Pick<Crypto, "sha256Hex" | "verifyMany">;
  readonly store: Pick<Store, "blocks" | "settings">;
}

/** Task: reads the mesh and its registry blocks. A founding block of ours counts even if a crash came before its mesh was noted. */
export async function loadRegistry(disk: RegistryOnDisk): Promise<LoadedRegistry> {
  const { store, self } = disk;
  const stored = await store.blocks.ofKinds(["founding", "member"]);
  const noted = await store.settings.get(MESH_KEY);
  let mesh = typeof noted === "string" ? parseMeshId(noted) ?? null : null;
  if (mesh === null) {
    const ours = stored.find(({ header }) => header.kind === "founding" && header.author === self);
    if (ours !== undefined) {
      mesh = ours.id as MeshId;
      await store.settings.set({ [MESH_KEY]: mesh });
    }
  }
  // A row whose payload was set aside says nothing: its copy does.
  const inStore = new Set(stored.filter(({ payload }) => payload !== null).map(({ id }) => id));
  const copies: BlockId[] = [];
  const onlyCopies: Block[] = [];
  for (const [, value] of await store.settings.entries(COPY_PREFIX)) {
    const decoded = decodeBlock(Uint8Array.fromBase64(String(value)), disk.crypto);
    if (!decoded.ok) continue;
    copies.push(decoded.block.id);
    if (!inStore.has(decoded.block.id)) onlyCopies.push(decoded.block);
  }
  return {
    mesh,
    blocks: [...stored.filter(({ id }) => inStore.has(id)), ...onlyCopies],
    copies,
    onlyCopies: onlyCopies.map(({ id }) => id),
  };
}

/** Task: notes that this device belongs to the mesh of this founding block. */
export async function saveMesh(disk: RegistryOnDisk, founding: Block): Promise<void> {
  await disk.store.settings.set({ [MESH_KEY]: founding.id, ...copiesOf([founding]) });
}

/** What is to change among the copies. */
export interface CopyChanges {
  readonly add: readonly Block[];
  readonly drop: readonly BlockId[];
}

/**
 * Which copies to make and which to drop, so that the first `KEPT_COPIES_MAX` blocks of the fold and whatever the store lacks
 * have one; null when that is so.
 */
export function planCopies(
  fold: RegistryFold,
  copies: ReadonlySet<BlockId>,
  onlyCopies: ReadonlySet<BlockId>,
): CopyChanges | null {
  const { founding, entries } = fold;
  const add: Block[] = [];
  if (founding !== null && !copies.has(founding.block.id)) add.push(founding.block);
  if (copies.size < KEPT_COPIES_MAX) {
    for (const { block } of entries.values()) {
      if (copies.size + add.length >= KEPT_COPIES_MAX) break;
      if (!copies.has(block.id)) add.push(block);
    }
  }
  const surplus = copies.size + add.length - KEPT_COPIES_MAX;
  const drop = surplus <= 0
    ? []
    : [...copies].filter((id) => !onlyCopies.has(id) && id !== founding?.block.id).slice(-surplus);
  return add.length === 0 && drop.length === 0 ? null : { add, drop };
}

/** Task: makes and drops copies in one transaction. */
export async function changeCopies(disk: RegistryOnDisk, changes: CopyChanges): Promise<void> {
  await disk.store.settings.set({
    ...copiesOf(changes.add),
    ...Object.fromEntries(changes.drop.map((id) => [COPY_PREFIX + id, undefined])),
  });
}

function copiesOf(blocks: readonly Block[]): Record<string, string> {
  return Object.fromEntries(
    blocks.map((block) => [COPY_PREFIX + block.id, encodeBlock(block).toBase64()]),
  );
}

/** Task: checks everything an inviter gave us, then makes it durable together with the mesh in one transaction. Nothing is kept of what fails. */
export async function settleJoin(
  disk: RegistryOnDisk,
  mesh: MeshId,
  blocks: readonly Block[],
): Promise<Outcome<MeshId>> {
  const problem = await problemOfJoin(disk, mesh, blocks);
  if (problem !== undefined) {
    const refusal: Refusal = {
      type: "refused",
      reason: "invalid",
      message: `Cannot join mesh ${shortId(mesh)}: ${problem}. Pair the devices again`,
    };
    return refusal;
  }
  await disk.store.settings.set({ [MESH_KEY]: mesh, ...copiesOf(blocks) });
  return { type: "done", value: mesh };
}

async function problemOfJoin(
  disk: RegistryOnDisk,
  mesh: MeshId,
  blocks: readonly Block[],
): Promise<string | undefined> {
  if (blocks.length > JOIN_BLOCKS_MAX) {
    return `its registry has ${blocks.length} blocks, expected at most ${JOIN_BLOCKS_MAX}`;
  }
  for (const block of blocks) {
    const { header, payload } = block;
    const read = payload === null
      ? undefined
      : header.kind === "founding"
      ? decodeFounding(payload)
      : header.kind === "member"
      ? decodeStatement(payload)
      : undefined;
    if (read === undefined || !read.ok) return `block ${shortId(block.id)} is no registry block`;
    if ((header.mesh ?? block.id) !== mesh) {
      return `block ${shortId(block.id)} belongs to another mesh`;
    }
  }
  const valid = await disk.crypto.verifyMany(blocks.map(signedMessageOf));
  const wrong = blocks.find((_, i) => valid[i] !== true);
  if (wrong !== undefined) return `block ${shortId(wrong.id)} has a wrong signature`;
  const registry = foldRegistry(mesh, blocks);
  if (registry === null) return "its founding block is missing";
  return isAdmitted(registry, disk.self) ? undefined : "its registry does not admit this device";
}
