/** Deutsche Texte von `submind demo`. */
import type { enDemo } from "./demo_en.ts";

export const deDemo: typeof enDemo = {
  title: "submind demo: drei echte Knoten auf diesem Rechner",
  starting: "Drei Knoten starten …",
  waited: (what, time) => `${time} vergeblich gewartet auf: ${what}.`,
  failedHint:
    "Schließen, was diesen Rechner sonst beschäftigt, und die Vorführung noch einmal starten. Endet sie wieder so, in den Protokollen, die übrig sind, nach Fehlern und Warnungen suchen.",
  waitedHint: (folder) => `Die Protokolle der Knoten liegen in ${folder}.`,
  up: (name, url) => `${name} antwortet unter ${url}`,
  noMulticast: "Kein Multicast hier: die Knoten bekommen ihre Adressen gesagt (feste Adressen).",
  discovered: (time) => `Alle drei sehen einander nach ${time}.`,
  pairing: (name, words) => `${name} koppeln: ${words}`,
  wordsDiffer: "die Wörter auf den beiden Geräten sind verschieden",
  paired: (time) => `Gekoppelt und verbunden nach ${time}.`,
  adding: (folder, name) => `${folder} kommt zu ${name} …`,
  converged: (blocks, time) =>
    `${blocks} ${blocks === "1" ? "Block ist" : "Blöcke sind"} auf allen dreien nach ${time}.`,
  searching: (name, words) => `Suche nach „${words}“ auf ${name}:`,
  killed: (name) => `${name} wird abgeschossen (ohne Abschied).`,
  downNoticed: (time) => `Die anderen bemerkten es nach ${time}.`,
  meanwhile: (name) => `Inzwischen kommt eine Notiz zu ${name}.`,
  caughtUp: (name, time) => `${name} ist zurück und auf dem Stand nach ${time}.`,
  running: "Das Netz läuft weiter. Im Browser öffnen:",
  stop: "Anhalten mit Strg-C.",
  cleaned: "Angehalten; die Daten der Vorführung sind entfernt.",
  blocks: "Blöcke",
  peers: "Geräte",
  exited: (name, code) => `${name} endete von selbst mit Status ${code}`,
  events: {
    start: "den Start eines Knotens",
    discovery: "dass alle Knoten einander sehen",
    words: "die Wörter zum Vergleichen",
    pairing: "den Abschluss der Kopplung",
    connection: "die Verbindung aller Knoten",
    convergence: "die Ankunft aller Blöcke überall",
    down: "dass die anderen das Fehlen eines Knotens bemerken",
    caughtUp: "dass der Knoten aufholt",
  },
};
