/**
 * What a node tells of learning, in German: what runs wait for, why there are no examples, what was checked. Its own sentences are English and known by their
 * form, as refusals are (`refusals_de.ts`). A test reads the sources and fails on a sentence that is missing here.
 */

import { CHECKED, FAILED } from "./checked_de.ts";
import { inGerman, type Sentences } from "./sentences.ts";

/** What a run waits for. */
const WAITING: Sentences = [
  [/^1 more device$/, "1 weiteres Gerät"],
  [/^(\d+) more devices$/, "$1 weitere Geräte"],
  [/^a second device that may coordinate$/, "ein zweites Gerät, das koordinieren darf"],
  [/^(\d+) of (\d+) devices are there$/, "$1 von $2 Geräten sind da"],
  [
    /(\d+) devices were ready, expected at least (\d+)/,
    "$1 Geräte waren bereit, erwartet werden mindestens $2",
  ],
  [/; one says: /, "; eines sagt: "],
  [
    /(\d+) updates came, expected at least (\d+)/,
    "$1 Beiträge kamen, erwartet werden mindestens $2",
  ],
  [
    /both parties have parts of (\d+) devices, expected (\d+)/,
    "beide Seiten haben Teile von $1 Geräten, erwartet werden $2",
  ],
  [
    /(\d+) updates count, expected at least (\d+)/,
    "$1 Beiträge zählen, erwartet werden mindestens $2",
  ],
  [/the model is not here any more/, "das Modell ist nicht mehr hier"],
  [
    /an update that was here cannot be read any more/,
    "ein Beitrag, der hier war, lässt sich nicht mehr lesen",
  ],
  [
    /the result could not be published in time/,
    "das Ergebnis ließ sich nicht rechtzeitig veröffentlichen",
  ],
  [/the second party did not answer/, "das zweite Gerät der Summe hat nicht geantwortet"],
  [/the second party tells no key/, "das zweite Gerät der Summe nennt keinen Schlüssel"],
  [/the second party is gone/, "das zweite Gerät der Summe ist fort"],
  [
    /the second party does not say whose parts it has/,
    "das zweite Gerät der Summe sagt nicht, wessen Teile es hat",
  ],
  [/the second party gives no total/, "das zweite Gerät der Summe gibt seinen Teil nicht her"],
  [/too few devices were left to begin/, "zu wenige Geräte waren da, um anzufangen"],
  [/too few devices were left to share keys/, "zu wenige Geräte waren da, um Schlüssel zu teilen"],
  [
    /too few devices were left to gather vectors/,
    "zu wenige Geräte waren da, um Beiträge zu sammeln",
  ],
  [/too few devices were left to sign/, "zu wenige Geräte waren da, um zu unterschreiben"],
  [/too few devices were left to unmask/, "zu wenige Geräte waren da, um die Summe freizulegen"],
  [/the others have not sent their parameters/, "die anderen haben ihre Zahlen nicht geschickt"],
  [
    /training has left the finite numbers/,
    "beim Lernen sind die Zahlen über alle Grenzen gewachsen; eine kleinere Lernrate hilft",
  ],
  [
    /it was restored from a backup, and may have signed in this round: it joins the next \(leave and join the run if no round was under way\)/,
    "dieses Gerät kommt aus einer Sicherung und hat in dieser Runde vielleicht schon unterschrieben: Es macht bei der nächsten mit (war keine im Gang: learn leave und learn join)",
  ],
];

