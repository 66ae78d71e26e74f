/** What is shown beside the checks of `learn verify`, in German: what held, and what did not. */
import type { Sentences } from "./sentences.ts";

/** What stands beside a check of `learn verify`. A new check needs its sentences here, and its name in `learnModels.checks`. */
export const CHECKED: Sentences = [
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

/** What `learn verify` found that does not hold. */
export const FAILED: Sentences = [
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
  [
    /(\d+) updates are in it, expected at most (\d+)/,
    "darin sind $1 Beiträge, erwartet werden höchstens $2",
  ],
  [
    /(\w+) names a version it was trained from, and the run goes by rounds/,
    "$1 nennt eine Fassung, von der es lernte, und der Lauf geht nach Runden",
  ],
  [/(\w+) names no version it was trained from/, "$1 nennt keine Fassung, von der es lernte"],
  [
    /the update of (\w+) is (\d+) versions old, expected 0 to (\d+)/,
    "der Beitrag von $1 ist $2 Fassungen alt, erwartet wird 0 bis $3",
  ],
  [
    /the update of (\w+) was trained from (\w+), version (\d+) is (\w+)/,
    "der Beitrag von $1 ging von $2 aus, Fassung $3 ist $4",
  ],
  [
    /the update of (\w+) weighs (\S+), expected 1/,
    "der Beitrag von $1 hat das Gewicht $2, erwartet wird 1",
  ],
  [/its base is (\w+), version (\d+) is (\w+)/, "er geht von $1 aus, Fassung $2 ist $3"],
  [
    /of (\w+): one from version (\d+), or from later, is in version (\d+) already/,
    "von $1: einer von Fassung $2 oder später ist schon in Fassung $3",
  ],
  [
    /it names a length of updates, and the plan has none/,
    "sie nennt eine Länge von Beiträgen, und der Plan hat keine",
  ],
  [
    /it does not name the length of updates that the next round needs/,
    "sie nennt die Länge von Beiträgen nicht, die die nächste Runde braucht",
  ],
  [
    /it names a length of updates of (\S+), expected (\S+) to (\S+)/,
    "sie nennt als Länge von Beiträgen $1, erwartet wird $2 bis $3",
  ],
  [/its vectors do not fit the plan/, "ihre Zahlen passen nicht zum Plan"],
  [/what came has the hash (\w+), it names (\w+)/, "was kam, hat den Hash $1, sie nennt $2"],
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
