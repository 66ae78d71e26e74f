/** Direct links come and go between devices that can also be reached by a detour, and devices move to other networks. */
import { nodeEvents } from "../../actors/events.ts";
import type { Cluster } from "../cluster.ts";
import { type Scenario, settleAndCheck } from "./scenario.ts";

const ROUNDS = 25;
/** After the last cut all sessions are on direct paths by then: attempts are at most five minutes apart, virtual ms. */
const UPGRADED_MS = 660_000;

export const paths: Scenario = {
  name: "paths",
  purpose:
    "Sessions fall back to relayed paths and come back to direct ones while blocks flow; nothing is lost.",
  nodes: 5,
  async play(cluster, nodes) {
    for (let i = 0; i < nodes; i++) await cluster.addNode({ relays: true });
    await cluster.world.advance(1_000);
    await cluster.formMesh();
    const { network, random, world } = cluster;
    let upgrades = 0;
    for (const node of cluster.nodes) {
      node.running.system.subscribe(nodeEvents, (event) => {
        if (event.type === "pathChanged" && !event.relayed) upgrades += 1;
      });
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = random.below(4); i > 0; i--) cluster.publishLater(cluster.anyNodeUp()!);
      const [a, b] = [cluster.anyNodeUp()!, cluster.anyNodeUp()!];
      if (a !== b) {
        if (random.below(2) === 0) network.cutDirect(a.station, b.station);
        else network.mendDirect(a.station, b.station);
      }
      if (random.below(5) === 0) network.move(cluster.anyNodeUp()!.station);
      await world.advance(random.float() * 4_000);
    }
    network.heal();
    const problems = await settleAndCheck(cluster);
    const untilMs = world.nowMs + UPGRADED_MS;
    while ((await detours(cluster)).length > 0 && world.nowMs < untilMs) {
      await world.advance(5_000);
    }
    const late = await detours(cluster);
    const idle = upgrades === 0 ? ["no session ever moved to a direct path"] : [];
    return [...problems, ...late, ...idle, ...await changesWhileQuiet(cluster)];
  },
};

/** Pairs that are not on a direct path, in words. */
async function detours({ world, nodes }: Cluster): Promise<readonly string[]> {
  const found: string[] = [];
  for (const node of nodes) {
    for (const peer of await world.wait(node.handle.peers())) {
      if (peer.state === "up" && !peer.relayed) continue;
      found.push(
        `${node.name} reaches ${peer.displayName} by ${peer.pathDescription ?? "nothing"}`,
      );
    }
  }
  return found;
}

/** Paths that change although nothing happens. */
async function changesWhileQuiet({ world, nodes }: Cluster): Promise<readonly string[]> {
  const changes: string[] = [];
  const stops = nodes.map((node) =>
    node.running.system.subscribe(nodeEvents, (event) => {
      if (event.type === "pathChanged") changes.push(`${node.name} changed a path in silence`);
    })
  );
  await world.advance(120_000);
  for (const stop of stops) stop();
  return changes;
}