/** Why a result could not be made; a run waits for another try then. */
const COMBINING: Sentences = [
  [
    /^Cannot aggregate the update of client (\d+): /,
    "Der Beitrag Nummer $1 lässt sich nicht verbinden: ",
  ],
  [/^Cannot aggregate an update: /, "Ein Beitrag lässt sich nicht verbinden: "],
  [
    /^Cannot aggregate by (.+): (\d+) updates, expected at least (\d+); wait for more clients or choose a rule that needs fewer$/,
    "Mit $1 lässt sich nicht verbinden: $2 Beiträge, erwartet werden mindestens $3; auf mehr Geräte warten, oder eine Regel nehmen, die weniger braucht",
  ],
  [
    /^Cannot aggregate by (.+): no updates, expected at least 1$/,
    "Mit $1 lässt sich nicht verbinden: keine Beiträge, erwartet wird mindestens einer",
  ],
  [
    /^Cannot aggregate by (.+): number (\d+) of the result is (\S+); the updates are too large$/,
    "Mit $1 lässt sich nicht verbinden: Zahl $2 des Ergebnisses ist $3; die Beiträge sind zu groß",
  ],
  [/update has (\d+) numbers, expected (\d+)/, "er hat $1 Zahlen, erwartet werden $2"],
  [
    /weight is (\S+), expected 0 < weight <= 2\^32/,
    "sein Gewicht ist $1, erwartet wird 0 bis 2^32",
  ],
  [
    /number (\d+) of the update is (\S+), expected a finite number/,
    "seine Zahl $1 ist $2, erwartet wird eine endliche",
  ],
  [/^Cannot combine updates: none could be read$/, "Kein Beitrag ließ sich lesen"],
  [
    /^Cannot step (.+): a number left the finite ones; the update or the server rate is too large$/,
    "Mit $1 ist kein Schritt möglich: Eine Zahl ist über alle Grenzen gewachsen; der Beitrag oder die Lernrate des Servers ist zu groß",
  ],
  [
    /^Cannot unmask: shares are missing for (\d+) devices, the first is (\w+)$/,
    "Die Summe lässt sich nicht freilegen: Für $1 Geräte fehlen Teile, zuerst für $2",
  ],
  [
    /^Cannot unmask: the shares that (\w+) dealt do not give its secret$/,
    "Die Summe lässt sich nicht freilegen: Die Teile, die $1 ausgegeben hat, ergeben sein Geheimnis nicht",
  ],
  [
    /^Cannot read an aggregate of (\d+) bytes: expected a multiple of (\d+)$/,
    "Das Ergebnis von $1 Bytes lässt sich nicht lesen: erwartet wird ein Vielfaches von $2",
  ],
  [
    /^Cannot read an aggregate of (\d+) bytes: expected (\d+), all finite$/,
    "Das Ergebnis von $1 Bytes lässt sich nicht lesen: erwartet werden $2, alle Zahlen endlich",
  ],
  [
    /^Cannot read a sum of (\d+) devices among (\d+)$/,
    "Eine Summe von $1 Geräten unter $2 lässt sich nicht lesen",
  ],
  [
    /^Cannot read a sum of (\d+) devices: its weight is impossible$/,
    "Eine Summe von $1 Geräten lässt sich nicht lesen: Ihr Gewicht ist unmöglich",
  ],
  [
    /^Cannot read (\d+) sums where the plan has one$/,
    "$1 Summen lassen sich nicht lesen, wo der Plan eine hat",
  ],
];

/** Why a device declines a round. */
const DECLINING: Sentences = [
  [/still starting/, "es fährt noch hoch"],
  [/this device has round (\d+)/, "es ist bei Runde $1"],
  [
    /this device has left the run, or never joined it/,
    "es hat den Lauf verlassen oder nie mitgemacht",
  ],
  [/this device may not take part in learning/, "es darf beim Lernen nicht mitmachen"],
  [/its attempt is out of order/, "der Versuch kommt außer der Reihe"],
  [/attempt (\d+) may still come to its sum/, "Versuch $1 kann noch zu seiner Summe kommen"],
  [
    /its roster has (\d+) devices, expected at least (\d+)/,
    "die Liste hat $1 Geräte, erwartet werden mindestens $2",
  ],
  [
    /its roster has (\w+), which was not called or may not take part/,
    "die Liste hat $1, das nicht gerufen war oder nicht mitmachen darf",
  ],
  [
    /it calls (\d+) devices, expected at most (\d+)/,
    "es ruft $1 Geräte, erwartet werden höchstens $2",
  ],
  [/it names no second party/, "es nennt kein zweites Gerät"],
  [
    /it names a second party, and the plan has none/,
    "es nennt ein zweites Gerät, und der Plan hat keines",
  ],
  [
    /its second party is (\w+), which is not the one by the rule/,
    "sein zweites Gerät ist $1, nicht das nach der Regel",
  ],
  [
    /this device has no session with the second party/,
    "es hat keine Verbindung mit dem zweiten Gerät der Summe",
  ],
  [
    /its key is not signed by the second party/,
    "das zweite Gerät hat den Schlüssel nicht unterschrieben",
  ],
  [/it has a key, and the plan has none/, "es hat einen Schlüssel, und der Plan keinen"],
  [/the plan has no secure sum/, "der Plan hat keine sichere Summe"],
  [/nobody has said who is in the sum/, "niemand hat gesagt, wer in der Summe ist"],
  [/there are no keys to mask with/, "es gibt keine Schlüssel zum Verdecken"],
  [/this vector was masked before/, "dieser Beitrag war schon verdeckt"],
  [/round (\d+) was released too often/, "Runde $1 wurde zu oft freigegeben"],
  [
    /the privacy budget is spent: this device allows ε (\S+) in all, and it would become (\S+)/,
    "die Privatheit ist verbraucht: Dieses Gerät erlaubt im Ganzen ε $1, und es würden $2",
  ],
  [
    /the privacy budget is spent: the run allows ε (\S+), and it would become (\S+) \(\w+\)/,
    "die Privatheit ist verbraucht: Der Lauf erlaubt ε $1, und es würden $2",
  ],
  [
    /the privacy ledger could not be written: /,
    "das Buch der Privatheit ließ sich nicht schreiben: ",
  ],
];

