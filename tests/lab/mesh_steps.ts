/** What the lab tests of whole nodes have in common: folders, starting, what they wait for and how long that may take. */
import { type Host, labAvailability } from "./lab.ts";
import { LabNode, until } from "./mesh_lab.ts";
import { skipped } from "../skipped.ts";

const available = await labAvailability();
/** Where hosts cannot be made the tests are ignored; the reason is printed. */
export const ignore = skipped("whole nodes on hosts", available.ok ? null : available.reason);

export const DISCOVERY_MS = 5_000;
/** A session is dead after 4 s of silence and looked at once a second; the rest is for a slow machine. */
export const SESSION_DOWN_MS = 6_000;
export const STOP_MS = 2_000;
/** A goodbye is believed after a grace second; silence alone would be noticed after 5 s. */
export const GOODBYE_MS = 4_500;
/** Until a session is back after a cable is: discovery asks every two seconds. */
export const RECONNECT_MS = 8_000;
export const CONVERGED_MS = 15_000;

/** Runs `test` with a folder that is removed at the end. */
export async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mesh-lab-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A step without which the next ones make no sense: a failure ends the test. */
export async function step(
  test: Deno.TestContext,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!await test.step(name, work)) throw new Error(`the step failed: ${name}`);
}

export function startAll(
  hosts: readonly Host[],
  names: readonly string[],
  options: { readonly folder: string; readonly args?: readonly string[] },
): Promise<LabNode[]> {
  return Promise.all(
    names.map((name, index) => LabNode.start({ host: hosts[index] as Host, name, ...options })),
  );
}

/** Waits until `who` has sighted `whom`. */
export async function see(who: LabNode, whom: LabNode, timeoutMs: number): Promise<void> {
  const fits = ({ deviceId }: { deviceId: string }) => deviceId === whom.id;
  await who.event("peerSighted", { timeoutMs, fits });
}

/** Waits until `who` reports that its session with `whom` is down. */
export async function down(who: LabNode, whom: LabNode, from: number): Promise<string> {
  const fits = ({ deviceId }: { deviceId: string }) => deviceId === whom.id;
  const event = await who.event("sessionDown", { timeoutMs: SESSION_DOWN_MS + 4_000, from, fits });
  return event.reason;
}

/** Waits until every node sees the same members. */
export async function equalRegistries(nodes: readonly LabNode[]): Promise<void> {
  await until("equal registries", 5_000, async () => {
    const [first, ...others] = await Promise.all(nodes.map((node) => node.registry()));
    return others.every((registry) => JSON.stringify(registry) === JSON.stringify(first));
  });
}
