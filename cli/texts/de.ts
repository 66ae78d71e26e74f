/** Deutsche Texte. Dieselben Namen wie im Englischen; der Compiler achtet darauf, dass keiner fehlt. */
import type { Texts } from "./en.ts";
import { deDemo } from "./demo_de.ts";
import { deDemoLearn } from "./demo_learn_de.ts";
import { deTwoHomes } from "./two_homes_de.ts";
import { deEvents } from "./events_de.ts";
import { deHelp } from "./help_de.ts";
import { deLearnData } from "./learn_data_de.ts";
import { deLearnEpsilon } from "./learn_epsilon_de.ts";
import { deLearnRuns } from "./learn_runs_de.ts";
import { deMail } from "./mail_de.ts";
import { deMother } from "./mother_de.ts";
import { deRelay } from "./relay_de.ts";
import { deSensors } from "./sensors_de.ts";
import { refusalInGerman } from "./refusals_de.ts";

export const de: Texts = {
  ...deHelp,
  ...deDemoLearn,
  ...deLearnData,
  ...deLearnEpsilon,
  ...deLearnRuns,
  ...deRelay,
  ...deSensors,
  interrupted: "Abgebrochen.",
  error: "Fehler",
  diskRefuses: (cause) => `Die Platte nimmt nichts mehr an: ${cause}.`,
  diskRefusesHint: "Platz darauf schaffen oder einen Ordner auf einer anderen Platte wählen.",
  unexpected: "Das ist ein Fehler in submind selbst.",
  unexpectedHint: "Noch einmal mit SUBMIND_LOG_LEVEL=debug starten und melden, was da steht.",
  ask: {
    yes: "Ja",
    no: "Nein",
    nobody: (question) => `Niemand ist da, um „${question}“ zu beantworten.`,
    nobodyHint: (flag) => `In einem Terminal starten, oder vorher entscheiden mit ${flag}.`,
  },
  notRunning: {
    absent: (folder) => `Auf ${folder} läuft kein Knoten.`,
    stale: (folder, pid) =>
      `Auf ${folder} läuft kein Knoten: Prozess ${pid} ist fort, beendet oder abgestürzt.`,
    unreadable: (path, cause) => `${path} ist nicht lesbar: ${cause}.`,
    hint: (data) => `Einen starten mit: submind up${data === undefined ? "" : ` --data ${data}`}`,
  },
  client: {
    unreachable: (url) => `Der Knoten unter ${url} ist nicht erreichbar.`,
    refusal: refusalInGerman,
    timedOut: (url) => `Der Knoten unter ${url} hat nicht rechtzeitig geantwortet.`,
    unreachableHint: (pid) =>
      `Seinen Prozess ${pid} gibt es, aber das Gateway antwortet nicht. Seine Ausgabe ansehen, oder neu starten.`,
    notOurs: (url) => `Was unter ${url} antwortet, ist kein submind-Knoten.`,
    notOursHint: "Ein anderes Programm hat wohl den Port. Den Knoten neu starten: submind up",
    status: (status) => `Der Knoten antwortete mit Status ${status}.`,
    cutOff: "Der Knoten beendete die Antwort, bevor sie vollständig war.",
    unauthenticatedHint: "Das Token passt nicht mehr. Den Knoten neu starten: submind up",
  },
  config: {
    hint:
      "Dort berichtigen, oder mit: submind config set SCHLÜSSEL WERT. docs/cli.md erklärt, wie Einstellungen gefunden werden.",
    unknownKey: (where, key, near) =>
      `${where}: Die Einstellung „${key}“ gibt es nicht.${
        near === null ? "" : ` Gemeint ist wohl „${near}“.`
      }`,
    badValue: (where, key, value, expected) =>
      `${where}: ${key} ist ${value}, erwartet wird ${expected}.`,
    unreadable: (file, cause) => `${file} ist nicht lesbar: ${cause}.`,
    incomplete: (problem) => `Noch nicht vollständig, der Knoten würde nicht starten: ${problem}`,
    changedMeanwhile: "Die Konfiguration änderte sich beim Lesen. Noch einmal versuchen.",
    unchanged: (file) => `${file} wurde nicht geändert.`,
    set: (key, value, file) =>
      `${key} = ${value} in ${file}. Ein laufender Knoten sieht es nach dem nächsten Start.`,
    hidden: (key: string) => `${key} ist geheim. Zeigen: submind config get ${key} --reveal`,
    key: "Einstellung",
    value: "Wert",
    origin: "Aus",
    expected: "Erwartet",
    isDefault: "Vorgabe",
  },
  status: {
    name: "Name",
    device: "Gerät",
    mesh: "Netz",
    noMesh: "noch keines: etwas hinzufügen, oder submind pair",
    role: "Rolle",
    members: "Mitglieder",
    peers: "Geräte",
    peersOf: (up, seen) => `${up} verbunden, ${seen} gesehen`,
    blocks: "Blöcke",
    withoutBody: "Ohne Inhalt",
    chunks: "Stücke",
    multicast: "Multicast",
    works: "geht",
    worksNot: "geht hier nicht: Geräte nennen mit submind peers add",
    broker: "Vermittler",
    brokerOf: (server: string, present: string) =>
      `${server}, ${present} Mitglieder darüber gehört`,
    brokerAway: (problem: string) => `nicht verbunden: ${problem}`,
    rendezvous: "Erreichbar unter",
    gateway: "Gateway",
    gatewayOpen: "(Anmelde-Link: submind open)",
    uptime: "Läuft seit",
    version: "Version",
    damage: "Schäden",
    none: "keine",
    damaged: (count) =>
      `${count} beschädigte ${count === "1" ? "Zeile, wird" : "Zeilen, werden"} von anderen geholt`,
  },
  open: {
    validFor: (time) => `Gilt einmal, ${time} lang, in einem Browser dieses Rechners.`,
  },
  search: {
    empty: "Es wurde nichts zu suchen genannt.",
    emptyHint: "Mindestens ein Wort nennen, etwa: submind search rosen",
    none: (words) => `Nichts gefunden für „${words}“.`,
    shown: (shown, total) => `${shown} von ${total} ${total === "1" ? "Treffer" : "Treffern"}`,
  },
  peers: {
    none: "Noch wurde kein anderes Gerät gesehen.",
    added: (address) => `${address} wird ab jetzt versucht.`,
    name: "Name",
    device: "Gerät",
    state: "Zustand",
    path: "Weg",
    liveness: "Lebenszeichen",
    relayed: "(mit Umweg)",
    livenesses: {
      unknown: "noch keins",
      alive: "lebt",
      suspect: "fraglich",
      dead: "stumm",
      left: "abgemeldet",
    },
    trip: "Umlauf",
    traffic: "Verkehr",
    inSync: "gleich",
    stranger: "kein Mitglied",
    states: {
      idle: "untätig",
      connecting: "verbindet",
      handshaking: "prüft",
      up: "verbunden",
      waiting: "wartet auf neuen Versuch",
    },
  },
  members: {
    none: "Dieses Gerät gehört noch zu keinem Netz.",
    name: "Name",
    device: "Gerät",
    role: "Rolle",
    trust: "Vertrauen",
    since: "Mitglied seit",
    permissions: "Rechte",
    self: "dieses Gerät",
    isRevoked: "ausgeschlossen",
    trustLevels: { low: "gering", normal: "normal", high: "hoch" },
    unknown: (text) => `Kein Mitglied heißt „${text}“ oder hat eine Kennung, die so beginnt.`,
    ambiguous: (text, count) => `„${text}“ passt auf ${count} Mitglieder.`,
    hint: "Alle zeigt: submind members. Von der Kennung braucht es mindestens 4 Zeichen.",
    nothingToChange: "Es wurde nichts zu ändern genannt.",
    nothingToChangeHint: "Mindestens eines nennen: --name, --role, --trust, --permission.",
    revokeQuestion: (name) =>
      `${name} ausschließen? Es kann dann nicht mehr teilnehmen, behält, was es schon hat, und kommt unter dieser Identität nie zurück: nur mit leerem Datenordner, als neues Gerät.`,
    revoked: (name) => `${name} ist ausgeschlossen.`,
  },
  interest: {
    everything: "Dieses Gerät behält alles.",
    allTopics: "alle Themen",
    only: (topics, size) => `Dieses Gerät behält ${topics}, Inhalte bis ${size}.`,
  },
  get: {
    badId: (text) =>
      `„${text.slice(0, 80)}“ ist keine Block-Kennung, erwartet werden 64 Ziffern aus 0-9 a-f.`,
    badIdHint: "submind search nennt die Kennungen der Treffer.",
    written: (file, size) => `${size} nach ${file} geschrieben.`,
    fileExists: (file) => `${file} gibt es schon; nichts wurde geschrieben.`,
    fileExistsHint: "Eine andere Datei nennen, oder mit --force überschreiben.",
    binary: "Das ist kein Text: Er brächte das Terminal durcheinander.",
    binaryHint: (id) => `In eine Datei schreiben: submind get ${id} -o DATEI`,
    id: "Block",
    kind: "Art",
    topic: "Thema",
    tags: "Schlagwörter",
    type: "Medientyp",
    size: "Größe",
    author: "Autor",
    time: "Entstanden (laut Autor)",
    here: "Inhalt hier",
    replacedBy: "Ersetzt durch",
    current: "Aktuelle Fassung",
    removed: "gelöscht",
    conflicts: "Gleichzeitig geschrieben",
    yes: "ja",
    no: "nein, nicht ganz",
  },
  add: {
    progress: "Hinzufügen",
    cannotRead: (path, cause) => `„${path}“ kann nicht hinzugefügt werden: ${cause}.`,
    cannotReadHint: "Eine Datei, einen Ordner oder „-“ für die Standardeingabe nennen.",
    cannotWatchStdin:
      "Die Standardeingabe kann nicht beobachtet werden: --watch braucht Dateien oder Ordner.",
    watching: "Wartet auf Änderungen. Ende mit Strg-C.",
    files: (count) => `${count} ${count === "1" ? "Datei" : "Dateien"}`,
    nothing: "nichts hinzuzufügen",
    added: (count) => `${count} ${count === "1" ? "Block" : "Blöcke"} hinzugefügt`,
    superseded: (count) => `${count} ersetzt`,
    removed: (count) => `${count} entfernt`,
    unchanged: (count) => `${count} unverändert`,
    gone: (count) =>
      `  ${count} seit dem Hinzufügen verschwunden; ihre Blöcke bleiben (entfernen mit --prune)`,
    skipped: (count, why) => `  ${count} ausgelassen: ${why}`,
    skipReasons: {
      hidden: "versteckt (mit --hidden kommen sie dazu)",
      ignored: "in .gitignore oder .submindignore genannt",
      symbolicLink: "symbolische Verweise",
      tooLarge: "größer als limits.bodyBytesMax",
      tooMany: "zu viele Dateien",
      tooDeep: "zu tief verschachtelt",
      notAFile: "keine gewöhnlichen Dateien",
      unreadable: "nicht lesbar",
      empty: "leer",
      damaged: "nicht verständlich",
    },
  },
  pair: {
    question: "Sind die Wörter auf beiden Geräten gleich?",
    scanOrType:
      "Am anderen Gerät: dies scannen, oder submind pair mit dem Code oder dem Link starten.",
    validFor: (time, role) => `Gilt ${time}, einmal. Es tritt als ${role} bei.`,
    waiting: "Warten auf die Antwort am anderen Gerät …",
    bringQuestion: (blocks) =>
      `Dieses Gerät hat ein eigenes Netz (${blocks} ${
        blocks === "1" ? "Block" : "Blöcke"
      }, kein anderes Mitglied). Es verlassen und mitnehmen, was hier hinzugefügt wurde?`,
    left: (folder) => `Das alte Netz ist verlassen; es liegt in ${folder}.`,
    keptFor: (folder) =>
      `Was hier hinzugefügt wurde, liegt sicher in ${folder} und kommt in das nächste Netz mit, dem dieses Gerät beitritt oder das es gründet.`,
    brought: "Was hier vorher hinzugefügt wurde, ist mitgekommen.",
    stillBringing:
      "Was hier vorher hinzugefügt wurde, kommt noch mit; der Knoten macht allein weiter.",
    compare: (name, id) => `Diese Wörter mit denen auf ${name} ${id} vergleichen:`,
    completed: (name) => `Mit ${name} gekoppelt.`,
    refused: "Nicht gekoppelt: jemand sagte, dass die Wörter verschieden sind.",
    failed: (problem) => `Nicht gekoppelt: ${problem}`,
    burned:
      "Nicht gekoppelt: Jemand hat einen falschen Code eingegeben, darum gilt diese Einladung nicht mehr. Eine neue machen: submind pair",
    nobodyCame: "Niemand hat die Einladung rechtzeitig benutzt. Eine neue: submind pair",
    tookTooLong: "Nicht gekoppelt: zehn Minuten keine Antwort. Auf beiden Geräten neu beginnen.",
  },
  leave: {
    noMesh: "Dieses Gerät gehört zu keinem Netz.",
    others: (members) => `Verlassen geht nicht: Das Netz hat ${members} Mitglieder.`,
    othersHint:
      "Nur ein Netz, in dem dieses Gerät allein ist, lässt sich verlassen. Ein anderes Mitglied kann dieses Gerät ausschließen; dann mit leerem Datenordner starten.",
    question: (mesh, blocks) =>
      `Netz ${mesh} (${blocks} ${
        blocks === "1" ? "Block" : "Blöcke"
      }) verlassen? Es bleibt aufbewahrt, wird aber nicht mehr durchsucht.`,
    done: (folder, bring) =>
      `Verlassen. Das alte Netz liegt in ${folder}.${
        bring ? " Was hier hinzugefügt wurde, kommt in das nächste Netz mit." : ""
      }`,
    notBack:
      "Der Knoten kam nach dem Verlassen des Netzes nicht zurück. Nichts ist verloren; seine Ausgabe ansehen.",
  },
  token: {
    made: (name, scope, until) =>
      `Für „${name}“, Umfang ${scope}, bis ${until}. Wer es hat, kann es benutzen: wie ein Passwort hüten.`,
    noFolder: (folder) => `Kein Token: Den Datenordner ${folder} gibt es nicht.`,
  },
  up: {
    again: "Neuer Start …",
    already: (folder, pid) => `Auf ${folder} läuft schon ein Knoten (Prozess ${pid}).`,
    alreadyHint: (url) =>
      `Er antwortet unter ${url}. Für einen zweiten Knoten einen anderen Ordner mit --data nennen.`,
    stopping: "Hält an …",
    name: "Knoten",
    mesh: "Netz",
    noMesh: "noch keines: etwas hinzufügen, oder submind pair",
    open: "Öffnen",
    reachable: "Für andere",
    data: "Daten",
    stop: "Anhalten",
    stopKey: "Strg-C",
    portInUseHint:
      "Andere wählen mit --gateway-port und --rendezvous-port (0 nimmt irgendeinen), oder anhalten, was sie benutzt.",
    notAllowed: (cause) => `Start nicht möglich: ${cause}.`,
    notAllowedHint: (folder) => `Prüfen, ob dieser Benutzer ${folder} lesen und schreiben darf.`,
    cannotStart: (cause) => `Start nicht möglich: ${cause}`,
    failed: (cause) =>
      `Der Knoten hat aufgehört, weil ein Neustart seiner Teile nicht half: ${cause}`,
    failedHint:
      "Nichts Bestätigtes ist verloren. Protokoll ansehen, submind doctor ausführen, dann neu starten.",
  },
  events: deEvents,
  backup: {
    working: "Kopieren",
    done: (folder, size) => `Sicherung von ${size} in ${folder}.`,
    withoutKeys:
      "Achtung: Der Schlüssel dieses Geräts ist nicht dabei. Auf einer anderen Platte zurückgeholt, ist das Gerät dem Netz fremd und braucht eine neue Einladung. Gegen eine sterbende Platte hilft --keys.",
    withKeys:
      "Sie enthält den privaten Schlüssel dieses Geräts: wie ein Passwort hüten. Nie zwei Geräte damit betreiben.",
  },
  restore: {
    working: "Zurückholen",
    noBackup: (folder) => `Nicht möglich: In ${folder} ist keine fertige Sicherung.`,
    noBackupHint: "Den Ordner nennen, den submind backup geschrieben hat.",
    stranger:
      "Achtung: Der Schlüssel des gesicherten Geräts kam nicht mit. Hat dieser Ordner einen anderen oder noch keinen, ist dieses Gerät dem Netz fremd: nichts damit tun, sondern mit --keys aus einer Sicherung zurückholen, die mit --keys entstand. Ohne eine solche: den Knoten starten, submind leave, wenn er im Netz allein ist, sonst mit leerem Datenordner beginnen; dann von einem Mitglied einladen lassen (submind pair).",
    running: (folder, pid) => `Nicht möglich: auf ${folder} läuft ein Knoten (Prozess ${pid}).`,
    runningHint: "Ihn zuerst anhalten.",
    keysExist: (folder) => `Schlüssel nicht zurückgeholt: in ${folder} ist schon eine Identität.`,
    keysExistHint: "Einen anderen Ordner mit --data nennen, oder --keys weglassen.",
    noKeys: (folder) => `Schlüssel nicht zurückgeholt: in ${folder} sind keine.`,
    noKeysHint: "--keys weglassen, oder eine Sicherung nennen, die mit --keys entstand.",
    question: (folder) => `Ersetzen, was in ${folder} ist? Der alte Stand bleibt daneben.`,
    done: (folder) =>
      `In ${folder} zurückgeholt. Erst ein anderes Mitglied treffen lassen, dann Neues hinzufügen: es kennt vielleicht neuere eigene Blöcke.`,
  },
  doctor: {
    names: {
      runtime: "Laufzeit",
      configuration: "Konfiguration",
      dataFolder: "Datenordner",
      identity: "Identität",
      disk: "Platte",
      node: "Knoten",
      gatewayPort: "Gateway-Port",
      rendezvousPort: "Rendezvous-Port",
      interfaces: "Netzwerk",
      multicast: "Multicast",
      webrtc: "WebRTC",
      broker: "NATS",
      clock: "Uhr",
      memoryPages: "Speicherseiten",
    },
    runtimeFix: (version) => `Deno ${version} oder neuer installieren.`,
    clockFix: "Die Uhr stellen (timedatectl set-ntp true): Zeiten von Blöcken wären falsch.",
    nodeNot: "läuft nicht",
    nodeStale: (pid) => `läuft nicht; Prozess ${pid} endete ohne Abschied`,
    nodeRuns: (url, uptime, damage) =>
      `läuft unter ${url} seit ${uptime}${
        damage === 0 ? "" : `, ${damage} beschädigte ${damage === 1 ? "Zeile" : "Zeilen"}`
      }`,
    nodeSilent: (pid, url) => `Prozess ${pid} gibt es, aber ${url} antwortet nicht`,
    nodeSilentFix: "Seine Ausgabe ansehen; anhalten und neu starten.",
    nodeDamageFix: "Mit einem anderen Mitglied verbinden: Beschädigtes wird neu geholt.",
    notAFolder: (path) => `${path} ist kein Ordner`,
    folderFix: "Mit --data einen eigenen Ordner nennen, oder die Rechte richten.",
    folderOpen: (path, mode) => `${path} hat Modus ${mode}: andere können hineinsehen`,
    folderLater: (path) => `${path} entsteht beim ersten Start`,
    keyOpen: (path, mode) => `${path} hat Modus ${mode}: andere haben ihn vielleicht gelesen`,
    keyLater: "entsteht beim ersten Start",
    diskFree: (size) => `${size} frei`,
    diskFix: "Platz schaffen: auf voller Platte nimmt der Knoten nichts mehr an.",
    pagesUnknown: "hier nicht bekannt",
    pagesFix:
      "Stürzt die Laufzeit ab, einen Kernel mit 4-KiB-Seiten starten (Raspberry Pi 5: kernel=kernel8.img in config.txt).",
    brokerOff: "durch bridge.enabled abgeschaltet",
    brokerOffFix:
      "Das ist in Ordnung; Nachrichten warten dann nur bei Geräten. Einschalten: submind config set bridge.enabled auto",
    brokerFound: (version, path) => `nats-server ${version}, ${path}`,
    brokerMissing:
      "kein nats-server: kein Broker in diesem Haus, kein MQTT, keine Verbindung zu Relays; alles andere geht",
    brokerOld: (path, version) => `${path} hat Version ${version}`,
    brokerBad: (path, why) => `${path} ist nicht brauchbar: ${why}`,
    brokerFix: (version) =>
      `nats-server ${version} oder neuer installieren: aus den Paketen des Systems, wenn sie neu genug sind, ` +
      "oder mit Go: go install github.com/nats-io/nats-server/v2@latest; dann muss es im PATH stehen oder in bridge.natsServer.",
    hubsWithout: "bridge.hubs ist gesetzt, und bridge.hubCredentials nennt keine lesbare Datei",
    hubsWithoutFix:
      "Die site.seed dieses Hauses dorthin legen (submind relay init macht sie), Modus 0600.",
    portFix: (key) =>
      `Einen anderen wählen: submind config set ${key} PORT, oder anhalten, was ihn benutzt.`,
    noInterfaces: "nur Loopback",
    noInterfacesFix: "Mit einem Netz verbinden; bis dahin arbeitet dieses Gerät allein.",
    multicastOff: "durch discovery.multicast abgeschaltet",
    multicastOffFix: "Geräte nennen mit: submind peers add http://ADRESSE:7464",
    multicastLocal: "nur innerhalb dieses Rechners",
    noMulticast: (why) => `Pakete kommen nicht zurück (${why})`,
    noMulticastFix: (group) =>
      `In der Firewall UDP 5353 an ${group} erlauben, oder Geräte nennen mit: submind peers add http://ADRESSE:7464`,
    unheard: "nichts kam zurück",
    noAddon: (cause) => `die native Bibliothek lädt nicht: ${cause}`,
    noAddonFix:
      "Stattdessen dient die langsamere Bibliothek ohne nativen Code. Siehe docs/troubleshooting.md.",
  },
  demo: deDemo,
  twoHomes: deTwoHomes,
  mail: deMail,
  mother: deMother,
};
