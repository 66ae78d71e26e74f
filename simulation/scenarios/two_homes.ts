/**
 * Two homes behind routers that let nobody in: their devices know of each other by a broker beyond the routers only, and their blocks and
 * messages go over it, while its power fails, its disk is lost, the link of a home's own broker is cut, and devices crash.
 */
import { MailLedger, mailProblems } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import { INTERNET } from "../network.ts";
import { SimulatedBrokers } from "../simulated_broker.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { SHORT_WAITS } from "./messages.ts";
import { CONVERGENCE_MS, type Scenario, settleAndCheck } from "./scenario.ts";

const ROUNDS = 16;
/** Messages that arrive within this after the last fault count as delivered, virtual ms. */
const ARRIVAL_MS = 30 * 60_000;

export const twoHomes: Scenario = {
  name: "two_homes",
  purpose:
    "Homes that never reach each other share all blocks and messages over a broker that dies and forgets.",
  nodes: 6,
  async play(cluster, nodes) {
    const { network, world, random } = cluster;
    network.homesApart = true;
    const brokers = new SimulatedBrokers(network);
    const hub = brokers.addServer({ name: "hub", segment: INTERNET });
    // One home has a broker of its own with a link to the hub; the devices of the other use the hub.
    const leaf = brokers.addServer({ name: "leaf", segment: "home-a", uplink: hub });
    const count = Math.max(2, nodes);
    for (let i = 0; i < count; i++) {
      const first = i % 2 === 0;
      await cluster.addNode({
        segment: first ? "home-a" : "home-b",
        mailLimits: SHORT_WAITS,
        brokers: { all: brokers, servers: first ? [leaf, hub] : [hub] },
      });
    }
    await world.advance(1_000);
    await cluster.formMesh();
    const problems = [...await metOverBroker(cluster)];
    const ledger = new MailLedger(cluster);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 1 + random.below(3); i > 0; i--) cluster.publishLater(cluster.anyNodeUp()!);
      for (const node of cluster.nodes) ledger.watch(node);
      writeToOtherHome(cluster, ledger);
      const faulty = cluster.nodes[random.below(cluster.nodes.length)]!;
      if (!faulty.isUp) await faulty.start();
      else if (random.below(3) === 0) faulty.crash(false);
      if (hub.isUp && random.below(4) === 0) hub.crash();
      else if (!hub.isUp) hub.start({ loseDisk: random.below(2) === 0 });
      if (leaf.isUp && random.below(5) === 0) leaf.crash();
      else if (!leaf.isUp) leaf.start({ loseDisk: random.below(2) === 0 });
      if (random.below(4) === 0) network.cut(leaf.station, hub.station);
      else network.mend(leaf.station, hub.station);
      await world.advance(random.float() * 20_000);
    }
    network.heal();
    hub.start({ loseDisk: true });
    leaf.start();
    for (const node of cluster.nodes) {
      if (!node.isUp) await node.start();
      ledger.watch(node);
    }
    problems.push(...await settleAndCheck(cluster));
    // What is written when all is well crosses as well.
    for (const node of cluster.nodes) cluster.publishLater(node);
    await world.advance(1_000);
    problems.push(...await settleAndCheck(cluster), ...directPaths(cluster));
    await world.until(() => ledger.allArrived(), ARRIVAL_MS, 1_000);
    problems.push(...await mailProblems(cluster, ledger));
    if (ledger.sent.length === 0) problems.push("nobody was told that a message is safe");
    return problems;
  },
};

/** Somebody writes to a device of the other home, whether or not that is up. */
function writeToOtherHome(cluster: Cluster, ledger: MailLedger): void {
  const node = cluster.anyNodeUp();
  if (node === undefined) return;
  const others = cluster.nodes.filter(({ station }) => station.segment !== node.station.segment);
  const to = others[cluster.random.below(others.length)]!.deviceId;
  const message = { to: [to], text: ledger.nextText() };
  node.handle.mail.send(message).then(
    (outcome) => {
      if (outcome.type === "done") ledger.acknowledged(node, outcome.value);
    },
    // It crashed before it answered: nobody was told that the message is safe.
    () => {},
  );
}

/** Everybody has a session with everybody, the other home's by way of the broker. */
async function metOverBroker(cluster: Cluster): Promise<readonly string[]> {
  const met = async (): Promise<boolean> => {
    for (const node of cluster.nodes) {
      const up = (await cluster.world.wait(node.handle.peers())).filter((p) => p.state === "up");
      if (up.length < cluster.nodes.length - 1) return false;
    }
    return true;
  };
  const untilMs = cluster.world.nowMs + CONVERGENCE_MS;
  while (!await met()) {
    if (cluster.world.nowMs > untilMs) return ["some devices never met over the broker"];
    await cluster.world.advance(1_000);
  }
  const problems: string[] = [];
  for (const node of cluster.nodes) {
    const { state, present } = await cluster.world.wait(node.handle.bridge());
    const others = cluster.nodes.length - 1;
    if (state !== "connected" || present !== others) {
      problems.push(`${node.name}: bridge is ${state} and hears ${present} of ${others} members`);
    }
    for (const peer of await cluster.world.wait(node.handle.peers())) {
      const expected = segmentOf(cluster, peer.deviceId) === node.station.segment
        ? "simulated"
        : "nats";
      if (peer.path !== expected) {
        problems.push(`${node.name} reaches ${peer.displayName} by ${peer.path}, not ${expected}`);
      }
    }
  }
  return problems;
}

/** Pairs of homes that reach each other directly after all; there must be none. */
function directPaths(cluster: Cluster): readonly string[] {
  const pairs = cluster.nodes.flatMap((a) => cluster.nodes.map((b) => [a, b] as const));
  return pairs.filter(([a, b]) =>
    a.station.segment !== b.station.segment && cluster.network.reaches(a.station, b.station)
  ).map(([a, b]) => `${a.name} reaches ${b.name} without the broker`);
}

function segmentOf(cluster: Cluster, deviceId: SimulatedNode["deviceId"]): string | undefined {
  return cluster.nodes.find((node) => node.deviceId === deviceId)?.station.segment;
}