/** Why a device has no examples. */
const EXAMPLES: Sentences = [
  [
    /(\S+) is not here; bring it with: submind learn data import --idx FOLDER --name (\S+)/,
    "$1 ist nicht hier; holen mit: submind learn data import --idx ORDNER --name $2",
  ],
  [
    /(\S+) is not here; bring it with: submind learn data fetch mnist/,
    "$1 ist nicht hier; holen mit: submind learn data fetch mnist",
  ],
  [/(\d+) pictures are too few, at least (\d+)/, "$1 Bilder sind zu wenige, mindestens $2"],
  [
    /(\d+) texts with these topics are too few, at least (\d+)/,
    "$1 Texte mit diesen Themen sind zu wenige, mindestens $2",
  ],
  [
    /(\d+) series give (\d+) windows of (\d+) steps of (\S+) min without a gap, at least (\d+) are needed/,
    "$1 Reihen geben $2 Fenster von $3 Schritten zu $4 min ohne Lücke, nötig sind mindestens $5",
  ],
  [
    /Task "(\w+)": (\w+) is "([^"]*)", expected (\d+) to (\d+) topics separated by commas, for example /,
    'Aufgabe "$1": $2 ist "$3", erwartet werden $4 bis $5 Themen, durch Kommas getrennt, zum Beispiel ',
  ],
  [
    /this run divides a data set among devices, and this one is not among them/,
    "dieser Lauf verteilt einen Satz unter Geräte, und dieses ist nicht darunter",
  ],
  [/no task "([^"]*)" is known$/, 'eine Aufgabe "$1" ist nicht bekannt'],
  [
    /(?:readings|blocks) are where they are; they are not shared out/,
    "was Geräte haben, bleibt, wo es ist; es wird nicht verteilt",
  ],
  [
    /Cannot cut (\d+) examples into (\d+) parts: each would be empty/,
    "$1 Beispiele lassen sich nicht in $2 Teile teilen: Jeder wäre leer",
  ],
  [
    /Cannot cut data for (\d+) devices: expected 1 to (\d+)/,
    "Unter $1 Geräte lässt sich nichts verteilen, erwartet werden 1 bis $2",
  ],
  [
    /Cannot cut data with alpha (\S+): expected (\S+) to (\S+)/,
    "Mit alpha $1 lässt sich nichts verteilen, erwartet wird $2 bis $3",
  ],
  [
    /Cannot take share (\d+) of (\d+): expected 0 to (\d+)/,
    "Den Teil $1 von $2 gibt es nicht, erwartet wird 0 bis $3",
  ],
  [
    /Cannot use (\S+) with (\S+): (\d+) labels for (\d+) pictures/,
    "$1 passt nicht zu $2: $3 Beschriftungen für $4 Bilder",
  ],
  [
    /Cannot use (\S+) as pictures: it has one dimension, labels have that/,
    "$1 hat keine Bilder: Es hat eine Dimension, wie Beschriftungen",
  ],
  [
    /Cannot use (\S+) as labels: it has (\d+) dimensions, expected 1/,
    "$1 hat keine Beschriftungen: Es hat $2 Dimensionen, erwartet wird 1",
  ],
  [
    /(\S+) has pictures of (\S+), the plan says (\S+); expected the options (.+)/,
    "$1 hat Bilder von $2, der Plan sagt $3; erwartet werden die Einstellungen $4",
  ],
  [
    /(\S+) has a label (\d+), the plan has (\d+) classes; expected the option (\S+) at least/,
    "$1 hat eine Beschriftung $2, der Plan $3 Klassen; erwartet wird mindestens die Einstellung $4",
  ],
];

