/**
 * Backups of other devices in a folder: sealed pieces under their hashes, and versions that name the pieces they need. What is stored here
 * cannot be read here. A version counts once everything it names is on the disk.
 *
 *     <folder>/<device>/pieces/ab/ab12…   sealed pieces
 *     <folder>/<device>/versions/7        encoded versions
 */
import { join } from "node:path";
import type { Clock, Crypto } from "../platform/ports.ts";
import {
  isDeviceName,
  NAMES_ASKED_MAX,
  SEALED_PIECE_BYTES_MAX,
  type VersionBody,
} from "../protocols/backup/format.ts";
import { decodeVersion } from "../protocols/backup/wire.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import { syncFolder, writeDurably } from "./chunk_files.ts";
import { sha256Hex } from "./hash.ts";
import { makePrivateFolder } from "./private_folder.ts";

/** What nobody names is kept this long: an upload may be under way that will name it. */
const UNNAMED_KEPT_MS = 24 * 60 * 60 * 1_000;
/** Devices a vault keeps backups of, at most. */
const DEVICES_MAX = 1_000;

export interface VaultRefusal {
  readonly type: "refused";
  readonly reason: "invalid" | "notFound" | "quotaExceeded";
  readonly message: string;
}

export type VaultOutcome<T> = { readonly type: "done"; readonly value: T } | VaultRefusal;

/** One backup of a device, as its keeper sees it. */
export interface BackupVersion {
  /** 1 for the first, growing. */
  readonly version: number;
  /** Who signed it. */
  readonly deviceId: DeviceId;
  /** The device's clock: a claim. */
  readonly timeMs: number;
  /** Plain bytes of its files: a claim. */
  readonly bytes: number;
  readonly files: number;
  readonly pieces: number;
}

/** What is kept for one device. */
export interface KeptBackups {
  readonly device: string;
  /** Bytes of all pieces. */
  readonly bytes: number;
  /** The quota, bytes. */
  readonly bytesMax: number;
  /** Ascending. */
  readonly versions: readonly BackupVersion[];
}

export interface BackupVault {
  /** Names of all devices that something is kept of. */
  devices(): Promise<readonly string[]>;
  kept(device: string): Promise<VaultOutcome<KeptBackups>>;
  /** Which of these pieces are not here; at most `NAMES_ASKED_MAX` are asked about. */
  missing(
    device: string,
    names: readonly ContentHash[],
  ): Promise<VaultOutcome<readonly ContentHash[]>>;
  /** Resolves when the piece is on the disk. */
  putPiece(
    device: string,
    name: ContentHash,
    sealed: Uint8Array,
  ): Promise<VaultOutcome<{ readonly added: boolean }>>;
  /** A piece that is damaged here is thrown away, so that the next backup brings it again. */
  piece(device: string, name: ContentHash): Promise<VaultOutcome<Uint8Array<ArrayBuffer>>>;
  /** Adds a version once everything it names is durable; throws away what then is too old. */
  commit(device: string, encoded: Uint8Array): Promise<VaultOutcome<BackupVersion>>;
  version(device: string, version: number): Promise<VaultOutcome<Uint8Array<ArrayBuffer>>>;
}

export interface VaultOptions {
  /** Made when it is missing. */
  readonly directory: string;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Sealed bytes of one device. */
  readonly bytesPerDeviceMax: number;
  /** Versions kept of one device; the oldest go first. */
  readonly versionsMax: number;
}

interface Shelf {
  readonly folder: string;
  bytes: number;
  versions: BackupVersion[];
  /** Pieces that are being written: a second upload of the same one waits for the first. */
  readonly writing: Map<string, Promise<VaultOutcome<{ readonly added: boolean }>>>;
  /** Commits happen one after another. */
  last: Promise<unknown>;
}

function refused(reason: VaultRefusal["reason"], message: string): VaultRefusal {
  return { type: "refused", reason, message };
}

function done<T>(value: T): VaultOutcome<T> {
  return { type: "done", value };
}

function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound;
}

