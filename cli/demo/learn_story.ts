/** What happens to the devices of `submind demo --learn`, step by step: each step does something, waits until it shows, and says how long it took. */
import { join } from "node:path";
import type { NewRun, RoundMetrics } from "../../actors/learning_handle.ts";
import type { RunJson } from "../client_learning.ts";
import type { CommandContext } from "../command.ts";
import { CliError } from "../exit_codes.ts";
import { figure, percent, SHORT_ID } from "../learning/figures.ts";
import { type InPlace, inPlace } from "../learning/in_place.ts";
import { isIncomplete, ToldRounds } from "../learning/told_rounds.ts";
import { curveLine, livePicture, roundLine } from "../learning/live_picture.ts";
import { type ChildNode, startChild } from "./child_node.ts";
import type { DemoPictures } from "./learn_data.ts";
import { pairNodes, tellAddresses } from "./pair_nodes.ts";
import { Teller } from "./teller.ts";
import { DemoError } from "./wait_for.ts";

/** The last line of `submind demo --learn --once --json`, beside `ok`. */
export interface LearnSummary {
  readonly rounds: number;
  /** Share of the test pictures that the last version reads rightly. */
  readonly accuracy: number;
  /** What each device that is left has spent, at `delta`. */
  readonly epsilon: number;
  readonly delta: number;
  /** Devices that took part in the beginning. */
  readonly participants: number;
  /** Those that fell away on the way, the coordinator among them. */
  readonly dropped: number;
  readonly coordinator_killed: true;
  /** From the kill until another device coordinated, and until the round that was under way had its result. */
  readonly replaced_ms: number;
  readonly round_after_kill_ms: number;
  /** From the start of the run to its last round. */
  readonly learned_ms: number;
  /** Devices that recomputed how the last version came about and found it right. */
  readonly verified: number;
}

const NAMES = ["Alder", "Birch", "Cedar", "Dogwood", "Elder"] as const;
const ROUNDS = 12;
/** The coordinator is killed in the round after this one, another device drops out in the round after that one. */
const KILL_AFTER = 3;
const DROP_AFTER = 6;
/** Five devices are too few for noise behind which one disappears: the demo shows that what is spent is counted, not that it is little. */
const CLIP = 0.4;
const SIGMA = 0.05;
const DELTA = 1e-5;
/** More than that is spent by no plan of this demo; what it really is, the ledgers say. */
const EPSILON_MAX = 100_000;
/** A model that reads less has not learned; guessing gives a tenth. */
const ACCURACY_MIN = 0.75;
/** A step that takes longer hangs, ms. */
const STEP_MS = 120_000;
/** Between two looks at the nodes, ms. */
const LOOK_MS = 100;
const UNDER_WAY: readonly RunJson["phase"][] = ["training", "collecting", "unmasking"];

/** What is asked of the first node. */
function runOf(pictures: DemoPictures, title: string): NewRun {
  const isSample = pictures.source === "sample";
  return {
    task: "mnist",
    title,
    options: { model: isSample ? "2nn" : "softmax" },
    rounds: ROUNDS,
    participants: { least: 3 },
    local: { epochs: isSample ? 5 : 1, batchSize: isSample ? 10 : 50, learningRate: 0.1 },
    aggregation: "secure",
    privacy: { epsilon: EPSILON_MAX, delta: DELTA, clip: CLIP, noiseMultiplier: SIGMA },
    share: { kind: "iid" },
    deadlines: { readyMs: 5_000, trainMs: 30_000, phaseMs: 5_000 },
  };
}

export class LearnStory {
  readonly #context: CommandContext;
  readonly #folder: string;
  readonly #pictures: DemoPictures;
  readonly #place: InPlace;
  readonly #teller: Teller;
  #nodes: ChildNode[] = [];
  #run = "";
  #rounds: readonly RoundMetrics[] = [];
  readonly #told = new ToldRounds();

  constructor(context: CommandContext, folder: string, pictures: DemoPictures) {
    this.#context = context;
    this.#folder = folder;
    this.#pictures = pictures;
    this.#place = inPlace(context);
    this.#teller = new Teller(context, LOOK_MS);
  }

  /** Those that still run. */
  get nodes(): readonly ChildNode[] {
    return this.#nodes.filter((node) => node.running());
  }

  /** Ends every node; harmless when they are gone. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  /** Tells everything. @throws {CliError} with what was waited for when it does not go on */
  async tell(): Promise<LearnSummary> {
    await this.#start();
    await this.#pairAll();
    const startedMs = this.#now();
    await this.#startRun();
    const killed = await this.#killCoordinator();
    await this.#dropOne();
    const last = await this.#finish();
    const learned_ms = Math.round(this.#now() - startedMs);
    return await this.#conclude(last, { ...killed, learned_ms });
  }

  get #texts() {
    return this.#context.texts.demoLearn;
  }

