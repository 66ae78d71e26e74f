/** German texts of `submind relay`. */
import type { enRelay } from "./relay_en.ts";

export const deRelay: typeof enRelay = {
  relay: {
    help: {
      relay: "Ein Relay anlegen und pflegen: NATS-Knoten, die mehrere Häuser verbinden.",
      init: "Die Dateien eines Relays schreiben: Konfigurationen, Schlüssel, Container.",
      streams: "Den Poststrom auf einem laufenden Relay anlegen, oder ihm neue Grenzen geben.",
      key: "Den Schlüssel ausgeben, mit dem sich dieses Gerät bei Brokern anmeldet.",
    },
    options: {
      sites: "Namen der Häuser, die verbunden werden, mit Kommas: zuhause,buero.",
      hubs: "Rechnernamen der Knoten, einer oder drei, mit Kommas.",
      devices: "Schlüssel von Geräten, die ohne Haus dazwischen kommen (submind relay key).",
      out: "Der Ordner, der geschrieben wird; er muss neu oder leer sein.",
      noTls: "Ohne TLS: nur für Versuche.",
      server: "Ein Knoten: tls://a.example.org:4222.",
      credentials: "Die Datei admin.seed des Relays.",
      replicas: "Wie viele Knoten jede Nachricht aufheben.",
      authority: "PEM-Datei der Stelle, die das Zertifikat des Knotens unterschrieben hat.",
    },
    written: (count, folder) =>
      `${count} Dateien in ${folder} geschrieben. README.md dort sagt, wie es weitergeht.`,
    streamMade: (replicas) => `Der Poststrom ist angelegt, ${replicas}-fach.`,
    streamUpdated: (replicas) => `Der Poststrom hat jetzt diese Grenzen, ${replicas}-fach.`,
    noIdentity: (folder) => `In ${folder} gibt es noch kein Gerät.`,
    noIdentityHint: "Starte es einmal: submind up",
  },
};
