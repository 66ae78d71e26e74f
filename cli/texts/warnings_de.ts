/** What a node warns of, in German: its own sentences are English, in logs and events. */
import { refusalInGerman } from "./refusals_de.ts";
import { inGerman, type Sentences } from "./sentences.ts";
import { toldInGerman } from "./told_de.ts";

const LEARNING: Sentences = [
  [
    /^(\w+) sent something in round (\d+) that proves a fault; it has (\d+) of (\d+) points left$/,
    "$1 hat in Runde $2 etwas geschickt, das einen Fehler beweist; es hat noch $3 von $4 Punkten",
  ],
  [
    /^(\w+) sends more messages about rounds than it may; (\d+) were not read so far$/,
    "$1 schickt mehr über Runden, als es darf; $2 Nachrichten wurden bisher nicht gelesen",
  ],
  [
    /^A version by (\w+) does not follow from its round: /,
    "Eine Fassung von $1 folgt nicht aus ihrer Runde: ",
  ],
  [
    /^The privacy ledger cannot be read \((.*)\): this device takes part in no runs with privacy until it is restored from a backup$/,
    "Das Buch der Privatheit lässt sich nicht lesen ($1): Dieses Gerät macht bei keinem Lauf mit Privatheit mit, bis es aus einer Sicherung wiederhergestellt ist",
  ],
];

const OTHERS: Sentences = [
  [
    /^Cannot do a piece of work on mail \((\w+)\): /,
    "Eine Arbeit an Nachrichten ist misslungen ($1): ",
  ],
  [/^Mail from (\w+) was not used \((\w+)\): /, "Nachricht von $1 nicht verwendet ($2): "],
  [/^Mail was not used \((\w+)\): /, "Nachricht nicht verwendet ($1): "],
  [/a direct conversation never changes$/, "ein Gespräch zu zweit ändert sich nie"],
  [
    /a member asked to remove the leader or everybody$/,
    "ein Mitglied wollte den Leiter oder alle entfernen",
  ],
  [/it is not in conversation (\w+)$/, "es ist nicht im Gespräch $1"],
  [/it does not lead conversation (\w+)$/, "es leitet das Gespräch $1 nicht"],
  [
    /what it sent to the group of (\w+) is no message$/,
    "was es der Gruppe von $1 schickte, ist keine Nachricht",
  ],
  [/it leads to another group than (\w+)$/, "es führt in eine andere Gruppe als $1"],
  [/no key of this device opens it \((\w+)\)$/, "kein Schlüssel dieses Geräts öffnet es ($1)"],
  [
    /no message of it has an attachment (\w+) of (\d+) parts$/,
    "keine Nachricht von ihm hat einen Anhang $1 aus $2 Teilen",
  ],
  [/its attachments take (\d+) bytes already$/, "seine Anhänge nehmen schon $1 Bytes"],
  [
    /parcel (\w+) was held up until its time was over$/,
    "die Sendung $1 wurde aufgehalten, bis ihre Zeit um war",
  ],
  [/its parcels (\d+) to (\d+) have not come$/, "seine Sendungen $1 bis $2 sind nicht gekommen"],
  [/parcel (\w+) lacks its (\w+)$/, "der Sendung $1 fehlt ihr Teil $2"],
  [/parcel (\w+) is not signed by (\w+)$/, "die Sendung $1 ist nicht von $2 unterschrieben"],
  [/parcel (\w+) is of mesh (\w+)$/, "die Sendung $1 ist aus dem Netz $2"],
  [
    /parcel (\w+): its sender may not send messages$/,
    "Sendung $1: Ihr Absender darf keine Nachrichten schicken",
  ],
  [/parcel (\w+) is of (\d+), now is (\d+)$/, "die Sendung $1 ist von $2, jetzt ist $3"],
  [/parcel (\w+): /, "Sendung $1: "],
  [
    /a statement about conversation (\w+) is not signed$/,
    "eine Angabe über das Gespräch $1 ist nicht unterschrieben",
  ],
  [/conversation (\w+): /, "Gespräch $1: "],
  [
    /^Somebody at (.+) tried a wrong code\. The invite is burned: make a new one\.$/,
    "Jemand bei $1 hat einen falschen Code versucht. Die Einladung ist verbrannt: eine neue machen.",
  ],
  [/^Cannot index text for search: /, "Text lässt sich nicht zum Suchen aufnehmen: "],
  [/^Cannot store received blocks: /, "Empfangene Blöcke lassen sich nicht speichern: "],
  [
    /^The founding block of mesh (\w+) cannot be read here; run verify, or restore a backup$/,
    "Der Gründungsblock des Netzes $1 lässt sich hier nicht lesen; prüfen (verify), oder eine Sicherung zurückholen",
  ],
];

/** The warning in German; what is not known stays as it is. */
export function warningInGerman(message: string): string {
  const said = inGerman(message, [...LEARNING, ...OTHERS]);
  return said === message ? refusalInGerman(message) : toldInGerman(said);
}
