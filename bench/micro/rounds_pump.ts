/**
 * One round of learning among many devices in one process: the real actors of a run, with real keys, signatures and masks, over a pump that carries encoded messages
 * in order. Training is a fixed update; sessions, registry, ledger and disk are missing. The processor time of each device is taken apart from that of all others.
 */
import process from "node:process";
import type { Context, TaskOutcome } from "../../actors/kernel/actor.ts";
import type { RoundsCommand, RunCommand } from "../../actors/rounds/commands.ts";
import { run as runBehaviour } from "../../actors/rounds/run.ts";
import type { RunActorState, RunDependencies } from "../../actors/rounds/run_state.ts";
import type { SessionsCommand } from "../../actors/sessions/commands.ts";
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import { inlineMaskWork, type MaskWork } from "../../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { decodeRoundsMessage } from "../../protocols/rounds/wire.ts";
import type { VectorStore } from "../../store/vectors.ts";
import {
  allowed,
  committed,
  isEndOfSharing,
  NOTHING_ELSE,
  registryOf,
  runDependencies,
} from "./rounds_parts.ts";

export interface PumpOptions {
  readonly opened: OpenedPlan;
  readonly devices: number;
  /** Of the others than the coordinator, so many fall away with their keys shared and nothing submitted. */
  readonly dropouts: number;
  /** As in `RunDependencies`. */
  readonly gatheredBytesMax?: number;
  /** Room on a disk; memory that is not counted when absent. */
  readonly scratch?: VectorStore["scratch"];
  /** Takes the coordinator's masks off, and puts its own on; on the same thread as everything else when absent. */
  readonly maskWork?: MaskWork;
}

/** What a round took. */
export interface PumpedRound {
  readonly result: RoundResult;
  /** What the result names: the combined update, or the sum. */
  readonly aggregate: Uint8Array;
  /** Of the device that coordinates, its own part as a participant included, from the call until the version is its own, ms. */
  readonly coordinatorMs: number;
  /** Of that: from the last that the coordinator waited for until the new version is made and named. With secure sums it takes the masks off. */
  readonly combiningMs: number;
  /** The same on the clock: with mask work on other cores less than the processor time. */
  readonly combiningClockMs: number;
  /** Of a device that takes part to the end: middle and slowest, ms. */
  readonly deviceMs: { readonly median: number; readonly most: number };
  /** Most bytes in buffers that the coordinator's actor held at once. */
  readonly coordinatorBytes: number;
  /** Of all messages between devices. */
  readonly bytesSent: number;
}

/** What a device has to do next. */
interface Work {
  readonly device: Device;
  /** Outside its actor. */
  readonly isTask?: boolean;
  readonly act: () => Promise<void> | void;
}

interface Device {
  readonly index: number;
  readonly id: DeviceId;
  readonly deps: RunDependencies;
  readonly context: Context<RunCommand>;
  state: RunActorState;
  isUp: boolean;
  spentMs: number;
}

const crypto = nodeCrypto({ workersMax: 0 });
const masks = nodeMaskStream();

