/** All examinations in order. Each looks at one thing, changes nothing, and never throws. */
import type { Config } from "../../deployments/config.ts";
import { errorText } from "../../platform/error_text.ts";
import {
  type CommandContext,
  configOutcomeOf,
  dataDirectoryOf,
  describeProblem,
} from "../command.ts";
import { NodeClient } from "../client.ts";
import { readNodeFile } from "../node_file.ts";
import { formatDuration } from "../output/units.ts";
import { examineBroker } from "./broker.ts";
import type { Finding, FindingName } from "./finding.ts";
import { examineDisk, examineFolder, examineIdentity, examinePages } from "./machine.ts";
import { examineInterfaces, examineMulticast, examinePort, examineWebrtc } from "./network.ts";

/** The oldest Deno that has what a node needs. */
const DENO_MIN = [2, 9] as const;
/** A clock before this moment was never set: it is when this program was made. */
const CLOCK_MIN_MS = Date.UTC(2026, 10, 1);

/** Looks at this machine, one finding after another. */
export async function* examine(context: CommandContext): AsyncGenerator<Finding> {
  const dataDirectory = dataDirectoryOf(context);
  const texts = context.texts.doctor;
  yield examineRuntime(context);
  const outcome = configOutcomeOf(context);
  yield outcome.type === "loaded" ? ok("configuration", outcome.file) : {
    name: "configuration",
    state: "failed",
    detail: outcome.problems.map((problem) => describeProblem(context, problem)).join("; "),
    fix: context.texts.config.hint,
  };
  yield examineFolder(context, dataDirectory);
  yield examineIdentity(context, dataDirectory);
  yield await examineDisk(context, dataDirectory);
  yield examinePages(context);
  yield examineClock(context);
  const node = await examineNode(context, dataDirectory);
  yield node.finding;
  if (outcome.type === "loaded" && !node.running) yield* examinePorts(context, outcome.config);
  yield examineInterfaces(context);
  yield outcome.type === "loaded" && !outcome.config.discovery.multicast
    ? {
      name: "multicast",
      state: "warning",
      detail: texts.multicastOff,
      fix: texts.multicastOffFix,
    }
    : await examineMulticast(context);
  yield await examineWebrtc(context);
  if (outcome.type === "loaded") yield await examineBroker(context, outcome.config);
}

function ok(name: FindingName, detail: string): Finding {
  return { name, state: "ok", detail, fix: "" };
}

function examineRuntime(context: CommandContext): Finding {
  const version = Deno.version.deno;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [majorMin, minorMin] = DENO_MIN;
  const detail = `Deno ${version}, ${Deno.build.target}`;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return ok("runtime", detail);
  const fix = context.texts.doctor.runtimeFix(DENO_MIN.join("."));
  return { name: "runtime", state: "failed", detail, fix };
}

function examineClock(context: CommandContext): Finding {
  const nowMs = context.clock.wallMs();
  const detail = new Date(nowMs).toISOString();
  if (nowMs >= CLOCK_MIN_MS) return ok("clock", detail);
  return { name: "clock", state: "warning", detail, fix: context.texts.doctor.clockFix };
}

async function examineNode(
  context: CommandContext,
  dataDirectory: string,
): Promise<{ readonly finding: Finding; readonly running: boolean }> {
  const texts = context.texts.doctor;
  const found = readNodeFile(dataDirectory);
  if (found.type !== "found") {
    const detail = found.type === "stale" ? texts.nodeStale(found.pid) : texts.nodeNot;
    return { finding: { name: "node", state: "ok", detail, fix: "" }, running: false };
  }
  const client = new NodeClient(found.node, context.texts);
  if (!await client.healthy()) {
    const detail = texts.nodeSilent(found.node.pid, found.node.gatewayUrl);
    const finding: Finding = { name: "node", state: "failed", detail, fix: texts.nodeSilentFix };
    return { finding, running: true };
  }
  try {
    const status = await client.status();
    const uptime = formatDuration(status.uptimeMs, context.language);
    const damaged = status.damage.length > 0;
    const detail = texts.nodeRuns(found.node.gatewayUrl, uptime, status.damage.length);
    return {
      finding: {
        name: "node",
        state: damaged ? "warning" : "ok",
        detail,
        fix: damaged ? texts.nodeDamageFix : "",
      },
      running: true,
    };
  } catch (error) {
    const detail = errorText(error);
    return {
      finding: { name: "node", state: "failed", detail, fix: texts.nodeSilentFix },
      running: true,
    };
  }
}

function* examinePorts(context: CommandContext, config: Config): Generator<Finding> {
  yield examinePort(context, "gatewayPort", config.gateway);
  yield examinePort(context, "rendezvousPort", config.rendezvous);
}