async function* entriesOf(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function pathOf({ folder }: Shelf, name: ContentHash): string {
  return join(folder, "pieces", name.slice(0, 2), name);
}

function versionPath({ folder }: Shelf, version: number): string {
  return join(folder, "versions", String(version));
}

async function* piecesIn(
  { folder }: Shelf,
): AsyncGenerator<{ readonly path: string; readonly name: string }> {
  const pieces = join(folder, "pieces");
  for await (const { name: prefix, isDirectory } of entriesOf(pieces)) {
    if (!isDirectory) continue;
    for await (const { name, isFile } of entriesOf(join(pieces, prefix))) {
      if (isFile) yield { path: join(pieces, prefix, name), name };
    }
  }
}

function viewOf(version: number, body: VersionBody): BackupVersion {
  const { timeMs, bytes, files, names, device } = body;
  return { version, deviceId: deviceIdOf(device), timeMs, bytes, files, pieces: names.length };
}

/** Keeps backups in a folder. Several of these must not share one. */
export function openBackupVault(options: VaultOptions): BackupVault {
  const { directory, crypto, clock, bytesPerDeviceMax, versionsMax } = options;
  const shelves = new Map<string, Promise<Shelf>>();
  let placed = 0;

  async function open(device: string): Promise<Shelf> {
    const shelf: Shelf = {
      folder: join(directory, device),
      bytes: 0,
      versions: [],
      writing: new Map(),
      last: Promise.resolve(),
    };
    for await (const { path, name } of piecesIn(shelf)) {
      // What a crash left half written has another name than a hash.
      if (/^[0-9a-f]{64}$/.test(name)) shelf.bytes += (await Deno.stat(path)).size;
      else await Deno.remove(path);
    }
    for await (const { name } of entriesOf(join(shelf.folder, "versions"))) {
      if (!/^[1-9]\d{0,14}$/.test(name)) continue;
      const decoded = decodeVersion(crypto, await Deno.readFile(versionPath(shelf, Number(name))));
      // A damaged one is of no use to anybody; the others do not suffer from it.
      if (decoded.ok) shelf.versions.push(viewOf(Number(name), decoded.message));
    }
    shelf.versions.sort((a, b) => a.version - b.version);
    return shelf;
  }

  async function shelfOf(device: string): Promise<Shelf | VaultRefusal> {
    if (!isDeviceName(device)) {
      const message =
        `device is ${JSON.stringify(device.slice(0, 80))}, expected 1 to 64 characters ` +
        "of a-z, 0-9, dot, line and underscore";
      return refused("invalid", message);
    }
    let shelf = shelves.get(device);
    if (shelf === undefined) {
      if (shelves.size >= DEVICES_MAX) {
        return refused("quotaExceeded", `backups of ${DEVICES_MAX} devices are kept here already`);
      }
      shelf = open(device);
      shelves.set(device, shelf);
      shelf.catch(() => shelves.delete(device));
    }
    return await shelf;
  }

  const isRefusal = (found: Shelf | VaultRefusal): found is VaultRefusal => "type" in found;

  async function exists(shelf: Shelf, name: ContentHash): Promise<boolean> {
    if (shelf.writing.has(name)) return false;
    try {
      return (await Deno.stat(pathOf(shelf, name))).size > 0;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async function absent(
    shelf: Shelf,
    names: readonly ContentHash[],
  ): Promise<readonly ContentHash[]> {
    const found: ContentHash[] = [];
    for (let at = 0; at < names.length; at += 64) {
      const some = names.slice(at, at + 64);
      const here = await Promise.all(some.map((name) => exists(shelf, name)));
      found.push(...some.filter((_, i) => !here[i]));
    }
    return found;
  }

  /** A new file that is there as a whole or not at all. */
  async function place(path: string, bytes: Uint8Array): Promise<void> {
    const folder = join(path, "..");
    await makePrivateFolder(folder);
    const unfinished = `${path}.${placed++}.new`;
    try {
      await writeDurably(unfinished, bytes);
      await Deno.rename(unfinished, path);
    } catch (error) {
      await Deno.remove(unfinished).catch(() => {});
      throw error;
    }
  }

  async function write(
    shelf: Shelf,
    name: ContentHash,
    sealed: Uint8Array,
  ): Promise<VaultOutcome<{ readonly added: boolean }>> {
    if (await Deno.stat(pathOf(shelf, name)).then(() => true, () => false)) {
      // Whoever brings it again will name it soon: its time begins anew.
      const now = new Date(clock.wallMs());
      await Deno.utime(pathOf(shelf, name), now, now);
      return done({ added: false });
    }
    if (shelf.bytes + sealed.length > bytesPerDeviceMax) {
      return refused(
        "quotaExceeded",
        `${shelf.bytes} of ${bytesPerDeviceMax} bytes are used, this piece has ${sealed.length}; ` +
          "raise backups.bytesPerDeviceMax on the keeper, or keep fewer versions with backups.versionsMax",
      );
    }
    // Counted before it is written: two at once must not share the last free bytes.
    shelf.bytes += sealed.length;
    try {
      await place(pathOf(shelf, name), sealed);
    } catch (error) {
      shelf.bytes -= sealed.length;
      throw error;
    }
    const now = new Date(clock.wallMs());
    await Deno.utime(pathOf(shelf, name), now, now);
    return done({ added: true });
  }

  async function removePiece(shelf: Shelf, path: string): Promise<void> {
    const { size } = await Deno.stat(path);
    await Deno.remove(path);
    shelf.bytes -= size;
  }

  /** Throws away versions beyond the limit, then pieces that no version names and nobody has brought lately. */
  async function prune(shelf: Shelf): Promise<void> {
    while (shelf.versions.length > versionsMax) {
      const [oldest] = shelf.versions;
      if (oldest === undefined) break;
      await Deno.remove(versionPath(shelf, oldest.version));
      shelf.versions.shift();
    }
    const named = new Set<string>();
    for (const { version } of shelf.versions) {
      const decoded = decodeVersion(crypto, await Deno.readFile(versionPath(shelf, version)));
      // Without knowing what it names nothing may go.
      if (!decoded.ok) return;
      for (const name of decoded.message.names) named.add(name);
    }
    for await (const { path, name } of piecesIn(shelf)) {
      if (named.has(name) || !/^[0-9a-f]{64}$/.test(name)) continue;
      const broughtMs = (await Deno.stat(path)).mtime?.getTime() ?? 0;
      if (clock.wallMs() - broughtMs > UNNAMED_KEPT_MS) await removePiece(shelf, path);
    }
  }

  async function syncAll({ folder }: Shelf): Promise<void> {
    for await (const { name, isDirectory } of entriesOf(join(folder, "pieces"))) {
      if (isDirectory) await syncFolder(join(folder, "pieces", name));
    }
    await syncFolder(join(folder, "pieces"));
  }

  async function add(shelf: Shelf, encoded: Uint8Array): Promise<VaultOutcome<BackupVersion>> {
    const decoded = decodeVersion(crypto, encoded);
    if (!decoded.ok) return refused("invalid", `this is no version of a backup: ${decoded.reason}`);
    const [first, ...more] = await absent(shelf, decoded.message.names);
    if (first !== undefined) {
      const message = `${
        more.length + 1
      } pieces are not here, such as "${first}"; bring them and try again`;
      return refused("invalid", message);
    }
    if (decoded.message.names.length > 0) await syncAll(shelf);
    const view = viewOf((shelf.versions.at(-1)?.version ?? 0) + 1, decoded.message);
    await place(versionPath(shelf, view.version), encoded);
    for (const folder of [join(shelf.folder, "versions"), shelf.folder, directory]) {
      await syncFolder(folder);
    }
    shelf.versions.push(view);
    await prune(shelf);
    return done(view);
  }

  return {
    async devices() {
      const names: string[] = [];
      for await (const { name, isDirectory } of entriesOf(directory)) {
        if (isDirectory && isDeviceName(name)) names.push(name);
      }
      return names.sort();
    },
    async kept(device) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      const { bytes, versions } = shelf;
      return done({ device, bytes, bytesMax: bytesPerDeviceMax, versions: [...versions] });
    },
    async missing(device, names) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      if (names.length > NAMES_ASKED_MAX) {
        const message =
          `${names.length} names are asked about, expected at most ${NAMES_ASKED_MAX}`;
        return refused("invalid", message);
      }
      return done(await absent(shelf, names));
    },
    async putPiece(device, name, sealed) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      const hash = sha256Hex(sealed);
      if (sealed.length === 0 || sealed.length > SEALED_PIECE_BYTES_MAX || hash !== name) {
        const message = `piece "${name}" has ${sealed.length} bytes and the hash "${hash}"; ` +
          `expected at most ${SEALED_PIECE_BYTES_MAX} bytes that hash to its name`;
        return refused("invalid", message);
      }
      const running = shelf.writing.get(name);
      if (running !== undefined) return await running;
      const writing = write(shelf, name, sealed).finally(() => shelf.writing.delete(name));
      shelf.writing.set(name, writing);
      return await writing;
    },
    async piece(device, name) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      try {
        const sealed = await Deno.readFile(pathOf(shelf, name));
        if (sha256Hex(sealed) === name) return done(sealed);
        await removePiece(shelf, pathOf(shelf, name));
        const message =
          `piece "${name}" was damaged on the keeper's disk and is gone; the next backup brings it again`;
        return refused("notFound", message);
      } catch (error) {
        if (!isMissing(error)) throw error;
        return refused("notFound", `there is no piece "${name}"`);
      }
    },
    async commit(device, encoded) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      const commit = shelf.last.then(() => add(shelf, encoded));
      shelf.last = commit.catch(() => {});
      return await commit;
    },
    async version(device, version) {
      const shelf = await shelfOf(device);
      if (isRefusal(shelf)) return shelf;
      try {
        return done(await Deno.readFile(versionPath(shelf, version)));
      } catch (error) {
        if (!isMissing(error)) throw error;
        return refused("notFound", `there is no version ${version} of "${device}"`);
      }
    },
  };
}
