/** The nats-server program: which versions are acceptable, and where one is. */
import { delimiter, join } from "node:path";
import { errorText } from "../../platform/error_text.ts";

/** The oldest version a node works with. Older ones have published pre-authentication crashes, and Debian 12's own (2.9) ignores limits silently. */
export const NATS_SERVER_MIN = "2.11.0";
/** The version tests and container images use. */
export const NATS_SERVER_PINNED = "2.15.2";
/** Where its source is, as a Go module. */
export const NATS_SERVER_MODULE = "github.com/nats-io/nats-server/v2";

export type NatsProgram =
  | { readonly type: "found"; readonly path: string; readonly version: string }
  | { readonly type: "tooOld"; readonly path: string; readonly version: string }
  /** `path` was named but is no nats-server. */
  | { readonly type: "unusable"; readonly path: string; readonly reason: string }
  | { readonly type: "missing" };

const NAME = Deno.build.os === "windows" ? "nats-server.exe" : "nats-server";

/** Finds the program: the configured path and nothing else when there is one, else the first on PATH that is new enough. */
export async function findNatsServer(
  { configured, environment }: {
    readonly configured: string;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<NatsProgram> {
  if (configured !== "") return await examineProgram(configured);
  let second: NatsProgram = { type: "missing" };
  for (const folder of (environment["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    const path = join(folder, NAME);
    if (!await isFile(path)) continue;
    const outcome = await examineProgram(path);
    if (outcome.type === "found") return outcome;
    if (second.type === "missing") second = outcome;
  }
  return second;
}

/** Asks a program for its version. */
async function examineProgram(path: string): Promise<NatsProgram> {
  let text: string;
  try {
    const command = new Deno.Command(path, { args: ["--version"], stdin: "null", stderr: "null" });
    text = new TextDecoder().decode((await command.output()).stdout.subarray(0, 256));
  } catch (error) {
    const reason = errorText(error);
    return { type: "unusable", path, reason };
  }
  const version = /^nats-server: v(\d+\.\d+\.\d+\S*)/.exec(text)?.[1];
  if (version === undefined) {
    return { type: "unusable", path, reason: "it does not say that it is a nats-server" };
  }
  return { type: isAtLeast(version, NATS_SERVER_MIN) ? "found" : "tooOld", path, version };
}

/** Compares versions such as "2.11.0" by their numbers; what follows a "-" does not count. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string) => (text.split(/[-+]/)[0] ?? "").split(".").map(Number);
  const [have, want] = [numbers(version), numbers(minimum)];
  for (let index = 0; index < 3; index++) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
