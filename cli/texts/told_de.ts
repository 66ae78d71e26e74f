/**
 * What a node tells of learning, in German: what runs wait for, why there are no examples, what was checked. Its own sentences are English and known by their
 * form, as refusals are (`refusals_de.ts`). A test reads the sources and fails on a sentence that is missing here.
 */

export type Sentences = readonly (readonly [RegExp, string])[];

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

/** Why a device declines a round. */
const DECLINING: Sentences = [
  [/still starting/, "es fährt noch hoch"],
  [/this device has round (\d+)/, "es ist bei Runde $1"],
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
    /(\d+) series give (\d+) windows of (\d+) without a gap, at least (\d+) are needed/,
    "$1 Reihen geben $2 Fenster von $3 ohne Lücke, nötig sind mindestens $4",
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

/** What stands beside a check of `learn verify`. A new check needs its sentences here, and its name in `learnModels.checks`. */
const CHECKED: Sentences = [
  [/^round (\d+) follows (\w+)$/, "Runde $1 folgt auf $2"],
  [/^all (\d+) are members of the mesh$/, "alle $1 sind Mitglieder des Netzes"],
  [/^all (\d+) signed what they sent$/, "alle $1 haben unterschrieben, was sie schickten"],
  [
    /^all (\d+) confirm that it is the sum of what they sent$/,
    "alle $1 bestätigen, dass es die Summe dessen ist, was sie schickten",
  ],
  [
    /^what was released is what its coordinator signed for; not all devices have confirmed the sum$/,
    "freigegeben ist, wofür der Koordinator unterschrieb; nicht alle Geräte haben die Summe bestätigt",
  ],
  [/^what was released is what was signed for$/, "freigegeben ist, wofür unterschrieben wurde"],
  [
    /^made again from its parent and what was released, bit by bit$/,
    "noch einmal gemacht aus der Fassung davor und dem, was freigegeben wurde, Bit für Bit",
  ],
  [
    /^the plan's seed makes these parameters$/,
    "der Anfangswert des Plans ergibt genau diese Zahlen",
  ],
  [
    /^(\w+) publishes what it has come to, and is a member of the mesh$/,
    "$1 veröffentlicht, wozu es gekommen ist, und ist Mitglied des Netzes",
  ],
  [
    /^it signed for these parameters; how they came about is known to nobody else$/,
    "es hat für diese Zahlen unterschrieben; wie sie zustande kamen, weiß sonst niemand",
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

/** What `learn verify` found that does not hold. */
const FAILED: Sentences = [
  [/^Cannot verify the model: /, "Die Fassung hält nicht: "],
  [
    /it is tuned to (\S+), the version before to (\S+)/,
    "sie ist auf $1 eingestellt, die davor auf $2",
  ],
  [/(run|round) is (\w+), expected (\w+)$/, "$1 ist $2, erwartet wird $3"],
  [/it follows (\w+), the version before is (\w+)/, "sie folgt auf $1, die davor ist $2"],
  [/(^|: )(\w+) may not take part$/, "$1$2 darf nicht mitmachen"],
  [/an update does not fit: /, "ein Beitrag passt nicht: "],
  [
    /what was released has the hash (\w+), not (\w+)/,
    "was freigegeben wurde, hat den Hash $1, nicht $2",
  ],
  [
    /sum (\d+) is said to be of (\S+) devices, (\d+) signed/,
    "die Summe $1 soll von $2 Geräten sein, unterschrieben haben $3",
  ],
  [
    /what its (\d+) devices say of sum (\d+) does not add up to it/,
    "was ihre $1 Geräte über die Summe $2 sagen, ergibt sie nicht",
  ],
  [
    /what follows has the hash (\w+), the result names (\w+)/,
    "was folgt, hat den Hash $1, das Ergebnis nennt $2",
  ],
  [
    /the next round is tuned to (\S+), the result names (\S+)/,
    "die nächste Runde ist auf $1 eingestellt, das Ergebnis nennt $2",
  ],
  [
    /what is held of (\w+) is not what it signed/,
    "was von $1 hier ist, hat es nicht unterschrieben",
  ],
  [
    /the submissions, combined by the plan's rule, are not what was released/,
    "die Beiträge ergeben nach der Regel des Plans nicht, was freigegeben wurde",
  ],
  [
    /the verifier's own submission was left out/,
    "der eigene Beitrag dieses Geräts wurde ausgelassen",
  ],
  [
    /the verifier's own submission was exchanged/,
    "der eigene Beitrag dieses Geräts wurde vertauscht",
  ],
  [
    /(\d+) devices are in it, expected at least (\d+)/,
    "darin sind $1 Geräte, erwartet werden mindestens $2",
  ],
  [/it has (\d+) secure sums, the plan says /, "sie hat $1 sichere Summen, der Plan sagt "],
  [/a device submitted twice/, "ein Gerät hat zweimal abgegeben"],
  [/a submission is in none of its sums/, "ein Beitrag ist in keiner ihrer Summen"],
  [/its sums and submissions differ/, "ihre Summen und Beiträge passen nicht zusammen"],
  [/the signature of (\w+) does not hold/, "die Unterschrift von $1 gilt nicht"],
  [
    /it stands for more than its author, and on a grid every device publishes its own/,
    "sie steht für mehr als ihren Verfasser, und auf einem Gitter veröffentlicht jedes Gerät das Eigene",
  ],
  [/it names (\w+), and (\w+) signed for (\w+)/, "sie nennt $1, und $2 hat für $3 unterschrieben"],
  [
    /a sum has a vector of somebody outside its roster/,
    "eine Summe hat einen Beitrag von jemandem, der nicht auf ihrer Liste steht",
  ],
  [
    /a sum has (\d+) vectors, expected at least (\d+)/,
    "eine Summe hat $1 Beiträge, erwartet werden mindestens $2",
  ],
  [
    /a sum has another vector of (\w+) than it submitted/,
    "eine Summe hat von $1 einen anderen Beitrag, als es abgab",
  ],
  [
    /somebody signed for a sum that its vector is not in/,
    "jemand hat für eine Summe unterschrieben, in der sein Beitrag nicht ist",
  ],
  [
    /(\d+) devices signed for a sum, expected at least (\d+)/,
    "$1 Geräte haben für eine Summe unterschrieben, erwartet werden mindestens $2",
  ],
  [
    /(\d+) devices confirm a sum of (\d+), expected all or none/,
    "$1 Geräte bestätigen eine Summe von $2, erwartet werden alle oder keines",
  ],
];

/** Anywhere in a sentence; refusals use them, too. */
export const TOLD: Sentences = [...DECLINING, ...EXAMPLES];

/** What a node tells, in German; what is not known stays as it is. */
export function toldInGerman(text: string): string {
  return inGerman(text, [...CHECKED, ...FAILED, ...WAITING, ...TOLD, ...FILES]);
}

/** Each sentence that is found becomes its German, in their order. */
export function inGerman(text: string, sentences: Sentences): string {
  return sentences.reduce((found, [sentence, german]) => found.replace(sentence, german), text);
}
