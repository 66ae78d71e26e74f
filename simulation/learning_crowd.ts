/**
 * Very many devices of one run in virtual time: the actors of the run with real keys, signatures, masks and training, on a network of delays whose devices come and go.
 * Sessions, registry, ledger, blocks and disk stand in memory, so that a device takes a hundredth of what a whole node takes; whole nodes play the same rounds in
 * `scenarios/learning_crowd.ts`.
 */
import type { Behaviour, Context, Ref } from "../actors/kernel/actor.ts";
import { ActorSystem } from "../actors/kernel/system.ts";
import type {
  ChargeRequest,
  CommittedResult,
  RoundsCommand,
  RunCommand,
} from "../actors/rounds/commands.ts";
import { run as runBehaviour } from "../actors/rounds/run.ts";
import type { RunActorState, RunDependencies } from "../actors/rounds/run_state.ts";
import type { SessionsCommand } from "../actors/sessions/commands.ts";
import { InlineTrainer } from "../learning/engine/inline_trainer.ts";
import type { OpenedPlan } from "../learning/runs/opened_plan.ts";
import type { RunId } from "../learning/runs/plan.ts";
import { decodeResult } from "../learning/runs/result.ts";
import { inlineMaskWork } from "../learning/secure/mask_work.ts";
import type { TaskExamples } from "../learning/task.ts";
import { nodeMaskStream } from "../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../platform/node_crypto.ts";
import type { Random, Signer } from "../platform/ports.ts";
import { type BlockId, type DeviceId, deviceIdOf, type MeshId } from "../protocols/ids.ts";
import type { Member, Registry } from "../protocols/registry/registry.ts";
import { decodeRoundsMessage } from "../protocols/rounds/wire.ts";
import { memoryVectors } from "../store/memory_vectors.ts";
import type { Device } from "./device.ts";
import { simulatedPaillierWork } from "./simulated_paillier.ts";
import type { World } from "./world.ts";

/** Frames are under way for so long, virtual ms. */
const DELAY_MS = { least: 2, most: 40 };
/** A result is with everybody who is there after so long, virtual ms. */
const GOSSIP_MS = { least: 100, most: 1_500 };
/** Sessions notice after this that somebody has fallen silent, virtual ms. */
const NOTICE_MS = 3_000;
/** How often those who coordinate are told who came and went, virtual ms. */
const PEERS_EVERY_MS = 1_000;

/** A crowd, and how it comes and goes. */
export interface CrowdOptions {
  readonly devices: number;
  /** The first of the devices, so many, may coordinate; they have sessions with everybody. */
  readonly coordinators: number;
  readonly run: RunId;
  readonly openedFor: (devices: readonly DeviceId[]) => OpenedPlan;
  readonly examplesOf: (index: number) => TaskExamples;
  /** Virtual ms that a device is there, and away, on the average; exponentially distributed, as churn is modelled. Those who coordinate stay. */
  readonly churn: { readonly thereMs: number; readonly awayMs: number };
}

/** One device of the crowd. */
export interface CrowdMember {
  readonly id: DeviceId;
  /** Reachable now. */
  readonly isUp: boolean;
  /** When it came or went last, virtual ms. */
  readonly turnedMs: number;
  /** Times it went away. */
  readonly departures: number;
  /** Its actor of the run. */
  state(): RunActorState;
}

/** A crowd at work. */
export interface LearningCrowd {
  readonly members: readonly CrowdMember[];
  /** What devices have published, oldest first. */
  readonly results: readonly CommittedResult[];
  /** Errors that devices logged, and messages that nobody could read. */
  readonly problems: readonly string[];
  /** From now on this one is away for good. */
  lose(member: CrowdMember): void;
  stop(): Promise<void>;
}

type PeersChanged = Extract<RunCommand, { type: "peersChanged" }>;
type HubCommand =
  | RoundsCommand
  | PeersChanged
  | { readonly type: "heard"; readonly committed: CommittedResult };

interface Learner extends CrowdMember {
  readonly index: number;
  readonly signer: Signer;
  readonly device: Device;
  readonly system: ActorSystem;
  isUp: boolean;
  turnedMs: number;
  /** Those who coordinate were told that it came or went. */
  isNoticed: boolean;
  departures: number;
  /** Results it has heard of. */
  heard: number;
}

const ROUNDS: Ref<HubCommand> = { path: "rounds" };
const SESSIONS: Ref<SessionsCommand> = { path: "sessions" };

/** Starts a crowd, all of it at once; it lives as the world is advanced. The first device has started the run. */
export function startLearningCrowd(world: World, options: CrowdOptions): LearningCrowd {
  return new Crowd(world, options);
}

