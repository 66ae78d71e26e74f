/** `submind up`: runs the node in this terminal (or under systemd) until it is told to stop. */
import { object } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { command, flag, option } from "@optique/core/primitives";
import { choice, port, string } from "@optique/core/valueparser";
import type { NodeEvent } from "../../actors/events.ts";
import type { RunningNode } from "../../deployments/node.ts";
import type { Config } from "../../deployments/config.ts";
import { errorText } from "../../platform/error_text.ts";
import { startWatchdog } from "../../platform/watchdog.ts";
import { type Action, type CommandContext, configOf, configOutcomeOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { readNodeFile, removeNodeFile, writeNodeFile } from "../node_file.ts";
import { eventLine } from "../output/event_line.ts";
import { formatPairs } from "../output/table.ts";
import type { Texts } from "../texts.ts";

const LEVELS = ["debug", "info", "warning", "error"] as const;

interface UpArguments {
  readonly name: string | undefined;
  readonly gatewayPort: number | undefined;
  readonly rendezvousPort: number | undefined;
  readonly noMulticast: boolean;
  readonly peers: readonly string[];
  readonly logLevel: typeof LEVELS[number] | undefined;
  readonly quiet: boolean;
  readonly untilStdinCloses: boolean;
}

/** Parser of the command. */
export function upCommand(texts: Texts) {
  const parser = object({
    name: optional(
      option("--name", string({ metavar: "NAME" }), { description: plain(texts.options.name) }),
    ),
    gatewayPort: optional(
      option("--gateway-port", port({ min: 0, metavar: "PORT" }), {
        description: plain(texts.options.gatewayPort),
      }),
    ),
    rendezvousPort: optional(
      option("--rendezvous-port", port({ min: 0, metavar: "PORT" }), {
        description: plain(texts.options.rendezvousPort),
      }),
    ),
    noMulticast: withDefault(
      flag("--no-multicast", { description: plain(texts.options.noMulticast) }),
      false,
    ),
    peers: multiple(
      option("--peer", string({ metavar: "ADDRESS" }), { description: plain(texts.options.peer) }),
      { max: 64 },
    ),
    logLevel: optional(
      option("--log-level", choice(LEVELS, { metavar: "LEVEL" }), {
        description: plain(texts.options.logLevel),
      }),
    ),
    quiet: withDefault(flag("-q", "--quiet", { description: plain(texts.options.quiet) }), false),
    untilStdinCloses: withDefault(
      flag("--until-stdin-closes", { description: plain(texts.options.untilStdinCloses) }),
      false,
    ),
  });
  return command("up", map(parser, (found): Action => (context) => runUp(context, found)), {
    brief: plain(texts.help.up),
  });
}

function overridesOf(found: UpArguments): Record<string, unknown> {
  return {
    ...(found.name === undefined ? {} : { displayName: found.name }),
    ...(found.gatewayPort === undefined ? {} : { "gateway.port": found.gatewayPort }),
    ...(found.rendezvousPort === undefined ? {} : { "rendezvous.port": found.rendezvousPort }),
    ...(found.noMulticast ? { "discovery.multicast": false } : {}),
    ...(found.peers.length === 0 ? {} : { "discovery.staticPeers": found.peers }),
    ...(found.logLevel === undefined ? {} : { "log.level": found.logLevel }),
  };
}

/** The configuration; in a terminal without a log file only warnings are logged, because the events say the rest. */
function configFor(context: CommandContext, found: UpArguments): Config {
  const overrides = overridesOf(found);
  const config = configOf(context, overrides);
  const outcome = configOutcomeOf(context, overrides);
  const untold = outcome.type === "loaded" && outcome.origins["log.level"] === "default";
  const seen = context.output.terminal.errIsTerminal && config.log.file === "";
  return untold && seen ? { ...config, log: { ...config.log, level: "warning" } } : config;
}

async function runUp(context: CommandContext, found: UpArguments) {
  const config = configFor(context, found);
  const present = readNodeFile(config.dataDirectory);
  if (present.type === "found") {
    throw new CliError(context.texts.up.already(config.dataDirectory, present.node.pid), {
      code: "alreadyRunning",
      exitCode: EXIT.refused,
      hint: context.texts.up.alreadyHint(present.node.gatewayUrl),
    });
  }
  const endWatchdog = startWatchdog();
  try {
    while (await runOnce(context, found, config) === "again") {
      context.output.note(context.texts.up.again);
    }
    return EXIT.ok;
  } finally {
    endWatchdog();
  }
}

/** One life of the node: until somebody ends it, or ("again") until it has to start anew because it leaves its mesh. */
async function runOnce(
  context: CommandContext,
  found: UpArguments,
  config: Config,
): Promise<"ended" | "again"> {
  // Who is in sight before we are ready is told right after that.
  const early: NodeEvent[] = [];
  let tell = (event: NodeEvent): void => void early.push(event);
  const node = await start(context, config, (event) => tell(event));
  try {
    writeNodeFile(config.dataDirectory, {
      pid: Deno.pid,
      gatewayUrl: node.gatewayUrl,
      token: node.token,
      tlsCertificate: config.gateway.tlsCertificate,
    });
    await applyInterest(context, node, config);
    await announce(context, node, config);
    tell = (event) => {
      const line = eventLine(event, { ...context, colors: context.output.terminal.colors });
      if (context.output.json) context.output.event(event, () => "");
      else if (!found.quiet && line !== null) context.output.event(event, () => line);
    };
    for (const event of early) tell(event);
    const why = await Promise.race([
      aborted(context.interrupted).then(() => "ended" as const),
      node.leaving.then(() => "again" as const),
      node.failed.then((cause) => {
        throw new CliError(
          context.texts.up.failed(errorText(cause)),
          {
            code: "nodeFailed",
            exitCode: EXIT.failed,
            hint: context.texts.up.failedHint,
            cause,
          },
        );
      }),
      ...(found.untilStdinCloses ? [stdinClosed().then(() => "ended" as const)] : []),
    ]);
    tell = () => {};
    if (why === "ended") context.output.note(context.texts.up.stopping);
    return why;
  } finally {
    removeNodeFile(config.dataDirectory);
    await node.stop();
  }
}

let stdinEnd: Promise<void> | undefined;

/** Resolves when standard input has ended; it can be read only once, however often the node starts anew. */
function stdinClosed(): Promise<void> {
  return stdinEnd ??= closed(Deno.stdin.readable);
}

async function start(
  context: CommandContext,
  config: Config,
  onEvent: (event: NodeEvent) => void,
): Promise<RunningNode> {
  const { startNode } = await import("../../deployments/node.ts");
  try {
    return await startNode({ config, onEvent });
  } catch (error) {
    const { message, hint } = describeStart(context, config, error);
    throw new CliError(message, { code: "cannotStart", exitCode: EXIT.failed, hint, cause: error });
  }
}

/** What keeps nodes from starting, in words that say what to do. */
function describeStart(
  context: CommandContext,
  config: Config,
  error: unknown,
): { readonly message: string; readonly hint: string } {
  const texts = context.texts.up;
  const cause = errorText(error);
  const hint = error instanceof Error && "hint" in error && typeof error.hint === "string"
    ? error.hint
    : "";
  const chain = [error, error instanceof Error ? error.cause : undefined];
  const is = (kind: new (message?: string) => Error) => chain.some((item) => item instanceof kind);
  if (is(Deno.errors.AddrInUse)) {
    return { message: texts.cannotStart(cause), hint: texts.portInUseHint };
  }
  if (is(Deno.errors.PermissionDenied)) {
    return { message: texts.notAllowed(cause), hint: texts.notAllowedHint(config.dataDirectory) };
  }
  return { message: texts.cannotStart(cause), hint };
}

async function announce(context: CommandContext, node: RunningNode, config: Config): Promise<void> {
  const status = await node.handle.status();
  const ready = {
    type: "ready",
    pid: Deno.pid,
    deviceId: status.deviceId,
    displayName: status.displayName,
    mesh: status.mesh,
    dataDirectory: config.dataDirectory,
    gatewayUrl: node.gatewayUrl,
    loginUrl: node.loginUrl,
    rendezvousAddresses: node.rendezvousAddresses,
    multicast: status.multicast,
  };
  const texts = context.texts.up;
  const { bold, cyan, dim, yellow } = context.output.terminal.colors;
  context.output.event(ready, () =>
    formatPairs(context.output.terminal, [
      [texts.name, `${bold(status.displayName)} ${dim(status.deviceId.slice(0, 8))}`],
      [texts.mesh, status.mesh?.slice(0, 16) ?? yellow(texts.noMesh)],
      [texts.open, cyan(node.loginUrl)],
      [texts.reachable, node.rendezvousAddresses.join("  ") || "—"],
      [texts.data, config.dataDirectory],
      [texts.stop, texts.stopKey],
    ]));
}

/** What the configuration says about interest counts at every start; where it says nothing, the last choice stays. */
async function applyInterest(
  context: CommandContext,
  node: RunningNode,
  config: Config,
): Promise<void> {
  const outcome = configOutcomeOf(context);
  const named = outcome.type === "loaded" &&
    ["interest.topics", "interest.bodyBytesMax"].some((key) => outcome.origins[key] !== "default");
  if (!named) return;
  const set = await node.handle.setInterest(config.interest);
  if (set.type === "refused") context.output.note(set.message);
}

/** Resolves when nothing more can come. */
async function closed(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream) { /* Only the end matters. */ }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
