/**
 * How commands find the running node: `<data>/run/node.json`, mode 0600, written by `submind up` once the gateway answers
 * and removed when it stops. After a crash it stays behind; then its process is gone and it counts for nothing.
 */
import { z } from "zod";
import { join } from "node:path";
import process from "node:process";
import { errorText } from "../platform/error_text.ts";

const schema = z.strictObject({
  pid: z.int().positive(),
  gatewayUrl: z.url().max(512),
  /** Bearer token for the gateway: whoever reads it may do what the owner of this device may. */
  token: z.string().min(1).max(8_192),
  /** PEM file to trust for an https gateway; empty for http. */
  tlsCertificate: z.string().max(4_096).default(""),
});

/** What a command needs to talk to a running node. */
export type NodeFile = z.output<typeof schema>;

export type NodeFileOutcome =
  | { readonly type: "found"; readonly node: NodeFile }
  | { readonly type: "absent"; readonly path: string }
  /** The process that wrote it is gone. */
  | { readonly type: "stale"; readonly path: string; readonly pid: number }
  | { readonly type: "unreadable"; readonly path: string; readonly cause: string };

/** Where a data folder's node file is. */
export function nodeFilePath(dataDirectory: string): string {
  return join(dataDirectory, "run", "node.json");
}

/** Whether a process with this id exists (also one that belongs to somebody else). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Reads and checks the node file of a data folder. */
export function readNodeFile(
  dataDirectory: string,
  alive: (pid: number) => boolean = isAlive,
): NodeFileOutcome {
  const path = nodeFilePath(dataDirectory);
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { type: "absent", path };
    return { type: "unreadable", path, cause: errorText(error) };
  }
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const cause = `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not JSON"}`;
    return { type: "unreadable", path, cause };
  }
  if (!alive(parsed.data.pid)) return { type: "stale", path, pid: parsed.data.pid };
  return { type: "found", node: parsed.data };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Writes the node file at once (new file, then rename), readable by the owner only. */
export function writeNodeFile(dataDirectory: string, node: NodeFile): void {
  const path = nodeFilePath(dataDirectory);
  Deno.mkdirSync(join(dataDirectory, "run"), { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(`${path}.new`, `${JSON.stringify(node)}\n`, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}

/** Removes the node file; harmless when there is none. */
export function removeNodeFile(dataDirectory: string): void {
  try {
    Deno.removeSync(nodeFilePath(dataDirectory));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