class Crowd implements LearningCrowd {
  readonly members: readonly Learner[];
  readonly results: CommittedResult[] = [];
  readonly problems: string[] = [];
  readonly #world: World;
  readonly #options: CrowdOptions;
  readonly #random: Random;
  readonly #byId: ReadonlyMap<DeviceId, Learner>;
  readonly #registry: Registry;
  readonly #opened: OpenedPlan;
  readonly #trainer = new InlineTrainer();
  readonly #crypto = nodeCrypto({ workersMax: 0 });
  readonly #masks = nodeMaskStream();

  constructor(world: World, options: CrowdOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.random.fork("crowd");
    world.hearLog({
      write: (level, text, fields) => {
        // Warnings are expected: who was away while the survivors were named refuses to reveal shares.
        if (level === "error") this.problems.push(`${text} ${JSON.stringify(fields)}`);
      },
    });
    this.members = Array.from({ length: options.devices }, (_, i) => this.#learner(i));
    this.#byId = new Map(this.members.map((learner) => [learner.id, learner]));
    this.#registry = this.#registryOfAll();
    this.#opened = options.openedFor(this.members.map(({ id }) => id));
    for (const learner of this.members) this.#begin(learner);
    this.#tellPeers();
  }

  lose(member: CrowdMember): void {
    const learner = this.#byId.get(member.id)!;
    this.#turn(learner, false);
    learner.device.losePower();
  }

  async stop(): Promise<void> {
    this.#trainer.close();
    for (const { device } of this.members) device.losePower();
    await Promise.resolve();
  }

  #learner(index: number): Learner {
    const device = this.#world.addDevice(`learner ${index}`);
    const signer = nodeSigner(device.random.fork("identity").bytes(32));
    const system = new ActorSystem({
      clock: device,
      random: device.random.fork("system"),
      log: device.log,
      dispatcher: device,
    });
    return {
      ...{ index, signer, device, system, id: deviceIdOf(signer.publicKey) },
      ...{ isUp: true, turnedMs: 0, isNoticed: true, departures: 0, heard: 0 },
      state: () => system.inspect(`${ROUNDS.path}/run`) as RunActorState,
    };
  }

