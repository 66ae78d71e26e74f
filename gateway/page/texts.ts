/** Every word of the first page, in the languages it speaks. */
import type { PairingPhase } from "../../actors/events.ts";
import { deMail, enMail, type MailTexts } from "./mail_texts.ts";
import type { InviteView, SessionState } from "../../actors/handle.ts";

export interface Texts {
  readonly language: "en" | "de";
  readonly title: string;
  readonly skip: string;
  readonly search: string;
  readonly searchExample: string;
  readonly searchButton: string;
  readonly found: (total: number) => string;
  readonly newest: string;
  readonly nothingYet: string;
  readonly bodyElsewhere: string;
  readonly devices: string;
  readonly nobody: string;
  readonly thisDevice: string;
  readonly member: string;
  readonly stranger: string;
  readonly inSync: string;
  readonly states: Readonly<Record<SessionState, string>>;
  readonly noMesh: string;
  readonly pairing: string;
  readonly invite: string;
  readonly inviteHint: string;
  readonly openInvite: string;
  readonly validUntil: string;
  readonly shownOnce: string;
  readonly mayNotInvite: string;
  readonly code: string;
  readonly qr: string;
  readonly link: string;
  readonly cancel: string;
  readonly join: string;
  readonly joinLabel: string;
  readonly compare: (name: string) => string;
  readonly same: string;
  readonly different: string;
  readonly phases: Readonly<Record<PairingPhase, string>>;
  readonly inviteStates: Readonly<Record<InviteView["state"], string>>;
  readonly note: string;
  readonly noteTopic: string;
  readonly noteText: string;
  readonly noteSave: string;
  readonly saved: string;
  readonly done: string;
  readonly failed: string;
  readonly offline: string;
  readonly live: string;
  readonly noScript: string;
  readonly api: string;
  readonly loginTitle: string;
  readonly loginText: string;
  readonly loginExpired: string;
  readonly loginDone: string;
  readonly loginContinue: string;
  readonly status: (blocks: string, bytes: string, peers: number) => string;
  readonly open: string;
  readonly mail: MailTexts;
}

const en: Texts = {
  language: "en",
  title: "submind",
  skip: "Skip to content",
  search: "Search",
  searchExample: 'Words, "a phrase", -without',
  searchButton: "Search",
  found: (total) => total === 0 ? "Nothing found" : total === 1 ? "1 hit" : `${total} hits`,
  newest: "Newest",
  nothingYet: "Nothing here yet. Write a note, or pair another device.",
  bodyElsewhere: "The content is on other devices.",
  devices: "Devices",
  nobody: "No other device in sight. Start submind on another one in this network.",
  thisDevice: "this device",
  member: "member",
  stranger: "not a member",
  inSync: "in sync",
  states: {
    idle: "idle",
    connecting: "connecting",
    handshaking: "greeting",
    up: "connected",
    waiting: "trying again soon",
  },
  noMesh: "not in a mesh yet",
  pairing: "Pair a device",
  invite: "Create an invite",
  inviteHint: "Scan the code with the other device, open the link there, or type the digits.",
  openInvite: "Open invite",
  validUntil: "Valid until",
  shownOnce: "Link and code are shown here only: once you leave this page, make another invite.",
  mayNotInvite:
    "This device may not add members. Create the invite on one that may, such as the owner's.",
  code: "Code",
  qr: "QR code of the invite link",
  link: "Link",
  cancel: "Cancel",
  join: "Join",
  joinLabel: "Link or code from the other device",
  compare: (name) => `Are these the words that ${name} shows?`,
  same: "Yes, the same words",
  different: "No, they differ",
  phases: {
    connecting: "Connecting",
    confirming: "Compare the words",
    waitingForOther: "Waiting for the other person",
    completed: "Paired",
    refused: "Refused",
    failed: "Failed",
  },
  inviteStates: {
    open: "open",
    used: "used",
    expired: "expired",
    burned: "spent by a wrong code",
    cancelled: "cancelled",
  },
  note: "New note",
  noteTopic: "Topic",
  noteText: "Text",
  noteSave: "Save note",
  saved: "Saved.",
  done: "Done.",
  failed: "That did not work:",
  offline: "The node does not answer. Trying again …",
  live: "Live",
  noScript: "Search and reading work without scripts. Writing, pairing and live updates need them.",
  api: "API",
  loginTitle: "Please log in",
  loginText:
    "For a login link, type this on the device where the node runs: submind open. The link works once, for five minutes.",
  loginDone: "You are logged in",
  loginContinue: "Continue",
  loginExpired:
    "This link was used or is too old. For a new one, type this on the device where the node runs: submind open",
  status: (blocks, bytes, peers) =>
    `${blocks} blocks · ${bytes} · ${peers} ${peers === 1 ? "device" : "devices"} connected`,
  open: "Open",
  mail: enMail,
};

