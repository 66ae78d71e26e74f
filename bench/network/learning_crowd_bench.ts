/**
 * Question: what does a round of a thousand devices take for real, with 30 % of them falling silent in the worst moment (keys are shared, nothing is submitted), and what does its
 * coordinator hold? One process coordinates and four others are 250 devices each. Every device has its own keys, its own path over a nats-server, its own session with the
 * coordinator (the handshake of a node, frames sealed under its keys, heartbeats), and the actor of a run as a node has it; only training is a fixed update, and registry, ledger,
 * blocks and the disk of a device are missing. Masks are made by workers, as in a node; the devices of a process share one, and one connection to the server: with one each, the
 * pings of a thousand connections and sessions at rest fill two cores.
 *
 * The way is a path over a broker, because there a device costs the coordinator no socket: a thousand paths go through one connection. A thousand connections of WebRTC or QUIC would
 * need a thousand sockets and handshakes of TLS on these cores, and those would be measured instead of rounds. What it costs is that every byte passes the server, which runs on the
 * same cores as everything else here.
 *
 * Beside the coordinator's processor time stands the sum of its bare steps, timed in the same run; beside its memory what the updates would be if it held them. Paths that end are counted
 * by reason: the work of a thousand devices (with a secure sum some 30 ms of agreements and signatures for each, then 66 masks) on a few cores keeps some from answering for the 4 s after
 * which a session takes its path for dead, which no device with a core of its own would know. Sessions resume and the round goes on, but whose session was away when the others had handed in
 * is not counted. At rest alone a thousand sessions and their other ends take about one and a half cores (measured with 200: 1.5 ms of processor for each and second, 0.5 of them the
 * coordinator's), so that on two cores little is left for the round: what it takes there is an upper bound.
 */
import { decodeResult, type RoundResult } from "../../learning/runs/result.ts";
import { expectedUpdateBytes } from "../../learning/runs/update.ts";
import { type BareSteps, bareSteps } from "../micro/rounds_bench.ts";
import type { Figure } from "../harness.ts";
import type { CoordinatorReport, CrowdNetwork, CrowdReport, CrowdTask } from "./crowd_messages.ts";
import { networkOf, planOf } from "./crowd_process.ts";
import { CrowdProcess, thenClean } from "./crowd_processes.ts";
import { startBenchServer } from "./nats_bench_server.ts";

const DROPOUTS = 0.3;
/** What is promised for a large round, and for whoever verifies. */
const ROUND_MS_MAX = 300_000;
const VERIFYING_MS_MAX = 1_000;
/** Then something is broken and nothing is measured. */
const CONNECTED_MS_MAX = 300_000;
const STUCK_MS_MAX = 900_000;
/** Sessions between two lines of progress. */
const SESSIONS_TOLD = 250;
/** Problems of one process that people are told; there may be as many as devices. */
const PROBLEMS_TOLD = 10;

/** A crowd and what it learns. */
export interface Size {
  readonly network: CrowdNetwork;
  /** The coordinator among them. */
  readonly devices: number;
  readonly processes: number;
  readonly aggregation: CrowdTask["aggregation"];
}

/** Rounds by a secure sum and in the clear. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const sizes = quick
    ? [{ network: "tiny", devices: 21, processes: 2 } as const]
    : (["softmax", "2NN"] as const).map((network) => ({ network, devices: 1_001, processes: 4 }));
  return await crowdFigures(
    sizes.flatMap((size) =>
      (["clear", "secure"] as const).map((aggregation) => ({ ...size, aggregation }))
    ),
    quick,
  );
}

/** Figures of rounds of other crowds. `quick`: no progress, no claims. */
export async function crowdFigures(sizes: readonly Size[], quick: boolean): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of sizes) figures.push(...figuresOf(size, await measure(size, quick), quick));
  return figures;
}

interface Measured {
  readonly coordinator: CoordinatorReport;
  readonly result: RoundResult;
  readonly bare: BareSteps;
  /** All its updates, bytes. */
  readonly updatesBytes: number;
  /** Mean of those who stayed. */
  readonly sentByClient: number;
  readonly verified: Extract<CrowdReport, { readonly type: "verified" }>;
}