/** What is wrong with files of pictures. */
const FILES: Sentences = [
  [
    /^(.+) has (\d+) files with train or test in their names, expected at most (\d+)/,
    "$1 hat $2 Dateien mit train oder test im Namen, erwartet werden höchstens $3",
  ],
  [
    /^Pictures for training are (\S+), for testing (\S+)/,
    "Bilder zum Lernen sind $1, zum Prüfen $2",
  ],
  [
    /^Both (.+) and (.+) hold (?:train|t10k) (?:labels|pictures); expected one set in a folder/,
    "$1 und $2 enthalten dasselbe; erwartet wird ein Satz in einem Ordner",
  ],
  [/^Cannot find pictures for training in /, "Keine Bilder zum Lernen in "],
  [/^Cannot find labels for training in /, "Keine Beschriftungen zum Lernen in "],
  [/^Cannot find pictures for testing in /, "Keine Bilder zum Prüfen in "],
  [/^Cannot find labels for testing in /, "Keine Beschriftungen zum Prüfen in "],
  [/^(.+) has (\d+) labels, (.+) (\d+) pictures$/, "$1 hat $2 Beschriftungen, $3 $4 Bilder"],
  [/^Cannot read the folder (.+)$/, "Der Ordner $1 lässt sich nicht lesen"],
  [/^Cannot learn from these pictures: /, "Aus diesen Bildern lässt sich nicht lernen: "],
  [
    /^Cannot find (\S+) or (\S+\.gz) in (.+)$/,
    "Weder $1 noch $2 ist in $3",
  ],
  [
    /^(.+) is not MNIST's (\S+): its SHA-256 is (\w+), expected (\w+)$/,
    "$1 ist nicht $2 von MNIST: Sein SHA-256 ist $3, erwartet wird $4",
  ],
  [
    /^Deno has brought (\S+), but it is not in its cache$/,
    "Deno hat $1 geholt, aber es ist nicht in seinem Vorrat",
  ],
  [/^Deno could not bring (\S+): /, "Deno konnte $1 nicht holen: "],
  [
    /Cannot unpack (.+): it is damaged or cut off/,
    "$1 lässt sich nicht entpacken: beschädigt oder abgeschnitten",
  ],
  [
    /Cannot unpack (.+): more than (\d+) bytes come out/,
    "$1 lässt sich nicht entpacken: Es kommen mehr als $2 Bytes heraus",
  ],
  [/Cannot read (.+) as IDX: /, "$1 ist keine IDX-Datei: "],
  [/it is longer than (\d+) bytes/, "länger als $1 Bytes"],
  [
    /it does not begin with two zero bytes, a type and a number of dimensions/,
    "beginnt nicht mit zwei Nullbytes, einem Typ und einer Zahl von Dimensionen",
  ],
  [/it holds signed bytes, expected/, "enthält Bytes mit Vorzeichen, erwartet werden"],
  [/it holds (\d+)-bit integers, expected/, "enthält ganze Zahlen von $1 Bit, erwartet werden"],
  [/it holds (\d+)-bit floats, expected/, "enthält Kommazahlen von $1 Bit, erwartet werden"],
  [/it holds values of type (\d+), expected/, "enthält Werte vom Typ $1, erwartet werden"],
  [/erwartet werden unsigned bytes/, "erwartet werden vorzeichenlose Bytes"],
  [
    /it has (\d+) dimensions, expected 1 \(labels\), 3 \(pictures\) or 4 \(colour pictures\)/,
    "hat $1 Dimensionen, erwartet werden 1 (Beschriftungen), 3 (Bilder) oder 4 (farbige Bilder)",
  ],
  [/it ends within its header/, "endet schon im Kopf"],
  [/extent (\d+) is (\d+), expected 1 to (\d+)/, "Ausdehnung $1 ist $2, erwartet wird 1 bis $3"],
  [
    /(\d+) values follow its header, expected (.+) = (\d+)/,
    "auf den Kopf folgen $1 Werte, erwartet werden $2 = $3",
  ],
  [/^Cannot read (.+): it is no file$/, "$1 lässt sich nicht lesen: Es ist keine Datei"],
  [
    /^Cannot read (.+): it has (\d+) bytes, expected at most (\d+)$/,
    "$1 lässt sich nicht lesen: Es hat $2 Bytes, erwartet werden höchstens $3",
  ],
  [/^Cannot read (.+?): /, "$1 lässt sich nicht lesen: "],
];

/** Anywhere in a sentence; refusals use them, too. */
export const TOLD: Sentences = [...DECLINING, ...EXAMPLES];

/** What a node tells, in German; what is not known stays as it is. */
export function toldInGerman(text: string): string {
  return inGerman(text, [...CHECKED, ...FAILED, ...WAITING, ...COMBINING, ...TOLD, ...FILES]);
}