  #begin(learner: Learner): void {
    const { system } = learner;
    system.spawn(SESSIONS.path, this.#sessionsOf(learner));
    system.spawn(ROUNDS.path, this.#hubOf(learner));
    if (!this.#coordinates(learner)) this.#comeAndGo(learner);
  }

  #coordinates({ index }: Learner): boolean {
    return index < this.#options.coordinators;
  }

  /** Away after a while, back after another, for ever; as many are away at the beginning as ever after. */
  #comeAndGo(learner: Learner): void {
    const { thereMs, awayMs } = this.#options.churn;
    const random = this.#random.fork(`churn ${learner.index}`);
    const next = () => {
      const meanMs = learner.isUp ? thereMs : awayMs;
      this.#world.after(-Math.log(1 - random.float()) * meanMs, "churn", () => {
        this.#turn(learner, !learner.isUp);
        next();
      });
    };
    if (random.float() < awayMs / (thereMs + awayMs)) learner.isUp = false;
    next();
  }

  #turn(learner: Learner, isUp: boolean): void {
    if (learner.isUp === isUp) return;
    learner.isUp = isUp;
    learner.turnedMs = this.#world.nowMs;
    learner.isNoticed = false;
    if (isUp) this.#catchUp(learner);
    else learner.departures++;
  }

  /** Sends what others say over links with delays; what is under way to or from somebody who is away is lost. */
  #sessionsOf(learner: Learner): Behaviour<SessionsCommand, null> {
    const random = this.#random.fork(`links ${learner.index}`);
    return {
      name: "sessions",
      init: () => null,
      receive: (_context, _state, command) => {
        if (command.type !== "sendToPeer") return;
        const other = this.#byId.get(command.to)!;
        const { body } = command;
        if (!learner.isUp) return;
        this.#world.after(between(random, DELAY_MS), "frame", () => {
          if (!learner.isUp || !other.isUp) return;
          const decoded = decodeRoundsMessage(body);
          if (!decoded.ok) return void this.problems.push(`cannot decode: ${decoded.reason}`);
          const { message } = decoded;
          other.system.tell(ROUNDS, { type: "peerMessage", from: learner.id, message });
        });
      },
    };
  }

  /** What stands where a node's rounds actor would: it allows every charge and makes results durable. */
  #hubOf(learner: Learner): Behaviour<HubCommand, Ref<RunCommand>> {
    return {
      name: "hub",
      init: (context) => context.spawn("run", runBehaviour(this.#dependenciesOf(learner))),
      receive: (context, run, command) => this.#onHub(context, run, learner, command),
    };
  }

  #onHub(
    context: Context<HubCommand>,
    run: Ref<RunCommand>,
    learner: Learner,
    command: HubCommand,
  ): void {
    switch (command.type) {
      case "peerMessage":
      case "peersChanged":
        return context.send(run, command as RunCommand);
      case "charge":
        return context.send(run, allowed(learner.index, command.charge));
      case "heard":
        return context.send(run, { type: "resultCommitted", committed: command.committed });
      case "publishResult":
        return this.#publish(learner, command.body);
      default:
        return;
    }
  }

  #publish(author: Learner, body: Uint8Array): void {
    const decoded = decodeResult(body);
    if (!decoded.ok) return void this.problems.push(`cannot decode: ${decoded.reason}`);
    const block = this.#crypto.sha256Hex(body) as string as BlockId;
    const atMs = author.device.wallMs();
    this.results.push({ block, author: author.id, atMs, result: decoded.message });
    for (const learner of this.members) {
      const delayMs = learner === author ? 0 : between(this.#random, GOSSIP_MS);
      this.#world.after(delayMs, "gossip", () => this.#catchUp(learner));
    }
  }

  #catchUp(learner: Learner): void {
    if (!learner.isUp) return;
    for (; learner.heard < this.results.length; learner.heard++) {
      const committed = this.results[learner.heard]!;
      learner.system.tell(ROUNDS, { type: "heard", committed });
    }
  }

  /** Those who coordinate hear of everybody; everybody else of those. */
  #tellPeers(): void {
    const { nowMs } = this.#world;
    const turned = this.members.filter(({ isNoticed, isUp, turnedMs }) =>
      !isNoticed && (isUp || nowMs - turnedMs >= NOTICE_MS)
    );
    for (const learner of turned) learner.isNoticed = true;
    const leads = this.members.filter((learner) => this.#coordinates(learner));
    if (turned.length > 0 || nowMs === 0) {
      const all = this.members.map((learner) => this.#peerOf(learner));
      for (const lead of leads) this.#tellPeersOf(lead, all);
    }
    const few = leads.map((lead) => this.#peerOf(lead));
    const isNewsOfLeads = nowMs === 0 || turned.some((learner) => this.#coordinates(learner));
    for (const learner of isNewsOfLeads ? this.members : turned) {
      if (!this.#coordinates(learner)) this.#tellPeersOf(learner, few);
    }
    this.#world.after(PEERS_EVERY_MS, "peers", () => this.#tellPeers());
  }

  #tellPeersOf({ system, id }: Learner, all: PeersChanged["peers"]): void {
    const peers = all.filter(({ deviceId }) => deviceId !== id);
    system.tell(ROUNDS, { type: "peersChanged", peers, registry: this.#registry });
  }

  #peerOf(learner: Learner): PeersChanged["peers"][number] {
    return {
      deviceId: learner.id,
      up: learner.isUp || !learner.isNoticed,
      coordinates: this.#coordinates(learner),
      round: 0,
      trusted: true,
    };
  }

  #registryOfAll(): Registry {
    const members = this.members.map((learner) => {
      const permissions = new Set(["learn.join"]);
      if (this.#coordinates(learner)) permissions.add("learn.coordinate");
      const { id: deviceId } = learner;
      return [deviceId, { deviceId, revoked: false, permissions } as unknown as Member] as const;
    });
    const mesh = "" as MeshId;
    return { mesh, founder: this.members[0]!.id, members: new Map(members), heads: [] };
  }

  #dependenciesOf({ index, id, signer }: Learner): RunDependencies {
    const settings = new Map<string, unknown>();
    return {
      self: id,
      signer,
      opened: this.#opened,
      run: this.#options.run,
      startedBy: this.members[0]!.id,
      results: [],
      registry: this.#registry,
      fresh: index === 0,
      rounds: ROUNDS as Ref<RoundsCommand>,
      sessions: SESSIONS,
      crypto: this.#crypto,
      masks: this.#masks,
      maskWork: inlineMaskWork({ crypto: this.#crypto, masks: this.#masks }),
      paillier: simulatedPaillierWork(),
      trainer: this.#trainer,
      vectors: memoryVectors(),
      store: { settings: settingsIn(settings) },
      examples: () => Promise.resolve(this.#options.examplesOf(index)),
    };
  }
}

/** A ledger that allows everything. */
function allowed(index: number, { round, release }: ChargeRequest): RunCommand {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(0, index);
  return { type: "charged", round, release, answer: { ok: true, secret } };
}

function settingsIn(kept: Map<string, unknown>): RunDependencies["store"]["settings"] {
  return {
    get: (key: string) => Promise.resolve(kept.get(key)),
    set: (changes: Readonly<Record<string, unknown>>) => {
      for (const [key, value] of Object.entries(changes)) {
        if (value === undefined) kept.delete(key);
        else kept.set(key, value);
      }
      return Promise.resolve();
    },
    entries: (prefix: string) =>
      Promise.resolve([...kept].filter(([key]) => key.startsWith(prefix))),
  } as RunDependencies["store"]["settings"];
}

function between(
  random: Random,
  { least, most }: { readonly least: number; readonly most: number },
) {
  return least + random.float() * (most - least);
}
