/** What happens to Anna and Ben, step by step: each step does something, waits until it shows, and says how long that took. */
import type { PeerView } from "../../actors/handle.ts";
import type { CommandContext } from "../command.ts";
import { sleep } from "../wait.ts";
import { type ChildNode, startChild } from "./child_node.ts";
import { pairNodes } from "./pair_nodes.ts";
import { Teller } from "./teller.ts";
import { Correspondence, shownBy } from "./two_homes_mail.ts";
import { HOME_NAMES, homeFolder, type HomePlace, type TwoHomesWorld } from "./two_homes_world.ts";

/** How frames travel between the homes. */
export type WayKind = "direct" | "turn" | "nats";

/** The last line of `submind demo --two-homes --once --json`, beside `ok`. Times in ms. */
export interface TwoHomesSummary {
  /** "routers": real ones; "loopback": brokers only. */
  readonly world: "routers" | "loopback";
  /** The ways that were used, in their order. */
  readonly paths: readonly WayKind[];
  /** Written in both directions together. */
  readonly messages: number;
  readonly lost: number;
  readonly duplicated: number;
  /** From the moment the way in use was broken until a message written after that was shown. */
  readonly failover_ms: number;
  /** From the start of both nodes in their homes until the best way was in use. */
  readonly met_ms: number;
  readonly blocks: number;
  /** From healing until everything written while cut off was there. */
  readonly healed_ms: number;
}

/** Written in each home at a time. */
const NOTES = 20;
const TOPIC = "homes";
/** Homes that have not found each other, or noticed that they cannot, by then do not, ms. */
const MEET_MS = 60_000;
/** What was written and is not shown by then is lost, ms: longer than it takes to find another way first. */
const DELIVER_MS = 90_000;
/** Between two looks at the nodes, ms. */
const LOOK_MS = 50;
/** How long the cut lasts, and how long people write undisturbed before something happens, ms. */
const CUT_MS = 8_000;
const QUIET_MS = 2_000;

export class TwoHomesStory {
  readonly #context: CommandContext;
  readonly #world: TwoHomesWorld;
  readonly #folder: string;
  readonly #teller: Teller;
  #nodes: readonly ChildNode[] = [];
  #mail: Correspondence | undefined;
  readonly #ways: WayKind[] = [];

  constructor(context: CommandContext, world: TwoHomesWorld, folder: string) {
    this.#context = context;
    this.#world = world;
    this.#folder = folder;
    this.#teller = new Teller(context, LOOK_MS);
  }

