/** `submind peers`: devices near us and how we reach them. `peers add` names one where multicast does not reach. */
import { object, or } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import { argument, command } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { PeerView } from "../../actors/handle.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { formatTable } from "../output/table.ts";
import { formatBytes, formatDuration } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function peersCommand(texts: Texts) {
  const add = command(
    "add",
    map(
      object({
        address: argument(string({ metavar: "ADDRESS" }), {
          description: plain(texts.options.address),
        }),
      }),
      ({ address }): Action => (context) => runAdd(context, address),
    ),
    { brief: plain(texts.help.peersAdd) },
  );
  return command("peers", or(add, map(object({}), (): Action => runPeers)), {
    brief: plain(texts.help.peers),
  });
}

async function runAdd(context: CommandContext, address: string) {
  await clientOf(context).addPeer(address);
  context.output.result({ ok: true, address }, () => context.texts.peers.added(address));
  return EXIT.ok;
}

async function runPeers(context: CommandContext) {
  const peers = await clientOf(context).peers();
  context.output.result({ peers }, () => formatPeers(context, peers));
  return EXIT.ok;
}

function formatPeers(context: CommandContext, peers: readonly PeerView[]): string {
  const texts = context.texts.peers;
  if (peers.length === 0) return texts.none;
  const head = [
    texts.name,
    texts.device,
    texts.state,
    texts.liveness,
    texts.path,
    texts.trip,
    texts.traffic,
    "",
  ];
  return formatTable(context.output.terminal, head, peers.map((peer) => rowOf(context, peer)));
}

function rowOf(context: CommandContext, peer: PeerView): readonly string[] {
  const { language } = context;
  const texts = context.texts.peers;
  const { green, yellow, dim, red } = context.output.terminal.colors;
  const state = peer.state === "up"
    ? green(peer.inSync ? texts.inSync : texts.states.up)
    : peer.member
    ? yellow(texts.states[peer.state])
    : dim(texts.stranger);
  const bytes = (value: number) => formatBytes(value, language);
  const remark = peer.lastProblem !== null && peer.state !== "up" ? red(peer.lastProblem) : "";
  return [
    peer.displayName || "—",
    peer.deviceId.slice(0, 8),
    peer.connectedForMs === null
      ? state
      : `${state} ${dim(formatDuration(peer.connectedForMs, language))}`,
    peer.member ? texts.livenesses[peer.liveness] : "—",
    peer.relayed
      ? `${peer.pathDescription ?? peer.path ?? "—"} ${yellow(texts.relayed)}`
      : peer.pathDescription ?? peer.path ?? peer.addresses[0] ?? "—",
    peer.roundTripMs === null ? "—" : `${peer.roundTripMs.toFixed(1)} ms`,
    `↑ ${bytes(peer.bytesSent)} ↓ ${bytes(peer.bytesReceived)}`,
    remark,
  ];
}
