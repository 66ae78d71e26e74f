/** `submind relay`: makes the files of a relay tier, its streams, and prints the key a device needs there. Works without a running node. */
import { object, or } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, flag, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { join } from "node:path";
import { errorText } from "../../platform/error_text.ts";
import { type Action, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists } from "../folder.ts";
import type { Texts } from "../texts.ts";

interface InitArguments {
  readonly sites: string | undefined;
  readonly hubs: string;
  readonly devices: string | undefined;
  readonly out: string;
  readonly noTls: boolean;
}

interface StreamsArguments {
  readonly server: string;
  readonly credentials: string;
  readonly replicas: number;
  readonly authority: string | undefined;
}

/** Parser of the command. */
export function relayCommand(texts: Texts) {
  const { help, options } = texts.relay;
  const names = (name: `--${string}`, description: string) =>
    option(name, string({ metavar: "NAMES" }), { description: plain(description) });
  const init = object({
    sites: optional(names("--sites", options.sites)),
    hubs: names("--hubs", options.hubs),
    devices: optional(names("--devices", options.devices)),
    out: option("--out", path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(options.out),
    }),
    noTls: withDefault(flag("--no-tls", { description: plain(options.noTls) }), false),
  });
  const streams = object({
    server: option("--server", string({ metavar: "ADDRESS" }), {
      description: plain(options.server),
    }),
    credentials: option("--credentials", path({ metavar: "FILE", type: "file" }), {
      description: plain(options.credentials),
    }),
    replicas: withDefault(
      option("--replicas", integer({ min: 1, max: 5, metavar: "NUMBER" }), {
        description: plain(options.replicas),
      }),
      3,
    ),
    authority: optional(
      option("--certificate-authority", path({ metavar: "FILE", type: "file" }), {
        description: plain(options.authority),
      }),
    ),
  });
  return command(
    "relay",
    or(
      command("init", map(init, (found): Action => (context) => runInit(context, found)), {
        brief: plain(help.init),
      }),
      command("streams", map(streams, (found): Action => (context) => runStreams(context, found)), {
        brief: plain(help.streams),
      }),
      command("key", map(object({}), (): Action => runKey), { brief: plain(help.key) }),
    ),
    { brief: plain(help.relay) },
  );
}

const listOf = (text: string | undefined) =>
  (text ?? "").split(",").map((part) => part.trim()).filter((part) => part !== "");

async function runInit(context: CommandContext, found: InitArguments) {
  const { makeRelay, RelayError, writeRelay } = await import(
    "../../deployments/nats/relay/make.ts"
  );
  try {
    const files = makeRelay({
      sites: listOf(found.sites),
      hubs: listOf(found.hubs),
      devices: listOf(found.devices),
      tls: !found.noTls,
    }, context.random);
    await writeRelay(found.out, files);
    const result = { ok: true, folder: found.out, files: files.map(({ path }) => path) };
    context.output.result(result, () => context.texts.relay.written(files.length, found.out));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    throw new CliError(error.message, { code: "refused", exitCode: EXIT.refused, hint: "" });
  }
}

async function runStreams(context: CommandContext, found: StreamsArguments) {
  const { makeRelayStreams } = await import("../../deployments/nats/relay/streams.ts");
  const { RELAY_LIMITS } = await import("../../deployments/nats/relay/plan.ts");
  const stream = await makeRelayStreams({
    server: found.server,
    seed: (await Deno.readTextFile(found.credentials)).trim(),
    replicas: found.replicas,
    mailBytesMax: RELAY_LIMITS.mailBytesMax,
    mailPerDeviceMax: RELAY_LIMITS.mailPerDeviceMax,
    caCertificates: found.authority === undefined ? [] : [await Deno.readTextFile(found.authority)],
    clock: context.clock,
  }).catch((error: unknown) => {
    const message = errorText(error);
    throw new CliError(message, { code: "failed", exitCode: EXIT.failed, hint: "", cause: error });
  });
  const { streamMade, streamUpdated } = context.texts.relay;
  context.output.result(
    { ok: true, ...stream },
    () => stream.created ? streamMade(stream.replicas) : streamUpdated(stream.replicas),
  );
  return EXIT.ok;
}

async function runKey(context: CommandContext) {
  const texts = context.texts.relay;
  const directory = join(dataDirectoryOf(context), "keys");
  // Opening makes an identity where there is none; asking for a key must not found a device.
  if (!exists(join(directory, "identity.pem"))) {
    throw new CliError(texts.noIdentity(directory), {
      code: "notFound",
      exitCode: EXIT.refused,
      hint: texts.noIdentityHint,
    });
  }
  const { openIdentity } = await import("../../platform/identity.ts");
  const { userNkey } = await import("../../platform/nats_broker_nkey.ts");
  const key = userNkey((await openIdentity({ directory })).broker.publicKey);
  context.output.result({ key }, () => key);
  return EXIT.ok;
}
