/** Deutsche Texte: Sicherungen auf einem anderen Knoten. */
import type { Texts } from "./en.ts";

export const deMother: Texts["mother"] = {
  options: {
    to:
      "Ein anderer Knoten, der Sicherungen aufbewahrt, etwa https://mutter.example.org:7463. Lesen kann er sie nicht.",
    from: "Der Knoten, der die Sicherung aufbewahrt.",
    tokenFile: "Eine Datei mit dem Token, das der andere Knoten für dieses Gerät gemacht hat.",
    passphraseFile: "Eine Datei, deren erste Zeile die Passphrase oder der Notschlüssel ist.",
    ca: "Ein Zertifikat (PEM), dem vertraut wird, wenn der andere Knoten ein selbst gemachtes hat.",
    recoveryKey: "Statt einer Passphrase einen neuen Notschlüssel ziehen und einmal zeigen.",
    device: "Wessen Sicherung, wenn das Token für mehrere gilt.",
    version: "Welche Sicherung; sonst die neueste.",
    list: "Nur zeigen, was da ist.",
  },
  badUrl: (url) => `„${url}“ ist keine Adresse eines Knotens.`,
  badUrlHint:
    "Erwartet wird https://NAME:PORT. Ohne TLS (http://) geht nur dieser Rechner selbst: das Token wäre unterwegs lesbar.",
  noToken: "Es wurde kein Token für den anderen Knoten genannt.",
  noTokenHint:
    "Auf jenem Knoten: submind token NAME --scope backup. Dann hier: --token-file DATEI, oder SUBMIND_BACKUP_TOKEN.",
  badToken:
    "Das Token passt nicht. Auf jenem Knoten ein neues machen: submind token NAME --scope backup",
  cannotRead: (path, cause) => `„${path}“ ist nicht lesbar: ${cause}.`,
  unreachableHint:
    "Läuft er, lässt seine Firewall diesen Port durch, und ist sein Zertifikat hier bekannt (sonst: --ca DATEI)?",
  noDevice: "Das Token gilt für mehr als ein Gerät.",
  noDeviceHint: (names) => `Mit --device sagen, welches: ${names || "noch gibt es keines"}.`,
  askPassphrase: "Passphrase oder Notschlüssel (leer: ein Notschlüssel wird gemacht)",
  askKnown: "Passphrase oder Notschlüssel der Sicherungen",
  noPassphrase: "Es wurde keine Passphrase für die Sicherungen genannt.",
  noPassphraseHint:
    "Nennen mit --passphrase-file DATEI oder SUBMIND_BACKUP_PASSPHRASE, oder mit --recovery-key einen Schlüssel machen lassen.",
  shortPassphrase: (count, min) =>
    `Die Passphrase hat ${count} Zeichen, erwartet werden mindestens ${min}.`,
  shortPassphraseHint:
    "Mehrere Wörter nehmen, oder mit --recovery-key einen Schlüssel machen lassen.",
  wrongPassphrase: "Das ist nicht die Passphrase, mit der die Sicherungen gemacht wurden.",
  wrongPassphraseHint:
    "Nichts wurde verändert. Eine andere versuchen; für Sicherungen unter neuem Schlüssel --recovery-key nehmen.",
  badKeyFile: (path) => `${path} ist beschädigt.`,
  badKeyFileHint:
    "Die Datei entfernen und die Passphrase oder den Notschlüssel noch einmal nennen: Sicherungen gehen dann weiter wie bisher.",
  recoveryKey:
    "Notschlüssel. Jetzt aufschreiben: er wird nur einmal gezeigt, und ohne ihn kann niemand zurückholen:",
  preparing: "Kopieren",
  uploading: "Bringen",
  downloading: "Holen",
  busy: (pid) => `Es wird schon eine Sicherung gemacht (Prozess ${pid}).`,
  again: (what, seconds) => `${what} Neuer Versuch in ${seconds} s.`,
  kept: (version, size, fresh, url) =>
    `Sicherung ${version} mit ${size} liegt bei ${url}; ${fresh} waren zu bringen.`,
  nothing: (device) => `Von „${device}“ gibt es keine Sicherung.`,
  nothingHint: "Mit --list zeigen, was da ist, oder eine machen: submind backup --to URL",
  noVersion: (version, device) => `Von „${device}“ gibt es keine Sicherung ${version}.`,
  versionHead: "Sicherung",
  timeHead: "Gemacht (angeblich)",
  sizeHead: "Größe",
  filesHead: "Dateien",
  byHead: "Von Gerät",
  damagedPiece: (name, path) =>
    `Stück ${name} von „${path}“ ist nicht, was gesichert wurde: beschädigt oder verändert.`,
  damagedVersion: (version, why) =>
    `Sicherung ${version} ist nicht, was ein Gerät gemacht hat: ${why}.`,
  damagedFile: (path) => `„${path}“ ist nicht, was gesichert wurde, obwohl die Stücke es sind.`,
  damagedHint:
    "Nichts wurde zurückgeholt. Eine ältere nehmen (--backup N), oder eine andere Sicherung.",
};
