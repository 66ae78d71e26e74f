/** `submind status`: what this node is and how it is doing. */
import { object } from "@optique/core/constructs";
import { command } from "@optique/core/primitives";
import { map } from "@optique/core/modifiers";
import type { BridgeView } from "../../actors/bridge/commands.ts";
import type { NodeStatus } from "../../actors/handle.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatPairs } from "../output/table.ts";
import { formatBytes, formatCount, formatDuration } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function statusCommand(texts: Texts) {
  return command("status", map(object({}), (): Action => runStatus), {
    brief: plain(texts.help.status),
  });
}

async function runStatus(context: CommandContext) {
  const client = clientOf(context);
  const [status, bridge] = await Promise.all([client.status(), client.bridge()]);
  context.output.result(
    { ...status, bridge, gatewayUrl: client.gatewayUrl },
    () => formatPairs(context.output.terminal, pairsOf(context, status, bridge, client.gatewayUrl)),
  );
  return EXIT.ok;
}

function pairsOf(
  context: CommandContext,
  status: NodeStatus,
  bridge: BridgeView,
  gatewayUrl: string,
): readonly (readonly [string, string])[] {
  const { language, output } = context;
  const texts = context.texts.status;
  const { bold, green, yellow, red } = output.terminal.colors;
  const count = (value: number) => formatCount(value, language);
  const damage = status.damage.length;
  return [
    [texts.name, bold(status.displayName)],
    [texts.device, status.deviceId],
    [texts.mesh, status.mesh?.slice(0, 16) ?? yellow(texts.noMesh)],
    [texts.role, status.role ?? "—"],
    [texts.members, count(status.members)],
    [
      texts.peers,
      texts.peersOf(count(status.peersConnected), count(status.peersSighted)),
    ],
    [texts.blocks, `${count(status.blocks)} (${formatBytes(status.blockBytes, language)})`],
    ...(status.blocksWithoutPayload === 0
      ? []
      : [[texts.withoutBody, count(status.blocksWithoutPayload)] as const]),
    [texts.chunks, `${count(status.chunks)} (${formatBytes(status.chunkBytes, language)})`],
    [texts.multicast, status.multicast ? green(texts.works) : yellow(texts.worksNot)],
    ...(bridge.state === "off" ? [] : [
      [
        texts.broker,
        bridge.server === null
          ? yellow(texts.brokerAway(bridge.problem ?? ""))
          : green(texts.brokerOf(bridge.server, count(bridge.present))),
      ] as const,
    ]),
    [texts.rendezvous, status.rendezvousAddresses.join("  ") || "—"],
    [texts.gateway, `${gatewayUrl} ${output.terminal.colors.dim(texts.gatewayOpen)}`],
    [texts.uptime, formatDuration(status.uptimeMs, language)],
    [texts.version, status.version],
    [texts.damage, damage === 0 ? green(texts.none) : red(texts.damaged(count(damage)))],
  ];
}