  #now(): number {
    return this.#context.clock.monotonicMs();
  }

  #say(name: string, fields: Record<string, unknown>, text: string): void {
    this.#place.clear();
    this.#teller.say(name, fields, text);
  }

  #wait<T>(what: string, attempt: () => Promise<T | null>): Promise<T> {
    return this.#teller.wait(what, STEP_MS, attempt);
  }

  async #start(): Promise<void> {
    this.#say("starting", { names: NAMES }, this.#texts.starting(NAMES.length));
    for (const name of NAMES) {
      const directory = join(this.#folder, name.toLowerCase());
      const options = { name, directory, multicast: false, rendezvousPort: 0 };
      this.#nodes.push(await startChild(this.#context, options));
    }
    const { training, test, source } = this.#pictures;
    for (const node of this.#nodes) this.#pictures.giveTo(node.options.directory);
    const each = Math.floor(training / NAMES.length);
    this.#say(
      "data",
      { training, test, each, source },
      this.#texts.data(
        this.#teller.count(training),
        this.#teller.count(each),
        this.#teller.count(test),
        source,
      ),
    );
  }

  async #pairAll(): Promise<void> {
    const startedMs = this.#now();
    const [first, ...others] = this.#nodes;
    await tellAddresses(this.#nodes);
    for (const other of others) {
      const words = await pairNodes(this.#context, first!, other);
      const text = this.#context.texts.demo.pairing(other.name, words.join(" "));
      this.#say("paired", { node: other.name, words }, text);
    }
    await this.#wait(this.#context.texts.demo.events.connection, async () => {
      for (const node of this.#nodes) {
        const up = (await node.client.peers()).filter(({ state }) => state === "up");
        if (up.length < this.#nodes.length - 1) return null;
        // Shares are cut among the members that the starter knows.
        if ((await node.client.members()).length < this.#nodes.length) return null;
      }
      return true;
    });
    const ms = Math.round(this.#now() - startedMs);
    this.#say("connected", { ms }, this.#texts.connected(this.#teller.time(ms)));
  }

  async #startRun(): Promise<void> {
    const { random, language } = this.#context;
    for (const node of this.#nodes) await node.client.learning.setBudget(EPSILON_MAX);
    const [first, ...others] = this.#nodes;
    const { learning } = first!.client;
    const task = (await learning.tasks()).find((one) => one.task === "mnist");
    const wish = runOf(this.#pictures, task?.title[language] ?? "MNIST");
    const { run } = await learning.start(wish, random.bytes(16).toHex());
    this.#run = run;
    this.#say(
      "started",
      { run, rounds: ROUNDS, sigma: SIGMA, clip: CLIP },
      this.#texts.started(ROUNDS, figure(SIGMA, this.#context), figure(CLIP, this.#context)),
    );
    for (const node of others) {
      await this.#wait(this.#texts.events.plan, async () => {
        const runs = await node.client.learning.runs();
        return runs.some((one) => one.run === run) ? true : null;
      });
      await node.client.learning.change(run, "join");
    }
    this.#say("joined", { devices: NAMES.length }, this.#texts.joined(NAMES.length));
  }

  /** The device whose view is shown: it stays to the end. */
  get #observer(): ChildNode {
    const node = this.nodes.at(-1);
    const { failedHint } = this.#context.texts.demo;
    if (node === undefined) throw new DemoError(this.#texts.events.start, failedHint);
    return node;
  }

  /** How the run stands; new rounds are told, the curve is drawn. */
  async #look(): Promise<RunJson> {
    const { learning } = this.#observer.client;
    const run = await learning.run(this.#run);
    if (isIncomplete(this.#rounds, run.round)) this.#rounds = await learning.rounds(this.#run);
    const news = this.#told.next(this.#rounds, this.#now());
    if (news.length > 0) this.#place.clear();
    for (const metrics of news) {
      const { round, accuracy, loss, counted, dropped, durationMs, epsilon } = metrics;
      const figures = { round, accuracy, loss, counted, dropped, ms: durationMs, epsilon };
      const said = () => roundLine(this.#context, metrics);
      this.#context.output.event({ type: "round", ...figures }, said);
    }
    const state = { run, rounds: this.#rounds, progress: null, training: null };
    this.#place.draw(livePicture(this.#context, state));
    return run;
  }

  /** Waits until a round after `round` is under way: devices train, or what they have made is summed. */
  #untilUnderWay(round: number): Promise<RunJson> {
    return this.#wait(this.#texts.events.training(round + 1), async () => {
      const run = await this.#look();
      const isNow = run.round >= round && UNDER_WAY.includes(run.phase);
      return isNow && run.coordinator !== null ? run : null;
    });
  }

  async #killCoordinator(): Promise<Pick<LearnSummary, "replaced_ms" | "round_after_kill_ms">> {
    const before = await this.#untilUnderWay(KILL_AFTER);
    const victim = this.#nodeOf(before.coordinator);
    const round = before.round + 1;
    await victim.kill();
    const killedMs = this.#now();
    this.#say(
      "coordinatorKilled",
      { node: victim.name, round, phase: before.phase },
      this.#texts.killing(victim.name, round),
    );
    const after = await this.#wait(this.#texts.events.successor, async () => {
      const run = await this.#look();
      return run.coordinator !== null && run.coordinator !== before.coordinator ? run : null;
    });
    const replaced_ms = Math.round(this.#now() - killedMs);
    const successor = this.#nodeOf(after.coordinator).name;
    const text = this.#texts.replaced(successor, this.#teller.time(replaced_ms));
    this.#say("replaced", { node: successor, ms: replaced_ms }, text);
    await this.#wait(this.#texts.events.round(round), async () => {
      return (await this.#look()).round >= round ? true : null;
    });
    const round_after_kill_ms = Math.round(this.#now() - killedMs);
    const went = this.#texts.wentOn(round, this.#teller.time(round_after_kill_ms));
    this.#say("wentOn", { round, ms: round_after_kill_ms }, went);
    return { replaced_ms, round_after_kill_ms };
  }

  async #dropOne(): Promise<void> {
    const run = await this.#untilUnderWay(DROP_AFTER);
    const observer = this.#observer;
    const coordinator = this.#nodeOf(run.coordinator);
    const victim = this.nodes.find((node) => node !== observer && node !== coordinator)!;
    await victim.kill();
    const round = run.round + 1;
    const text = this.#texts.dropping(victim.name, round);
    this.#say("droppedOut", { node: victim.name, round, phase: run.phase }, text);
  }

  /** Every round has its own time to come to a result. */
  async #finish(): Promise<RunJson> {
    let done = 0;
    while (true) {
      const run = await this.#wait(this.#texts.events.round(done + 1), async () => {
        const run = await this.#look();
        return run.round > done || run.state === "finished" ? run : null;
      });
      if (run.state === "finished") return run;
      done = run.round;
    }
  }

  async #conclude(
    last: RunJson,
    times: Pick<LearnSummary, "replaced_ms" | "round_after_kill_ms" | "learned_ms">,
  ): Promise<LearnSummary> {
    const version = await this.#wait(this.#texts.events.last, async () => {
      const runs = await Promise.all(
        this.nodes.map((node) => node.client.learning.run(this.#run)),
      );
      if (!runs.every(({ state, round }) => state === "finished" && round === last.rounds)) {
        return null;
      }
      const versions = new Set(runs.map((run) => run.version));
      if (versions.size === 1) return runs[0]!.version;
      throw new DemoError(this.#texts.differ, this.#texts.differHint);
    });
    // Measuring ends a moment after the round does.
    const metrics = await this.#wait(this.#texts.events.last, async () => {
      await this.#look();
      const newest = this.#rounds.at(-1);
      return newest?.round === last.rounds && newest.accuracy !== null ? newest : null;
    });
    this.#place.clear();
    const accuracy = metrics.accuracy ?? 0;
    this.#say(
      "finished",
      { rounds: last.rounds, accuracy, ms: times.learned_ms },
      [
        ...curveLine(this.#context, { rounds: this.#rounds }),
        this.#texts.finished(
          last.rounds,
          percent(accuracy, this.#context),
          this.#teller.time(times.learned_ms),
        ),
      ].join("\n"),
    );
    if (accuracy < ACCURACY_MIN) {
      const said = percent(accuracy, this.#context);
      throw new DemoError(this.#texts.tooLow(said, percent(ACCURACY_MIN, this.#context)), "--keep");
    }
    const epsilon = await this.#spent();
    this.#say(
      "privacy",
      { epsilon, delta: DELTA },
      this.#texts.privacy(this.#teller.count(Math.round(epsilon)), String(DELTA)),
    );
    const verified = await this.#verify(version!);
    this.#say(
      "verified",
      { version, devices: verified },
      this.#texts.same(verified, version!.slice(0, SHORT_ID)),
    );
    return {
      rounds: last.rounds,
      accuracy,
      epsilon,
      delta: DELTA,
      participants: NAMES.length,
      dropped: NAMES.length - this.nodes.length,
      coordinator_killed: true,
      ...times,
      verified,
    };
  }

  /** The most that any device left has spent. */
  async #spent(): Promise<number> {
    const runs = await Promise.all(this.nodes.map((node) => node.client.learning.run(this.#run)));
    return Math.max(...runs.map(({ epsilonSpent }) => epsilonSpent ?? 0));
  }

  async #verify(version: string): Promise<number> {
    for (const node of this.nodes) {
      const found = await node.client.learning.verify(version);
      const wrong = found.checks.find(({ ok }) => !ok);
      if (found.valid) continue;
      const what = wrong === undefined ? version : `${wrong.check}: ${wrong.detail}`;
      throw new DemoError(this.#texts.invalid(node.name, what), "--keep");
    }
    return this.nodes.length;
  }

  #nodeOf(device: string | null): ChildNode {
    const node = this.#nodes.find(({ ready }) => ready.deviceId === device);
    if (node !== undefined) return node;
    throw new CliError(this.#texts.events.successor, { code: "demo", exitCode: 1 });
  }
}