/** Plays one round. Throws when it comes to no version. */
export async function pumpRound(
  { opened, devices: count, dropouts, gatheredBytesMax, scratch, maskWork }: PumpOptions,
): Promise<PumpedRound> {
  const random = seededRandom("rounds bench");
  const signers = Array.from({ length: count }, () => nodeSigner(random.bytes(32)))
    .map((signer) => ({ id: deviceIdOf(signer.publicKey), signer }));
  const registry = registryOf(signers.map(({ id }) => id));
  const work = queue<Work>();
  const devices = new Map<DeviceId, Device>();
  const problems: string[] = [];
  let opening: TaskOutcome<unknown> | undefined;
  let result: RoundResult | undefined;
  let [isDone, bytesSent, newlyDown] = [false, 0, 0];
  const dropsOut = ({ index }: Device) => index > 0 && index <= dropouts;

  const behaviour = (deps: RunDependencies) => runBehaviour(deps);
  const handle = (device: Device, command: RunCommand) =>
    work.push({
      device,
      act: () => behaviours.get(device)!.receive(device.context, device.state, command),
    });
  const behaviours = new Map<Device, ReturnType<typeof behaviour>>();

  function carry(from: Device, { to, body }: { readonly to: DeviceId; readonly body: Uint8Array }) {
    const other = devices.get(to)!;
    bytesSent += body.length;
    work.push({
      device: other,
      act() {
        const decoded = decodeRoundsMessage(body);
        if (!decoded.ok) throw new Error(`Benchmark is wrong: ${decoded.reason}`);
        const { message } = decoded;
        if (dropsOut(other) && isEndOfSharing(message)) {
          other.isUp = false;
          newlyDown++;
          return;
        }
        behaviours.get(other)!.receive(other.context, other.state, {
          type: "peerMessage",
          from: from.id,
          message,
        });
      },
    });
  }

  function onRounds(device: Device, command: RoundsCommand) {
    if (command.type === "charge") {
      handle(device, allowed(device.index, command.charge));
    } else if (command.type === "publishResult") {
      const published = committed(command.body, device.id);
      result = published.result;
      handle(device, { type: "resultCommitted", committed: published });
    } else if (command.type === "runAdvanced" && device.index === 0) isDone = true;
  }

  const inline = inlineMaskWork({ crypto, masks });
  signers.forEach(({ id, signer }, index) => {
    const deps = runDependencies({
      index,
      self: id,
      signer,
      startedBy: signers[0]!.id,
      opened,
      registry,
      crypto,
      masks,
      maskWork: index === 0 ? maskWork ?? inline : inline,
      gatheredBytesMax,
      scratch,
    });
    const context: Context<RunCommand> = {
      ...NOTHING_ELSE,
      self: { path: id },
      random: random.fork(id),
      log: {
        write: (level, text, fields) => {
          if (level !== "info") problems.push(`${text} ${JSON.stringify(fields)}`);
        },
      },
      send(to, message) {
        if (to.path === deps.rounds.path) return onRounds(device, message as RoundsCommand);
        if (to.path === deps.sessions.path) {
          const sent = message as unknown as SessionsCommand;
          if (sent.type === "sendToPeer") carry(device, sent);
          return;
        }
        handle(device, message as unknown as RunCommand);
      },
      // Everybody answers or is known to be gone, so no deadline passes; what need not wait does not.
      startTimer(_key, delayMs, message) {
        if (delayMs === 0) handle(device, message);
      },
      perform(task, toCommand) {
        // All begin with the same model: it is made once.
        const known = opening;
        if (known !== undefined && device.state === undefined) {
          return void handle(device, toCommand(known as never));
        }
        const isOpening = opening === undefined;
        work.push({
          device,
          isTask: true,
          async act() {
            let outcome;
            try {
              outcome = { ok: true as const, value: await task() };
            } catch (error) {
              outcome = { ok: false as const, error };
              problems.push(String(error));
            }
            if (isOpening) opening ??= outcome;
            handle(device, toCommand(outcome));
          },
        });
      },
      inlet: (toCommand) => (event) => void handle(device, toCommand(event)),
    };
    const device: Device = {
      index,
      id,
      deps,
      context,
      state: undefined as unknown as RunActorState,
      isUp: true,
      spentMs: 0,
    };
    devices.set(id, device);
    behaviours.set(device, behaviour(deps));
  });

  const [coordinator, ...others] = [...devices.values()] as [Device, ...Device[]];
  const peersOf = (device: Device, peers: readonly Device[]) =>
    handle(device, {
      type: "peersChanged",
      registry,
      peers: peers.map(({ id, isUp, index }) => ({
        deviceId: id,
        up: isUp,
        coordinates: index === 0,
        round: 0,
        trusted: true,
      })),
    });

  let [handled, coordinatorBytes, combiningMs, combiningClockMs] = [0, 0, 0, 0];
  // Looking takes as long as there are devices.
  const lookEvery = 1 + (count >> 4);
  async function settle() {
    for (let next = work.next(); next !== undefined && !isDone; next = work.next()) {
      if (!next.device.isUp) continue;
      const isCombining = next.device === coordinator &&
        coordinator.state?.lead?.phase === "publishing" && next.isTask;
      const [startedMs, startedAtMs] = [processorMs(), performance.now()];
      const acting = next.act();
      if (acting !== undefined) await acting;
      const spentMs = processorMs() - startedMs;
      next.device.spentMs += spentMs;
      if (isCombining) {
        combiningMs += spentMs;
        combiningClockMs += performance.now() - startedAtMs;
      }
      if (next.device === coordinator && handled++ % lookEvery === 0) {
        coordinatorBytes = Math.max(coordinatorBytes, bytesHeld(coordinator.state));
      }
    }
  }

  for (const device of devices.values()) {
    device.state = behaviours.get(device)!.init(device.context);
    // The first has to have opened before the others take over what it found.
    if (device === coordinator) await settle();
  }
  for (const device of others) peersOf(device, [coordinator]);
  await settle();
  for (const device of devices.values()) device.spentMs = 0;
  peersOf(coordinator, others);
  await settle();
  while (!isDone && newlyDown > 0) {
    newlyDown = 0;
    peersOf(coordinator, others);
    await settle();
  }
  if (!isDone || result === undefined) {
    throw new Error(
      `Cannot measure a round: it ended while ${coordinator.state.phase}, ${
        problems.at(0) ?? "without a word"
      }`,
    );
  }
  const aggregate = await coordinator.deps.vectors.get(result.aggregate.hash);
  if (aggregate === undefined) throw new Error("Cannot measure a round: what it released is gone");
  const spent = others.filter(({ isUp }) => isUp).map(({ spentMs }) => spentMs)
    .toSorted((a, b) => a - b);
  return {
    result,
    aggregate,
    coordinatorMs: coordinator.spentMs,
    combiningMs,
    combiningClockMs,
    deviceMs: { median: spent[spent.length >> 1] ?? 0, most: spent.at(-1) ?? 0 },
    coordinatorBytes,
    bytesSent,
  };
}

/** First in, first out; however many wait, the next costs the same. */
function queue<T>() {
  let [taken, waiting]: [T[], T[]] = [[], []];
  return {
    push: (one: T) => void waiting.push(one),
    next(): T | undefined {
      if (taken.length === 0) [taken, waiting] = [waiting.reverse(), []];
      return taken.pop();
    },
  };
}

/** Processor time of this process: other programs on the machine do not count. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Bytes of all distinct buffers that can be reached from a value. */
function bytesHeld(value: unknown): number {
  const seen = new Set<unknown>();
  let bytes = 0;
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (ArrayBuffer.isView(next)) {
      if (seen.has(next.buffer)) continue;
      seen.add(next.buffer);
      bytes += next.buffer.byteLength;
    } else if (next instanceof Map) waiting.push(...next.keys(), ...next.values());
    else if (next instanceof Set) waiting.push(...next);
    else waiting.push(...Object.values(next));
  }
  return bytes;
}
