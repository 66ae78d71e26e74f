/** Examination of what a node needs for a broker of its own. Without one everything else works. */
import type { Config } from "../../deployments/config.ts";
import {
  findNatsServer,
  NATS_SERVER_MIN,
  type NatsProgram,
} from "../../deployments/nats/program.ts";
import type { CommandContext } from "../command.ts";
import type { Finding } from "./finding.ts";

/** Whether a usable nats-server is here, and whether the hubs' credentials are. */
export async function examineBroker(context: CommandContext, config: Config): Promise<Finding> {
  const texts = context.texts.doctor;
  const { enabled, natsServer, hubs, hubCredentials } = config.bridge;
  const name = "broker";
  if (enabled === "false") {
    return { name, state: "ok", detail: texts.brokerOff, fix: texts.brokerOffFix };
  }
  const program = await findNatsServer({
    configured: natsServer,
    environment: context.environment,
  });
  if (program.type !== "found") {
    // Whoever asked for a broker, its hubs or a program by name does not get what was configured.
    const wanted = enabled === "true" || natsServer !== "" || hubs.length > 0;
    const state = wanted ? "failed" : "warning";
    const fix = texts.brokerFix(NATS_SERVER_MIN);
    return { name, state, detail: describe(context, program), fix };
  }
  if (hubs.length > 0 && !isReadable(hubCredentials)) {
    return { name, state: "failed", detail: texts.hubsWithout, fix: texts.hubsWithoutFix };
  }
  return { name, state: "ok", detail: texts.brokerFound(program.version, program.path), fix: "" };
}

function describe(
  context: CommandContext,
  program: Exclude<NatsProgram, { type: "found" }>,
): string {
  const texts = context.texts.doctor;
  switch (program.type) {
    case "tooOld":
      return texts.brokerOld(program.path, program.version);
    case "unusable":
      return texts.brokerBad(program.path, program.reason);
    case "missing":
      return texts.brokerMissing;
    default:
      return program satisfies never;
  }
}

function isReadable(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