const de: Texts = {
  language: "de",
  title: "submind",
  skip: "Zum Inhalt springen",
  search: "Suche",
  searchExample: 'Wörter, "ein Satzteil", -ohne',
  searchButton: "Suchen",
  found: (total) =>
    total === 0 ? "Nichts gefunden" : total === 1 ? "1 Treffer" : `${total} Treffer`,
  newest: "Neueste",
  nothingYet: "Noch nichts da. Schreiben Sie eine Notiz, oder koppeln Sie ein Gerät.",
  bodyElsewhere: "Der Inhalt liegt auf anderen Geräten.",
  devices: "Geräte",
  nobody: "Kein anderes Gerät in Sicht. Starten Sie submind auf einem weiteren in diesem Netz.",
  thisDevice: "dieses Gerät",
  member: "Mitglied",
  stranger: "kein Mitglied",
  inSync: "abgeglichen",
  states: {
    idle: "ruht",
    connecting: "verbindet",
    handshaking: "begrüßt",
    up: "verbunden",
    waiting: "neuer Versuch folgt",
  },
  noMesh: "noch in keinem Netz",
  pairing: "Gerät koppeln",
  invite: "Einladung erstellen",
  inviteHint: "Mit dem anderen Gerät scannen, dort den Link öffnen, oder die Ziffern eintippen.",
  openInvite: "Offene Einladung",
  validUntil: "Gilt bis",
  shownOnce:
    "Link und Code stehen nur hier: Wer diese Seite verlässt, erstellt eine neue Einladung.",
  mayNotInvite:
    "Dieses Gerät darf keine Mitglieder aufnehmen. Erstellen Sie die Einladung auf einem, das es darf, etwa dem des Besitzers.",
  code: "Code",
  qr: "QR-Code des Einladungslinks",
  link: "Link",
  cancel: "Zurückziehen",
  join: "Beitreten",
  joinLabel: "Link oder Code vom anderen Gerät",
  compare: (name) => `Zeigt ${name} dieselben Wörter?`,
  same: "Ja, dieselben Wörter",
  different: "Nein, sie unterscheiden sich",
  phases: {
    connecting: "Verbindet",
    confirming: "Wörter vergleichen",
    waitingForOther: "Wartet auf die andere Person",
    completed: "Gekoppelt",
    refused: "Abgelehnt",
    failed: "Gescheitert",
  },
  inviteStates: {
    open: "offen",
    used: "benutzt",
    expired: "abgelaufen",
    burned: "durch falschen Code verbraucht",
    cancelled: "zurückgezogen",
  },
  note: "Neue Notiz",
  noteTopic: "Thema",
  noteText: "Text",
  noteSave: "Notiz speichern",
  saved: "Gespeichert.",
  done: "Erledigt.",
  failed: "Das ging nicht:",
  offline: "Der Knoten antwortet nicht. Neuer Versuch …",
  live: "Live",
  noScript:
    "Suchen und Lesen gehen ohne Skripte. Schreiben, Koppeln und Live-Anzeige brauchen sie.",
  api: "API",
  loginTitle: "Bitte anmelden",
  loginText:
    "Für einen Link zum Anmelden geben Sie auf dem Gerät, auf dem der Knoten läuft, dies ein: submind open. Der Link gilt einmal, fünf Minuten lang.",
  loginDone: "Sie sind angemeldet",
  loginContinue: "Weiter",
  loginExpired:
    "Dieser Link wurde schon benutzt oder ist zu alt. Für einen neuen geben Sie auf dem Gerät, auf dem der Knoten läuft, dies ein: submind open",
  status: (blocks, bytes, peers) =>
    `${blocks} Blöcke · ${bytes} · ${peers} ${peers === 1 ? "Gerät" : "Geräte"} verbunden`,
  open: "Öffnen",
  mail: deMail,
};

/** The texts for an `Accept-Language` header: whichever of German and English is wanted more; English otherwise. */
export function textsFor(acceptLanguage: string | undefined): Texts {
  let best = { texts: en, quality: 0 };
  for (const part of (acceptLanguage ?? "").slice(0, 500).split(",")) {
    const [range = "", ...parameters] = part.trim().toLowerCase().split(";");
    const texts = /^de(-|$)/.test(range) ? de : /^en(-|$)/.test(range) ? en : undefined;
    const stated = parameters.map((p) => p.trim()).find((p) => p.startsWith("q="))?.slice(2);
    const quality = stated === undefined ? 1 : Number(stated);
    if (texts !== undefined && quality > best.quality) best = { texts, quality };
  }
  return best.texts;
}
