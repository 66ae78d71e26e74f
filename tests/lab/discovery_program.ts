/** Starts `discovery_node.ts` on a host and reads what it says. */
import { fileURLToPath } from "node:url";
import type { Host } from "./lab.ts";
import type { HostProcess } from "./host_process.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

/** One line: a discovery event, or what the program says of itself. */
export interface Said {
  readonly atMs: number;
  readonly type: string;
  readonly deviceId?: string;
  readonly reason?: string;
  readonly multicast?: boolean;
  readonly newName?: string;
  readonly sighting?: { readonly deviceId: string; readonly addresses: readonly string[] };
}

export interface DiscoveryProgram {
  readonly process: HostProcess;
  readonly deviceId: string;
  /** Everything said so far. */
  said(): readonly Said[];
  /** The first line that fits, now or later. */
  waitFor(fits: (said: Said) => boolean, timeoutMs: number): Promise<Said>;
}

/** Discovery alone on a host, under a device id made from the seed. */
export function startDiscovery(
  host: Host,
  options: { seed: string; displayName: string; port: number },
): DiscoveryProgram {
  const { seed, displayName, port } = options;
  const program = fileURLToPath(new URL("./discovery_node.ts", import.meta.url));
  const command = [Deno.execPath(), "run", "--quiet", "--no-check", "-A", program];
  const process = host.spawn([...command, seed, displayName, String(port)]);
  const parse = (lines: readonly string[]) =>
    lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Said);
  return {
    process,
    deviceId: deviceIdOf(seededRandom(`device ${seed}`).bytes(32)),
    said: () => parse(process.lines),
    waitFor: (fits, timeoutMs) => process.waitFor((lines) => parse(lines).find(fits), timeoutMs),
  };
}
