/** A nats-server for tests: found on PATH, else built once from its pinned source where Go is installed, else a plain reason why not. */
import envPaths from "env-paths";
import { join } from "node:path";
import {
  findNatsServer,
  NATS_SERVER_MODULE,
  NATS_SERVER_PINNED,
} from "../../deployments/nats/program.ts";
import { lockFile } from "../../platform/file_lock.ts";

export type NatsServer =
  | { readonly ok: true; readonly path: string; readonly version: string }
  | { readonly ok: false; readonly reason: string };

let found: Promise<NatsServer> | undefined;

/** The server tests use; looked for once per process. */
export function natsServer(): Promise<NatsServer> {
  found ??= find();
  return found;
}

async function find(): Promise<NatsServer> {
  const cache = join(
    envPaths("submind-tests", { suffix: "" }).cache,
    `nats-server-${NATS_SERVER_PINNED}`,
  );
  const present = await findNatsServer({ configured: "", environment: Deno.env.toObject() });
  if (present.type === "found") return { ok: true, path: present.path, version: present.version };
  const built = join(cache, Deno.build.os === "windows" ? "nats-server.exe" : "nats-server");
  const problem = await build(cache, built);
  if (problem !== null) {
    const why = present.type === "tooOld"
      ? `${present.path} has version ${present.version}`
      : "none on PATH";
    return { ok: false, reason: `no usable nats-server: ${why}; ${problem}` };
  }
  const own = await findNatsServer({ configured: built, environment: {} });
  return own.type === "found"
    ? { ok: true, path: own.path, version: own.version }
    : { ok: false, reason: `the nats-server built in ${cache} does not run` };
}

/** Null when it is there. */
async function build(cache: string, path: string): Promise<string | null> {
  await Deno.mkdir(cache, { recursive: true });
  const lock = await lockWaiting(join(cache, "lock"));
  try {
    if (await exists(path)) return null;
    const go = new Deno.Command("go", {
      args: ["install", `${NATS_SERVER_MODULE}@v${NATS_SERVER_PINNED}`],
      env: { GOBIN: cache, CGO_ENABLED: "0", GOFLAGS: "-mod=mod" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const { success, stderr } = await go.output();
    if (success) return null;
    return `go install failed: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? ""}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no Go to build one";
    throw error;
  } finally {
    lock.release();
  }
}

/** Several test processes may want to build at once: one does, the others wait for it. */
async function lockWaiting(path: string): Promise<{ release(): void }> {
  while (true) {
    const outcome = await lockFile(path);
    if (outcome.type === "locked") return outcome.lock;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
