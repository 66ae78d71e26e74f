/** Examinations of the machine itself: folder, keys, disk, memory pages. */
import { dirname, join } from "node:path";
import { statfs } from "node:fs/promises";
import { errorText } from "../../platform/error_text.ts";
import type { CommandContext } from "../command.ts";
import { formatBytes } from "../output/units.ts";
import type { Finding } from "./finding.ts";

const DISK_FREE_WARNING = 1_000_000_000;
const DISK_FREE_FAILED = 50_000_000;

/** Whether the data folder is there, ours and writable. */
export function examineFolder(context: CommandContext, directory: string): Finding {
  const texts = context.texts.doctor;
  const name = "dataFolder";
  try {
    const info = Deno.statSync(directory);
    if (!info.isDirectory) {
      return { name, state: "failed", detail: texts.notAFolder(directory), fix: texts.folderFix };
    }
    // A file that only lives for this line: permission bits alone do not know of read-only mounts.
    Deno.removeSync(Deno.makeTempFileSync({ dir: directory, prefix: ".doctor-" }));
    const mode = info.mode === null ? 0 : info.mode & 0o777;
    if (Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
      const octal = mode.toString(8).padStart(4, "0");
      const fix = `chmod 700 "${directory}"`;
      return { name, state: "warning", detail: texts.folderOpen(directory, octal), fix };
    }
    return { name, state: "ok", detail: directory, fix: "" };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { name, state: "ok", detail: texts.folderLater(directory), fix: "" };
    }
    const detail = errorText(error);
    return { name, state: "failed", detail, fix: texts.folderFix };
  }
}

/** Whether the identity can only be read by its owner. */
export function examineIdentity(context: CommandContext, directory: string): Finding {
  const texts = context.texts.doctor;
  const path = join(directory, "keys", "identity.pem");
  try {
    const mode = (Deno.lstatSync(path).mode ?? 0o600) & 0o777;
    if (Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
      const octal = mode.toString(8).padStart(4, "0");
      const fix = `chmod 600 "${path}"`;
      return { name: "identity", state: "failed", detail: texts.keyOpen(path, octal), fix };
    }
    return { name: "identity", state: "ok", detail: path, fix: "" };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { name: "identity", state: "ok", detail: texts.keyLater, fix: "" };
    }
    const detail = errorText(error);
    return { name: "identity", state: "failed", detail, fix: texts.folderFix };
  }
}

/** How much room is left where the data folder is or will be. */
export async function examineDisk(context: CommandContext, directory: string): Promise<Finding> {
  const texts = context.texts.doctor;
  let place = directory;
  while (true) {
    try {
      const { bavail, bsize } = await statfs(place);
      const free = bavail * bsize;
      const state = free < DISK_FREE_FAILED
        ? "failed"
        : free < DISK_FREE_WARNING
        ? "warning"
        : "ok";
      const detail = texts.diskFree(formatBytes(free, context.language));
      return { name: "disk", state, detail, fix: state === "ok" ? "" : texts.diskFix };
    } catch (error) {
      const parent = dirname(place);
      if (parent === place) {
        const detail = errorText(error);
        return { name: "disk", state: "warning", detail, fix: "" };
      }
      place = parent;
    }
  }
}

/** Whether the kernel has larger memory pages than usual: one release of the runtime crashed on 16 KiB pages. */
export function examinePages(context: CommandContext): Finding {
  const texts = context.texts.doctor;
  if (Deno.build.os !== "linux") {
    return { name: "memoryPages", state: "ok", detail: texts.pagesUnknown, fix: "" };
  }
  const bytes = pageBytes();
  if (bytes === null) {
    return { name: "memoryPages", state: "ok", detail: texts.pagesUnknown, fix: "" };
  }
  const usual = bytes <= 4_096;
  return {
    name: "memoryPages",
    state: usual ? "ok" : "warning",
    detail: `${bytes / 1_024} KiB`,
    fix: usual ? "" : texts.pagesFix,
  };
}

/** From the auxiliary vector of this process (getauxval(3), AT_PAGESZ = 6): pairs of native words. */
function pageBytes(): number | null {
  try {
    const words = new DataView(Deno.readFileSync("/proc/self/auxv").buffer);
    for (let offset = 0; offset + 16 <= words.byteLength; offset += 16) {
      if (words.getBigUint64(offset, true) === 6n) {
        return Number(words.getBigUint64(offset + 8, true));
      }
    }
  } catch {
    // Some containers hide it: then nobody knows, and nothing depends on it.
  }
  return null;
}
