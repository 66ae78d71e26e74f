/** One process of a crowd, as a program: either the coordinator, or a share of the others. Lives until its input ends: none is left behind when the bench dies. */
import process from "node:process";
import { createInterface } from "node:readline";
import { mlp2nn, softmaxRegression } from "../../learning/engine/networks.ts";
import type { Network } from "../../learning/network.ts";
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { WorkerMaskWork } from "../../platform/worker_mask_work.ts";
import { openScratchFile } from "../../store/scratch_file.ts";
import { opened } from "../../tests/learning/proof_support.ts";
import { registryOf } from "../micro/rounds_parts.ts";
import { processorMs } from "../micro/rounds_pump.ts";
import {
  connect,
  CROWD_MESH,
  type CrowdDevice,
  type CrowdEvent,
  crowdOf,
  startDevice,
} from "./crowd_device.ts";
import {
  type CrowdCommand,
  type CrowdNetwork,
  type CrowdReport,
  type CrowdTask,
  dropsOut,
} from "./crowd_messages.ts";
import { Turns } from "./crowd_turns.ts";

/** Devices of one process that connect at the same time: four processes stay below the 32 strangers that a device speaks to at once. */
const CONNECTING = 7;
/** So many of all have to be there for a round; of those that fall away enough are left. */
const LEAST = 0.6;
/** Generous: this is about how long it takes, not about who is too late. */
const DEADLINES = { readyMs: 120_000, trainMs: 480_000, phaseMs: 240_000 };

/** What the crowd learns with. */
export function networkOf(name: CrowdNetwork): Network {
  if (name === "2NN") return mlp2nn();
  return name === "softmax"
    ? softmaxRegression({ inputs: 784, classes: 10 })
    : softmaxRegression({ inputs: 20, classes: 5 });
}

/** One round, by everybody. */
export function planOf({ network, aggregation, devices }: CrowdTask): OpenedPlan {
  return opened(networkOf(network), {
    rounds: 1,
    aggregation: aggregation === "secure"
      ? { type: "secure", encoding: { range: 1, bits: 16 } }
      : { type: "clear", rule: { name: "weightedMean", numbers: {} } },
    // With fewer, as after an attempt that came to nothing, it is not the crowd that would be measured.
    participation: {
      least: Math.ceil(LEAST * devices),
      most: 1_024,
      fraction: 1,
      overSelection: 0,
    },
    deadlines: DEADLINES,
  });
}

/** Starts the device at a place of the crowd. */
type Start = (
  index: number,
  options: { readonly dropsOut: boolean; readonly onEvent: (event: CrowdEvent) => void },
) => CrowdDevice;

function say(report: CrowdReport): void {
  console.log(JSON.stringify(report));
}

async function starter(task: CrowdTask): Promise<Start> {
  const broker = await connect(task.url);
  const crowd = crowdOf(task.devices);
  const ids = crowd.map(({ id }) => id);
  const [first, ...others] = ids;
  const registry = registryOf(ids, { mesh: CROWD_MESH, coordinators: [first!] });
  // As in a node; a process of clients stands for many, and shares what one node would have for itself.
  const crypto = nodeCrypto(task.role === "coordinator" ? {} : { workersMax: 0 });
  const maskWork = new WorkerMaskWork();
  const masks = nodeMaskStream();
  const plan = planOf(task);
  const turns = new Turns(systemClock());
  return (index, { dropsOut, onEvent }) => {
    const { id, signer } = crowd[index]!;
    return startDevice({
      index,
      self: id,
      signer,
      startedBy: first!,
      opened: plan,
      registry,
      crypto,
      masks,
      maskWork,
      scratch: () => openScratchFile(task.folder, systemRandom()),
      broker,
      peers: index === 0 ? others : [first!],
      dropsOut,
      turns: task.role === "coordinator" ? null : turns,
      onEvent(event) {
        if (event.type === "log" && event.level !== "debug" && event.level !== "info") {
          say({ type: "problem", text: `device ${index}: ${event.text}` });
        } else onEvent(event);
      },
    });
  };
}

