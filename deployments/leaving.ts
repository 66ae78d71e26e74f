/**
 * Leaving a mesh: what a device knows of it moves to `<data>/meshes/<first 16 digits of its id>/`, identity and settings of the
 * data folder stay, and the node starts with an empty store. Nothing is ever deleted or overwritten.
 *
 * A note (`leaving.json`) is durable before anything moves, and goes when everything has: a crash at any point is
 * continued by the next start. `docs/decisions/007-leaving-a-mesh.md` says why it is done this way.
 */
import { join } from "node:path";
import { z } from "zod";
import { lockFile } from "../platform/file_lock.ts";
import { parseMeshId } from "../protocols/ids.ts";
import type { MeshId } from "../protocols/ids.ts";
import { syncFolder, writeDurably } from "../store/chunk_files.ts";
import { LOCK_FILE } from "../store/sqlite_store.ts";

/** Folder of the meshes that were left, inside the data folder. */
export const MESHES_FOLDER = "meshes";
/** In the folder of a mesh that was left: its content is still to be brought along. */
export const BRING_FILE = "bring.json";
/** In the folder of a mesh that was left: its content has been brought along. */
export const BROUGHT_FILE = "brought.json";

const LEAVING_FILE = "leaving.json";
/** The database comes last: once it lies in the new place, everything does. */
const MOVED = ["blobs", "node.db.rebuild", "node.db-shm", "node.db-wal", "node.db"];

const leavingSchema = z.strictObject({
  version: z.literal(1),
  mesh: z.string().refine((text) => parseMeshId(text) !== undefined),
  bring: z.boolean(),
  /** Settings of the device, not of the mesh: they go on in the new store. */
  settings: z.record(z.string(), z.unknown()),
});

const bringSchema = z.strictObject({
  version: z.literal(1),
  /** Blocks of ours up to this sequence have been brought. */
  sequence: z.int().nonnegative(),
  brought: z.int().nonnegative(),
  /** Not complete here, or refused for good by the new mesh. */
  leftBehind: z.int().nonnegative(),
});

/** What is to be done with the mesh that is left. */
export interface Leaving {
  readonly mesh: MeshId;
  /** Whether its content comes along into the next mesh. */
  readonly bring: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** How far bringing content along has come. */
export type BringProgress = z.output<typeof bringSchema>;

/** Where what is known of a mesh lies after it was left. */
export function leftMeshFolder(dataDirectory: string, mesh: string): string {
  return join(dataDirectory, MESHES_FOLDER, mesh.slice(0, 16));
}

/** Makes it durable that the mesh is left by the next start. */
export async function noteLeaving(dataDirectory: string, leaving: Leaving): Promise<void> {
  await replaceFile(dataDirectory, LEAVING_FILE, { version: 1, ...leaving });
}

/**
 * Carries out what was noted, before the store is opened. Returns the settings that go on, or null when nothing was noted
 * (or another process holds the folder: opening the store will say so). Call `forgetLeaving` once they are stored.
 */
export async function carryOutLeaving(
  dataDirectory: string,
): Promise<Readonly<Record<string, unknown>> | null> {
  const leaving = await readLeaving(dataDirectory);
  if (leaving === null) return null;
  const outcome = await lockFile(join(dataDirectory, LOCK_FILE));
  if (outcome.type === "busy") return null;
  try {
    const folder = leftMeshFolder(dataDirectory, leaving.mesh);
    // The new store may exist already when only the note is left over from a crash: it must stay where it is.
    if (await exists(join(folder, "node.db"))) return leaving.settings;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    if (leaving.bring) {
      const start: BringProgress = { version: 1, sequence: 0, brought: 0, leftBehind: 0 };
      await replaceFile(folder, BRING_FILE, start);
    }
    for (const name of MOVED) {
      await Deno.rename(join(dataDirectory, name), join(folder, name)).catch(ignoreMissing);
    }
    await syncFolder(folder);
    await syncFolder(dataDirectory);
    return leaving.settings;
  } finally {
    outcome.lock.release();
  }
}

/** Removes the note: leaving is complete. */
export async function forgetLeaving(dataDirectory: string): Promise<void> {
  await Deno.remove(join(dataDirectory, LEAVING_FILE)).catch(ignoreMissing);
  await syncFolder(dataDirectory);
}

/** Folders of meshes whose content is still to be brought along. */
export async function meshesToBring(dataDirectory: string): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(join(dataDirectory, MESHES_FOLDER))) {
      const folder = join(dataDirectory, MESHES_FOLDER, name);
      if (await exists(join(folder, BRING_FILE))) found.push(folder);
    }
  } catch (error) {
    ignoreMissing(error);
  }
  return found.sort();
}

/** How far bringing along has come; null when there is nothing to bring (any more). A damaged note starts from the beginning. */
export async function readBringProgress(folder: string): Promise<BringProgress | null> {
  const text = await readIfPresent(join(folder, BRING_FILE));
  if (text === null) return null;
  const parsed = bringSchema.safeParse(jsonOrNull(text));
  return parsed.success ? parsed.data : { version: 1, sequence: 0, brought: 0, leftBehind: 0 };
}

/** Notes durably how far bringing along has come. */
export async function writeBringProgress(folder: string, progress: BringProgress): Promise<void> {
  await replaceFile(folder, BRING_FILE, progress);
}

/** Everything is brought: the note stays under another name, for people. */
export async function finishBringing(folder: string): Promise<void> {
  await Deno.rename(join(folder, BRING_FILE), join(folder, BROUGHT_FILE));
  await syncFolder(folder);
}

async function readLeaving(dataDirectory: string): Promise<Leaving | null> {
  const path = join(dataDirectory, LEAVING_FILE);
  const text = await readIfPresent(path);
  if (text === null) return null;
  const parsed = leavingSchema.safeParse(jsonOrNull(text));
  if (!parsed.success) {
    throw new Error(
      `Cannot read "${path}": it is not a note that submind has written; remove it to stay in the mesh`,
    );
  }
  const { mesh, bring, settings } = parsed.data;
  return { mesh: mesh as MeshId, bring, settings };
}

async function replaceFile(folder: string, name: string, value: unknown): Promise<void> {
  const path = join(folder, name);
  await Deno.remove(`${path}.new`).catch(ignoreMissing);
  await writeDurably(`${path}.new`, new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  await Deno.rename(`${path}.new`, path);
  await syncFolder(folder);
}

async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    ignoreMissing(error);
    return null;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
