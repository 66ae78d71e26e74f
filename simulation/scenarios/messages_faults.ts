/** What goes wrong with mail: the faults of every world, and those that mail alone suffers from. */
import type { MailLedger } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import { type FaultKind, Faults } from "../faults.ts";
import type { SimulatedBrokers } from "../simulated_broker.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import { DishonestCarrier } from "./messages_liar.ts";

/** A device that goes away stays away longer than short messages live, ms. */
const AWAY_MS = { least: 10_000, most: 60_000 };
/** Clocks are wrong by up to this in both directions, ms. */
const CLOCK_MS = 6 * 3_600_000;

export class MailFaults {
  readonly #cluster: Cluster;
  readonly #ledger: MailLedger;
  readonly #faults: Faults;
  readonly #kinds: readonly FaultKind[];
  readonly #brokers: SimulatedBrokers | undefined;
  readonly #liar: DishonestCarrier | undefined;
  /** Which of the rare faults this world has at all. */
  readonly #clocksJump: boolean;
  #mayRevoke: boolean;
  #away: { readonly node: SimulatedNode; readonly untilMs: number } | undefined;

  constructor(
    cluster: Cluster,
    ledger: MailLedger,
    options: {
      readonly kinds: readonly FaultKind[];
      readonly brokers?: SimulatedBrokers | undefined;
    },
  ) {
    const { random, nodes } = cluster;
    this.#cluster = cluster;
    this.#ledger = ledger;
    this.#faults = new Faults(cluster);
    this.#kinds = options.kinds;
    this.#brokers = options.brokers;
    this.#clocksJump = random.below(4) === 0;
    this.#mayRevoke = nodes.length > 3 && random.below(4) === 0;
    if (nodes.length > 3 && random.below(3) === 0) {
      // The founder stays honest: it alone may revoke.
      this.#liar = new DishonestCarrier(cluster, nodes[1 + random.below(nodes.length - 1)]!);
      ledger.liars.add(this.#liar.node.deviceId);
    }
  }

  /** What went wrong, for people. */
  history(): readonly string[] {
    return this.#faults.history;
  }

  /** Lets something go wrong, or nothing. */
  inject(): void {
    const { random, network, nodes } = this.#cluster;
    if (random.below(3) === 0) this.#faults.inject(this.#kinds);
    if (random.below(6) === 0) {
      network.loseFrames(random.float() * 0.3);
      this.#note("frames are lost");
    }
    if (random.below(6) === 0) this.#breakPath();
    if (this.#clocksJump && random.below(4) === 0) this.#jumpClock();
    if (random.below(8) === 0) this.#goAway();
    if (this.#mayRevoke && random.below(6) === 0) this.#revoke();
    for (const server of this.#brokers?.servers ?? []) {
      if (!server.isUp) server.start({ loseDisk: random.below(2) === 0 });
      else if (random.below(4) === 0) {
        server.crash();
        this.#note("broker crash");
      }
    }
    if (random.below(2) === 0) this.#liar?.cheat(this.#ledger);
    for (const node of nodes) this.#ledger.watch(node);
  }

  /** Some of what went wrong is well again. */
  async endSome(): Promise<void> {
    const { random, nodes, world, network } = this.#cluster;
    for (const node of nodes) this.#ledger.watch(node);
    if (random.below(6) === 0) {
      this.#faults.heal();
      network.loseFrames(0);
    }
    if (this.#away !== undefined && world.nowMs >= this.#away.untilMs) this.#away = undefined;
    const away = this.#away?.node;
    if (away === undefined) await this.#faults.restartSome(0.25);
    else {
      for (const node of nodes) {
        if (node !== away && !node.isUp && random.below(4) === 0) await this.#start(node);
      }
    }
    for (const node of nodes) this.#ledger.watch(node);
  }

  /** All is well. Clocks stay as wrong as a few minutes: whoever sees one that is off by hours sets it. */
  async end(): Promise<void> {
    const { nodes, network, world } = this.#cluster;
    const awayMs = (this.#away?.untilMs ?? 0) - world.nowMs;
    if (awayMs > 0) await world.advance(awayMs);
    for (const server of this.#brokers?.servers ?? []) if (!server.isUp) server.start();
    network.loseFrames(0);
    await this.#faults.end();
    if (!this.#ledger.clocksSteady) {
      for (const { device } of nodes) {
        device.wallSkewMs = world.nowMs - device.monotonicMs();
        device.rate = 1;
      }
    }
    for (const node of nodes) this.#ledger.watch(node);
  }

  async #start(node: SimulatedNode): Promise<void> {
    this.#note(`restart ${node.name}`);
    // A full disk that is damaged too keeps a device down until somebody makes room.
    await node.start().catch(() => this.#note(`start refused ${node.name}`));
  }

  /** What two devices had open falls silent; they may connect again at once. */
  #breakPath(): void {
    const { random, network, nodes } = this.#cluster;
    const [a, b] = [nodes[random.below(nodes.length)]!, nodes[random.below(nodes.length)]!];
    if (a === b || !network.reaches(a.station, b.station)) return;
    network.cut(a.station, b.station);
    network.mend(a.station, b.station);
    this.#note(`path breaks ${a.name} ${b.name}`);
  }

  #jumpClock(): void {
    const { random } = this.#cluster;
    const node = this.#cluster.anyNodeUp();
    if (node === undefined) return;
    this.#ledger.clocksSteady = false;
    node.device.wallSkewMs = Math.floor((random.float() - 0.5) * 2 * CLOCK_MS);
    node.device.rate = 0.98 + random.float() * 0.04;
    this.#note(`clock jumps ${node.name} ${(node.device.wallSkewMs / 60_000).toFixed(0)} min`);
  }

  /** A device is switched off for a while. */
  #goAway(): void {
    const { random, world } = this.#cluster;
    const node = this.#cluster.anyNodeUp();
    if (node === undefined || this.#away !== undefined) return;
    const awayMs = AWAY_MS.least + random.float() * (AWAY_MS.most - AWAY_MS.least);
    node.crash(false);
    this.#away = { node, untilMs: world.nowMs + awayMs };
    this.#note(`away ${node.name}`);
    // Somebody writes to it all the same, also what cannot wait so long.
    for (const validMs of [5_000, undefined]) {
      const writer = this.#cluster.anyNodeUp();
      if (writer === undefined || this.#ledger.liars.has(writer.deviceId)) continue;
      if (this.#ledger.liars.has(node.deviceId)) continue;
      const text = this.#ledger.nextText();
      this.#ledger.write(writer, {
        to: [node.deviceId],
        text,
        ...(validMs !== undefined && { validMs }),
      });
    }
  }

  /** The founder takes a device out of the mesh for good. */
  #revoke(): void {
    const { random, nodes, world } = this.#cluster;
    const founder = nodes[0]!;
    const node = nodes[1 + random.below(nodes.length - 1)]!;
    if (!founder.isUp || this.#ledger.liars.has(node.deviceId)) return;
    this.#mayRevoke = false;
    this.#note(`revoke ${node.name}`);
    this.#ledger.revoked.set(node.deviceId, { by: founder, atMs: Infinity });
    founder.handle.revokeMember(node.deviceId).then((outcome) => {
      if (outcome.type !== "done") return;
      this.#ledger.revoked.set(node.deviceId, { by: founder, atMs: world.nowMs });
    }, () => {});
  }

  #note(what: string): void {
    this.#faults.history.push(`${(this.#cluster.world.nowMs / 1_000).toFixed(1)} s ${what}`);
  }
}
