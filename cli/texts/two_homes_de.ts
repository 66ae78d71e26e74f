/** Deutsche Texte von `submind demo --two-homes`. */
import type { enTwoHomes } from "./two_homes_en.ts";

export const deTwoHomes: typeof enTwoHomes = {
  title: "submind demo: zwei Wohnungen, ein Netz",
  routers:
    "Zwei Wohnungen als Netzwerk-Namensräume, jede hinter einem eigenen Router (port-restricted NAT). Dazwischen: ein TURN-Server (coturn) und ein NATS-Hub. Echt: jedes Paket geht durch die Adressübersetzung des Kerns, Knoten und Server sind die, die man auch sonst benutzt. Nicht echt: die Entfernung.",
  loopback: (reason) =>
    `Wohnungen hinter Routern gehen hier nicht: ${reason}. Stattdessen zwei Knoten auf diesem Rechner, die einander nur über drei NATS-Hubs kennen. Echt: Knoten, Broker, Nachrichten, Verschlüsselung. Nicht echt: es gibt keine Router, und direkte Wege sind abgeschaltet.`,
  noServer: (version) =>
    `Zwei Wohnungen lassen sich nicht zeigen: nats-server ${version} oder neuer ist nicht installiert`,
  noServerHint:
    "Installiere nats-server (https://nats.io) und, für die Router, coturn, iproute2, nftables und Root-Rechte.",
  notLinux: "das braucht Linux",
  compiled: "das braucht den Quelltext",
  noTurn: "coturn (turnserver) ist nicht installiert",
  building: "Die Wohnungen und was dazwischen steht werden gebaut …",
  starting: "Anna und Ben werden am selben Küchentisch eingerichtet …",
  paired: (words) => `Gekoppelt: ${words}. Beide gehen nach Hause.`,
  met: (way, time) => `Sie finden einander nach ${time}: ${way}.`,
  ways: { direct: "direkt", turn: "über den TURN-Server", nats: "über den Broker" },
  flowing: "Von jetzt an schreiben beide einander ununterbrochen.",
  blocks: (count, time) => `Je ${count} Notizen aus jeder Wohnung sind nach ${time} in beiden.`,
  separated:
    "Der direkte Weg zwischen den Wohnungen wird gekappt; TURN-Server und Broker erreichen noch beide.",
  hubKilled: (name) => `${name} wird ohne Warnung abgeschossen.`,
  failedOver: (time, way) => `Eine Nachricht von gleich danach kommt nach ${time} an, ${way}.`,
  joined: (time, way) => `Der Weg ist wieder frei: nach ${time} sprechen sie wieder ${way}.`,
  hubBack: "Der Hub ist wieder da.",
  cut: "Bens Wohnung ist vom Internet abgeschnitten. Beide schreiben weiter.",
  cutBroker: "Alle Hubs werden abgeschossen. Beide schreiben weiter.",
  healed: (count, time) =>
    `Geheilt: ${count} Nachrichten und alle Notizen von inzwischen sind nach ${time} da.`,
  counted: (messages, lost, twice) =>
    `${messages} Nachrichten: ${lost} verloren, ${twice} doppelt gezeigt.`,
  running: "Beide Wohnungen laufen weiter.",
  wrong: "Nachrichten gingen verloren oder wurden doppelt gezeigt",
  events: {
    meeting: "dass die Wohnungen einander finden",
    blocks: "die Ankunft aller Notizen in beiden Wohnungen",
    failover: "die Ankunft einer Nachricht auf anderem Weg",
    rejoin: "den direkten Weg",
    down: "dass die Verbindung als unterbrochen gilt",
    messages: "die Ankunft aller Nachrichten",
    sync: "dass beide auf gleichem Stand sind",
  },
};
