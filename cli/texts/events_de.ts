/** Deutsche Texte: was geschieht, eine Zeile je Ereignis. */
import type { Texts } from "./en.ts";
import { warningInGerman } from "./warnings_de.ts";

export const deEvents: Texts["events"] = {
  made: "hier entstanden",
  from: (id) => `von ${id}`,
  bodyCompleted: (id) => `${id} ist vollständig`,
  equivocation: (id, sequence) => `${id} hat zwei Blöcke mit Nummer ${sequence} unterschrieben`,
  damageFound: (table, key, problem) => `Schaden in ${table} ${key}: ${problem}`,
  damageRepaired: (table, key) => `repariert: ${table} ${key}`,
  sighted: (name, id) => `sieht ${name} ${id}`,
  gone: (id, why) => `${id} ist fort (${why})`,
  goneReasons: { goodbye: "verabschiedet", expired: "stumm" },
  noMulticast: (why) => `kein Multicast: ${why}`,
  sessionUp: (id, path, ms) => `verbunden mit ${id} (${path}, ${ms} ms)`,
  sessionDown: (id, why) => `${id} verloren: ${why}`,
  inSync: (id) => `gleicher Stand mit ${id}`,
  founded: (id) => `Netz ${id} gegründet`,
  joined: (id) => `Netz ${id} beigetreten`,
  member: (id, change) => `Mitglied ${id} ${change}`,
  memberChanges: { added: "aufgenommen", updated: "geändert", revoked: "ausgeschlossen" },
  messageReceived: (id) => `Nachricht von ${id}`,
  delivery: (message, id, state) => `Nachricht ${message} an ${id}: ${state}`,
  deliveries: {
    queued: "wartet",
    carried: "unterwegs",
    delivered: "zugestellt",
    read: "gelesen",
    expired: "abgelaufen",
    failed: "unzustellbar",
  },
  bridgeUp: (server) => `Broker verbunden: ${server}`,
  bridgeDown: (why) => `Broker verloren: ${why}`,
  liveness: (id, state) => `${id} ist ${state}`,
  livenesses: {
    unknown: "unbekannt",
    alive: "da",
    suspect: "unter Verdacht",
    dead: "tot",
    left: "gegangen",
  },
  pathChanged: (id, from, to, relayed) =>
    `Weg zu ${id} gewechselt von ${from} zu ${to}${relayed ? " (über Relais)" : ""}`,
  readings: (sensor, count) => `${count} Messwerte von ${sensor}`,
  runChanged: (id, state) => `Lernen ${id}: ${state}`,
  runStates: {
    open: "nicht dabei",
    running: "dabei",
    finished: "fertig",
    stopped: "beendet",
  },
  roundFinished: (id, { round, counted, accuracy }) =>
    `Lernen ${id}: Runde ${round} von ${counted} ${counted === 1 ? "Gerät" : "Geräten"}${
      accuracy === null ? "" : `, ${(100 * accuracy).toFixed(1).replace(".", ",")} % richtig`
    }`,
  warning: warningInGerman,
  pairing: (phase) => `Kopplung: ${phase}`,
  phases: {
    connecting: "verbindet",
    confirming: "Menschen vergleichen die Wörter",
    waitingForOther: "wartet auf die andere Seite",
    completed: "fertig",
    refused: "abgelehnt",
    failed: "misslungen",
  },
};