async function measure(
  { network, devices, processes, aggregation }: Size,
  quick: boolean,
): Promise<Measured> {
  const tell = progress(
    `${devices.toLocaleString("en")} devices, ${network}, ${aggregation}`,
    quick,
  );
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const started: { close(): Promise<unknown> }[] = [];
  const clean = async () => {
    for (const one of started.splice(0).reverse()) await one.close();
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  };
  return await thenClean(async () => {
    const server = await startBenchServer();
    started.push(server);
    const dropouts = Math.floor(DROPOUTS * devices);
    const task: CrowdTask = {
      role: "coordinator",
      url: server.url,
      devices,
      dropouts,
      network,
      aggregation,
      from: 0,
      to: 1,
      folder,
    };
    const begin = (task: CrowdTask) => {
      const process = new CrowdProcess(task, tell);
      started.push({ close: () => process.end() });
      return process;
    };
    const coordinator = begin(task);
    await coordinator.hear("ready", { withinMs: CONNECTED_MS_MAX });
    const clients = Array.from({ length: processes }, (_, i) => {
      const place = (at: number) => 1 + Math.floor(at * (devices - 1) / processes);
      return begin({ ...task, role: "clients", from: place(i), to: place(i + 1) });
    });
    await Promise.all(clients.map((one) => one.hear("ready", { withinMs: CONNECTED_MS_MAX })));
    await coordinator.hear("sessions", {
      withinMs: CONNECTED_MS_MAX,
      fits: ({ up }) => up === devices - 1,
    });
    const before = await traffic(clients);
    coordinator.say({ type: "begin" });
    const done = await coordinator.hear("done", { withinMs: STUCK_MS_MAX });
    const after = await traffic(clients);
    clients[0]!.say({ type: "verify", body: done.body });
    const verified = await clients[0]!.hear("verified", { withinMs: STUCK_MS_MAX });
    const decoded = decodeResult(Uint8Array.fromBase64(done.body));
    if (!decoded.ok) throw new Error(`Benchmark is wrong: ${decoded.reason}`);
    const result = decoded.message;
    return {
      coordinator: done,
      result,
      bare: bareSteps({ network: networkOf(network), devices }, { result }, dropouts),
      updatesBytes: result.submissions.length * expectedUpdateBytes(planOf(task), devices).least,
      sentByClient: (after.sent - before.sent) / after.devices,
      verified,
    };
  }, clean);
}

async function traffic(clients: readonly CrowdProcess[]) {
  const parts = await Promise.all(clients.map((one) => {
    one.say({ type: "countTraffic" });
    return one.hear("traffic", { withinMs: CONNECTED_MS_MAX });
  }));
  return {
    sent: parts.reduce((sum, { sent }) => sum + sent, 0),
    devices: parts.reduce((sum, { devices }) => sum + devices, 0),
  };
}

function figuresOf(
  { network, devices, processes, aggregation }: Size,
  measured: Measured,
  quick: boolean,
): Figure[] {
  const { coordinator, result, bare, updatesBytes, sentByClient, verified } = measured;
  const { wallMs, processorMs, combining, residentBefore, residentMost, lost, phases } =
    coordinator;
  const { called, dropped } = result.counts;
  const fallen = Math.floor(DROPOUTS * devices);
  const manner = aggregation === "clear" ? "in the clear" : "secure";
  const name = `${(devices - 1).toLocaleString("en")} clients, ${network}, ${manner}`;
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
  // Below that the program itself weighs more than all updates.
  const isLarge = updatesBytes > 256e6;
  return [
    {
      name: `crowd: round, ${name}`,
      value: wallMs,
      unit: "ms",
      ...(quick ? {} : { limit: ROUND_MS_MAX }),
      note:
        `${processes} processes of clients, one nats-server; ${fallen} fell silent, ${dropped} of ${called} are not in it; ${
          phases.map(({ phase, atMs }) => `${phase} from ${(atMs / 1_000).toFixed(1)} s`).join(", ")
        }; paths that ended: ${
          Object.entries(lost).map(([reason, count]) => `${count} (${reason})`).join(", ")
        }`,
    },
    {
      name: `crowd: coordinator's processor, ${name}`,
      value: processorMs,
      unit: "ms",
      ratio: processorMs / bare.allMs,
      note: `all threads, sessions and heartbeats too; against its bare steps, same run: ${
        bare.allMs.toFixed(0)
      } ms`,
    },
    {
      name: `crowd: combining, ${name}`,
      value: combining.wallMs,
      unit: "ms",
      ...(bare.combiningMs === null ? {} : { ratio: combining.processorMs / bare.combiningMs }),
      note: `from the last that it waits for to the result; ${
        combining.processorMs.toFixed(0)
      } ms of processor${
        bare.combiningMs === null
          ? ""
          : `, against the bare key streams and agreements of its masks: ${
            bare.combiningMs.toFixed(0)
          } ms`
      }`,
    },
    {
      name: `crowd: coordinator's memory at most, ${name}`,
      value: residentMost,
      unit: "B",
      ...(isLarge && !quick ? { limit: residentBefore + updatesBytes } : {}),
      note: `resident; ${megabytes(residentBefore)} with all sessions before the round; its ${
        result.submissions.length.toLocaleString("en")
      } updates would be ${megabytes(updatesBytes)}`,
    },
    {
      name: `crowd: sent by a client, ${name}`,
      value: Math.round(sentByClient),
      unit: "B",
      note: "mean of those who stayed, sealed, with heartbeats, as handed to the server",
    },
    {
      name: `crowd: verifying the version, ${name}`,
      value: verified.tookMs,
      unit: "ms",
      ...(quick ? {} : { limit: VERIFYING_MS_MAX }),
      note:
        `one client: what was released fetched from the coordinator, signatures, and the version made again; ${
          verified.processorMs.toFixed(0)
        } ms of processor`,
    },
  ];
}

/** Tells people how far it is. */
function progress(name: string, quick: boolean): (report: CrowdReport) => void {
  if (quick) return () => {};
  let problems = 0;
  return (report) => {
    if (report.type === "phase") {
      console.error(`${name}: ${report.phase} after ${(report.atMs / 1_000).toFixed(1)} s`);
    } else if (report.type === "sessions" && report.up % SESSIONS_TOLD === 0) {
      console.error(`${name}: ${report.up} sessions`);
    } else if (report.type === "problem" && problems++ < PROBLEMS_TOLD) {
      console.error(`${name}: ${report.text}`);
    }
  };
}
