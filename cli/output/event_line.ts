/** One line about something that happened in the node, for people who watch it. */
import type { NodeEvent } from "../../actors/events.ts";
import type { Texts } from "../texts.ts";
import { printable } from "./table.ts";
import type { Colors } from "./terminal.ts";
import { formatBytes } from "./units.ts";
import type { Language } from "../texts.ts";

export interface EventLineOptions {
  readonly texts: Texts;
  readonly language: Language;
  readonly colors: Colors;
}

/** The line for an event, or null for events that say nothing to a person. */
export function eventLine(event: NodeEvent, options: EventLineOptions): string | null {
  const texts = options.texts.events;
  const { green, yellow, red, cyan, dim } = options.colors;
  const short = (id: string) => id.slice(0, 8);
  switch (event.type) {
    case "blockStored": {
      const size = formatBytes(event.bodyBytes, options.language);
      const from = event.receivedFrom === null ? texts.made : texts.from(short(event.receivedFrom));
      return `${cyan("◆")} ${short(event.id)} ${printable(event.topic)} ${dim(`${size} ${from}`)}`;
    }
    case "bodyCompleted":
      return dim(texts.bodyCompleted(short(event.id)));
    case "equivocationFound":
      return red(texts.equivocation(short(event.author), event.sequence));
    case "damageFound":
      return red(texts.damageFound(event.table, event.key.slice(0, 16), event.problem));
    case "damageRepaired":
      return green(texts.damageRepaired(event.table, event.key.slice(0, 16)));
    case "peerSighted":
      return dim(texts.sighted(printable(event.displayName), short(event.deviceId)));
    case "peerGone":
      return dim(texts.gone(short(event.deviceId), texts.goneReasons[event.reason]));
    case "discoveryAvailability":
      return event.multicast ? null : yellow(texts.noMulticast(printable(event.reason)));
    case "sessionUp":
      return green(texts.sessionUp(short(event.deviceId), event.path, Math.round(event.connectMs)));
    case "sessionDown":
      return yellow(texts.sessionDown(short(event.deviceId), printable(event.reason)));
    case "inSyncWith":
      return dim(texts.inSync(short(event.deviceId)));
    case "meshJoined":
      return green(
        event.founded ? texts.founded(short(event.mesh)) : texts.joined(short(event.mesh)),
      );
    case "memberChanged":
      return texts.member(short(event.deviceId), texts.memberChanges[event.change]);
    case "pairingChanged":
      return dim(texts.pairing(texts.phases[event.phase]));
    case "messageReceived":
      return cyan(texts.messageReceived(short(event.from)));
    case "deliveryChanged":
      return dim(
        texts.delivery(short(event.message), short(event.to), texts.deliveries[event.state]),
      );
    case "conversationChanged":
      return null;
    case "bridgeChanged":
      return event.connected
        ? green(texts.bridgeUp(printable(event.detail)))
        : yellow(texts.bridgeDown(printable(event.detail)));
    case "livenessChanged":
      return dim(texts.liveness(short(event.deviceId), texts.livenesses[event.state]));
    case "pathChanged":
      return dim(texts.pathChanged(short(event.deviceId), event.from, event.path, event.relayed));
    case "readingsStored":
      return dim(texts.readings(printable(event.sensor), event.count));
    case "runChanged":
      return cyan(texts.runChanged(short(event.run), texts.runStates[event.state]));
    case "roundFinished": {
      const { round, counted, accuracy } = event.metrics;
      return cyan(texts.roundFinished(short(event.run), { round, counted, accuracy }));
    }
    case "roundProgress":
    case "trainingProgress":
      return null;
    case "warning":
      return yellow(`${event.source}: ${printable(texts.warning(event.message))}`);
    default:
      event satisfies never;
      return null;
  }
}