  /** Ends both nodes; harmless when they are gone. */
  async stop(): Promise<void> {
    await this.#mail?.stop().catch(() => {});
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  /** Tells everything. @throws {CliError} with what was waited for when it does not go on */
  async tell(): Promise<TwoHomesSummary> {
    await this.#pairInTheKitchen();
    const met_ms = await this.#meet();
    const [anna, ben] = this.#pair();
    this.#teller.say("flowing", {}, this.#texts.flowing);
    const mail = this.#mail = new Correspondence(this.#context, anna, ben);
    const blocks = await this.#addNotes("first", true);
    const failover_ms = await this.#breakAndMend(mail);
    const healed_ms = await this.#cutAndHeal(mail);
    await mail.stop();
    await this.#teller.wait(this.#texts.events.messages, DELIVER_MS, async () => {
      const { lost } = await mail.count();
      return lost === 0 ? true : null;
    }).catch(() => {});
    const { messages, lost, duplicated } = await mail.count();
    this.#teller.say(
      "counted",
      { messages, lost, duplicated },
      this.#texts.counted(
        this.#teller.count(messages),
        this.#teller.count(lost),
        this.#teller.count(duplicated),
      ),
    );
    return {
      world: this.#world.kind,
      paths: this.#ways,
      messages,
      lost,
      duplicated,
      failover_ms,
      met_ms,
      blocks: blocks + NOTES * 2,
      healed_ms,
    };
  }

  get #texts() {
    return this.#context.texts.twoHomes;
  }

  #pair(): readonly [ChildNode, ChildNode] {
    const [anna, ben] = this.#nodes;
    if (anna === undefined || ben === undefined) throw new Error("the homes have no nodes");
    return [anna, ben];
  }

  async #start(places: readonly HomePlace[]): Promise<void> {
    const starting = places.map(({ multicast, place }, index) => {
      const name = HOME_NAMES[index] ?? "";
      return startChild(this.#context, {
        name,
        directory: homeFolder(this.#folder, name),
        multicast,
        rendezvousPort: 0,
        ...(place === undefined ? {} : { place }),
      });
    });
    const outcomes = await Promise.allSettled(starting);
    // One that came up must be ended even when the other did not.
    this.#nodes = outcomes.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    for (const one of outcomes) if (one.status === "rejected") throw one.reason;
  }

  async #pairInTheKitchen(): Promise<void> {
    this.#teller.say("starting", { names: HOME_NAMES }, this.#texts.starting);
    await this.#start(this.#world.kitchen);
    const [anna, ben] = this.#pair();
    const words = await pairNodes(this.#context, anna, ben);
    await this.#teller.wait(this.#texts.events.sync, MEET_MS, async () => {
      const [there, back] = await this.#peers();
      return there?.inSync === true && back?.inSync === true ? true : null;
    });
    this.#teller.say("paired", { words }, this.#texts.paired(words.join(" ")));
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  async #meet(): Promise<number> {
    const wanted = this.#world.kind === "routers" ? "direct" : "nats";
    const ms = await this.#teller.stopwatch(async () => {
      await this.#start(this.#world.homes);
      await this.#teller.wait(this.#texts.events.meeting, MEET_MS, async () => {
        return await this.#way() === wanted ? true : null;
      });
    });
    this.#teller.say(
      "met",
      { way: wanted, ms },
      this.#texts.met(this.#texts.ways[wanted], this.#teller.time(ms)),
    );
    return ms;
  }

  #peers(): Promise<readonly (PeerView | undefined)[]> {
    const [anna, ben] = this.#pair();
    const ask = async (from: ChildNode, to: ChildNode) =>
      (await from.client.peers()).find(({ deviceId }) => deviceId === to.ready.deviceId);
    return Promise.all([ask(anna, ben), ask(ben, anna)]);
  }

  /** The way both ends use now, noted when it is another than before; null while they differ or have none. */
  async #way(): Promise<WayKind | null> {
    const [there, back] = (await this.#peers()).map(wayOf);
    if (there === undefined || there === null || there !== back) return null;
    if (this.#ways.at(-1) !== there) this.#ways.push(there);
    return there;
  }

  /** Adds notes in both homes; waits until both have all of them. How many there are then. */
  async #addNotes(label: string, say: boolean): Promise<number> {
    const ms = await this.#teller.stopwatch(async () => {
      await this.#writeNotes(label);
      await this.#haveNotes(label);
    });
    if (say) {
      const text = this.#texts.blocks(this.#teller.count(NOTES), this.#teller.time(ms));
      this.#teller.say("blocks", { notes: NOTES * 2, ms }, text);
    }
    return NOTES * 2;
  }

  async #writeNotes(label: string): Promise<void> {
    const utf8 = new TextEncoder();
    await Promise.all(this.#nodes.map((node) => {
      const drafts = Array.from({ length: NOTES }, (_, index) => ({
        kind: "put" as const,
        topic: `${TOPIC}/${label}`,
        tags: [],
        mediaType: "text/plain",
        body: utf8.encode(`${node.name}: ${label} ${index}`),
      }));
      return node.client.addBlocks(drafts, `${node.name}-${label}`);
    }));
  }

  async #haveNotes(label: string): Promise<void> {
    await this.#teller.wait(this.#texts.events.blocks, DELIVER_MS, async () => {
      const pages = await Promise.all(
        this.#nodes.map((node) => node.client.blocks({ topic: `${TOPIC}/${label}`, limit: 200 })),
      );
      return pages.every(({ blocks }) => blocks.length === NOTES * 2) ? true : null;
    });
  }

  async #breakAndMend(mail: Correspondence): Promise<number> {
    const { clock, interrupted } = this.#context;
    const [anna, ben] = this.#pair();
    await sleep(clock, QUIET_MS, interrupted);
    const best = await this.#way();
    const what = await this.#world.breakWay();
    this.#teller.say("broken", {}, what);
    const text = "written right after the cut";
    const failoverMs = await this.#teller.stopwatch(async () => {
      await mail.send(anna, ben, text);
      await this.#teller.wait(this.#texts.events.failover, DELIVER_MS, async () => {
        return (await shownBy(ben)).includes(text) ? true : null;
      });
    });
    const way = await this.#teller.wait(this.#texts.events.failover, MEET_MS, () => this.#way());
    this.#teller.say(
      "failedOver",
      { ms: failoverMs, way },
      this.#texts.failedOver(this.#teller.time(failoverMs), this.#texts.ways[way]),
    );
    await sleep(clock, QUIET_MS, interrupted);
    const rejoinedMs = await this.#teller.stopwatch(async () => {
      const mended = await this.#world.mendWay();
      if (mended !== "") this.#teller.say("mended", {}, mended);
      await this.#teller.wait(this.#texts.events.rejoin, MEET_MS * 2, async () => {
        return best === null || await this.#way() === best ? true : null;
      });
    });
    const now = best ?? way;
    this.#teller.say(
      "rejoined",
      { ms: rejoinedMs, way: now },
      this.#texts.joined(this.#teller.time(rejoinedMs), this.#texts.ways[now]),
    );
    return failoverMs;
  }

  async #cutAndHeal(mail: Correspondence): Promise<number> {
    const { clock, interrupted } = this.#context;
    const before = mail.sent;
    this.#teller.say("cut", {}, await this.#world.cut());
    await this.#teller.wait(this.#texts.events.down, MEET_MS, async () => {
      const [there] = await this.#peers();
      return there?.state === "up" ? null : true;
    });
    await this.#writeNotes("meanwhile");
    await sleep(clock, CUT_MS, interrupted);
    const meanwhile = mail.sent - before;
    const marks = await Promise.all(this.#nodes.map(async (node, index) => {
      const other = this.#nodes[1 - index] ?? node;
      const text = `${node.name}, the last before healing`;
      await mail.send(node, other, text);
      return { other, text };
    }));
    const healedMs = await this.#teller.stopwatch(async () => {
      await this.#world.heal();
      await this.#haveNotes("meanwhile");
      await this.#teller.wait(this.#texts.events.messages, DELIVER_MS, async () => {
        for (const { other, text } of marks) {
          if (!(await shownBy(other)).includes(text)) return null;
        }
        return true;
      });
    });
    await this.#teller.wait(this.#texts.events.meeting, MEET_MS, () => this.#way());
    const text = this.#texts.healed(this.#teller.count(meanwhile), this.#teller.time(healedMs));
    this.#teller.say("healed", { messages: meanwhile, ms: healedMs }, text);
    return healedMs;
  }
}

function wayOf(peer: PeerView | undefined): WayKind | null {
  if (peer?.state !== "up" || peer.path === null) return null;
  return peer.path === "nats" ? "nats" : peer.relayed ? "turn" : "direct";
}