/** Plays the coordinator. */
function coordinate(start: Start): (command: CrowdCommand) => void {
  let [beganMs, beganProcessorMs, residentBefore, up] = [0, 0, 0, 0];
  let combiningFrom: ReturnType<typeof now> | null = null;
  let combining = { wallMs: 0, processorMs: 0 };
  let [body, last] = ["", ""];
  const lost: Record<string, number> = {};
  const phases: { phase: string; atMs: number }[] = [];
  const now = () => ({
    wallMs: performance.now() - beganMs,
    processorMs: processorMs() - beganProcessorMs,
  });
  const combined = (at: ReturnType<typeof now>) => {
    if (combiningFrom === null) return;
    combining = {
      wallMs: at.wallMs - combiningFrom.wallMs,
      processorMs: at.processorMs - combiningFrom.processorMs,
    };
    combiningFrom = null;
  };
  const device = start(0, {
    dropsOut: false,
    onEvent(event) {
      if (event.type === "up" || event.type === "down") {
        up += event.type === "up" ? 1 : -1;
        return say({ type: "sessions", up });
      }
      if (beganMs === 0) return;
      if (event.type === "lost") {
        const reason = event.reason.replaceAll(/\d+/g, "…");
        if (lost[reason] === undefined) say({ type: "problem", text: `a path ended: ${reason}` });
        lost[reason] = 1 + (lost[reason] ?? 0);
      }
      if (event.type === "phase") {
        const at = now();
        // After the survivors of a sum have confirmed it, what is left is to publish it.
        if (last === "publishing") combined(at);
        if (event.phase === "publishing" && last !== "confirming") combiningFrom = at;
        last = event.phase;
        phases.push({ phase: event.phase, atMs: at.wallMs });
        say({ type: "phase", phase: event.phase, atMs: at.wallMs });
      } else if (event.type === "published") {
        combined(now());
        body = event.body.toBase64();
      } else if (event.type === "advanced") {
        say({
          type: "done",
          body,
          ...now(),
          combining,
          residentBefore,
          residentMost: process.resourceUsage().maxRSS * 1_024,
          lost,
          phases,
        });
      }
    },
  });
  say({ type: "ready" });
  return (command) => {
    if (command.type !== "begin") return;
    residentBefore = Deno.memoryUsage().rss;
    [beganMs, beganProcessorMs] = [performance.now(), processorMs()];
    device.begin();
  };
}

/** Plays a share of the others. */
async function takePart(task: CrowdTask, start: Start): Promise<(command: CrowdCommand) => void> {
  const devices: CrowdDevice[] = [];
  let onAdvanced = () => {};
  let next = task.from;
  await Promise.all(Array.from({ length: CONNECTING }, async () => {
    while (next < task.to) {
      const index = next++;
      const isUp = Promise.withResolvers<void>();
      const device = start(index, {
        dropsOut: dropsOut(index, task),
        onEvent(event) {
          if (event.type === "up") isUp.resolve();
          if (event.type === "advanced") onAdvanced();
        },
      });
      device.begin();
      if (!dropsOut(index, task)) devices.push(device);
      await isUp.promise;
    }
  }));
  say({ type: "ready" });
  const author = crowdOf(1)[0]!.id;
  return (command) => {
    if (command.type === "countTraffic") {
      const sent = devices.reduce((sum, device) => sum + device.traffic().sent, 0);
      say({ type: "traffic", sent, devices: devices.length });
    } else if (command.type === "verify") {
      const [beganMs, beganProcessorMs] = [performance.now(), processorMs()];
      onAdvanced = () =>
        say({
          type: "verified",
          tookMs: performance.now() - beganMs,
          processorMs: processorMs() - beganProcessorMs,
        });
      devices[0]!.hear(Uint8Array.fromBase64(command.body), author);
    }
  };
}

if (import.meta.main) {
  const task = JSON.parse(Deno.args[0] ?? "null") as CrowdTask;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  // Also while devices still connect.
  const ended = Promise.withResolvers<void>();
  process.stdin.once("end", () => ended.resolve());
  process.stdin.once("close", () => ended.resolve());
  ended.promise.then(() => Deno.exit(0));
  const start = await starter(task);
  const onCommand = task.role === "coordinator" ? coordinate(start) : await takePart(task, start);
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    onCommand(JSON.parse(line.value) as CrowdCommand);
  }
  Deno.exit(0);
}
