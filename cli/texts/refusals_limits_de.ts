/** What a plan may ask of devices, in German: sizes that do not fit, and choices of plans that others have made. */
import type { Sentences } from "./sentences.ts";

/** In the order in which they are replaced, before all others. */
export const LIMITS: Sentences = [
  [
    /Cannot verify round (\d+): of results that are so old this device keeps no signatures in mind; verify a newer version/,
    "Runde $1 lässt sich nicht prüfen: Von so alten Ergebnissen hat dieses Gerät keine Unterschriften im Speicher; prüfen lässt sich eine neuere Fassung",
  ],
  [
    /this device has joined (\d+) runs, and keeps no more in mind; leave some that are over/,
    "Dieses Gerät macht bei $1 Läufen mit und merkt sich nicht mehr; einige verlassen, die vorbei sind",
  ],
  [
    /a masked update has (\d+) bytes, expected at most (\d+); fewer bits or a smaller model would fit/,
    "Ein verdeckter Beitrag hat $1 Bytes, erwartet werden höchstens $2; passen würden weniger Bits oder ein kleineres Modell",
  ],
  [
    /(\d+) devices make (\d+) groups, whose sums have (\d+) MiB; expected at most (\d+) groups and (\d+) MiB/,
    "$1 Geräte ergeben $2 Gruppen, deren Summen $3 MiB haben; erwartet werden höchstens $4 Gruppen und $5 MiB",
  ],
  [
    /the parts of (\d+) devices take (\d+) MiB of memory, expected at most (\d+) with aggregation "(\w+)"/,
    'Die Teile von $1 Geräten nehmen $2 MiB Speicher, erwartet werden bei der Aggregation "$4" höchstens $3',
  ],
  [
    /opening a sum of (\d+) numbers of (\d+) devices takes (\d+) bytes, expected at most (\d+) with aggregation "(\w+)"; fewer devices, "twoServers", or a smaller model would fit/,
    'Eine Summe von $1 Zahlen von $2 Geräten zu öffnen nimmt $3 Bytes, erwartet werden bei der Aggregation "$5" höchstens $4; passen würden weniger Geräte, "twoServers" oder ein kleineres Modell',
  ],
  [
    /averaging in groups of up to (\d+) devices takes (\d+) MiB of memory, expected at most (\d+); a smaller side or a smaller model would fit/,
    "In Gruppen von bis zu $1 Geräten zu mitteln nimmt $2 MiB Speicher, erwartet werden höchstens $3; passen würde ein kleineres --side oder ein kleineres Modell",
  ],
  [
    /Cannot sum (\d+) devices with this privacy: their integers reach (\S+), which takes (\d+) bits, expected at most 32/,
    "$1 Geräte lassen sich mit dieser Privatheit nicht summieren: Ihre ganzen Zahlen reichen bis $2, das nimmt $3 Bits, erwartet werden höchstens 32",
  ],
  [
    /Cannot sum (\d+) devices at (\d+) bits: needs more than 32 bits, expected fewer bits or devices/,
    "$1 Geräte lassen sich mit $2 Bits nicht summieren: Das nähme mehr als 32, erwartet werden weniger Bits oder Geräte",
  ],
  [
    /Cannot encode updates: sums of (\d+) values of (\d+) bits with noise up to (\S+) need (\d+) bits, expected at most 32; take (\S+) bits a value, fewer devices or less noise/,
    "Summen von $1 Werten von $2 Bits mit Rauschen bis $3 nehmen $4 Bits, erwartet werden höchstens 32; passen würden $5 Bits je Wert, weniger Geräte oder weniger Rauschen",
  ],
  [
    /Cannot encode updates: integers reach (\S+), expected less than 2\^30\. Choose a smaller scale than (\S+) or less noise than (\S+)\./,
    "Die ganzen Zahlen der Beiträge reichen bis $1, erwartet wird weniger als 2^30; passen würde ein kleinerer Maßstab als $2 oder weniger Rauschen als $3",
  ],
  [
    /(the input|layer \d+ \(\w+\)) is (\S+) per example, expected at most (\d+) numbers/,
    "$1 hat $2 je Beispiel, erwartet werden höchstens $3 Zahlen",
  ],
  [/the input hat/, "die Eingabe hat"],
  [/layer (\d+) \((\w+)\) hat/, "die Schicht $1 ($2) hat"],
  [
    /a grid is for aggregation "grid" only, and the aggregation is "(\w+)"/,
    '--side und --dimensions gibt es nur mit der Aggregation "grid", und die Aggregation ist "$1"',
  ],
  [
    /share\.alpha is for "dirichlet" only, and share\.kind is "(\w+)"/,
    '--alpha gibt es nur mit --share dirichlet, und --share ist "$1"',
  ],
  [
    /a data set is shared among at most (\d+) devices, and (\d+) may join/,
    "Ein Satz wird unter höchstens $1 Geräte verteilt, und mitmachen dürfen $2",
  ],
  [
    /(\d+) rounds with noiseMultiplier (\S+) cost more than a ledger can count \(ε of some thousands\): that is no privacy/,
    "$1 Runden mit --noise $2 kosten mehr, als ein Buch zählen kann (ε von einigen Tausend): Das ist keine Privatheit",
  ],
  [
    /no noise was found that every ledger allows/,
    "Es fand sich kein Rauschen, das jedes Buch erlaubt",
  ],
  [
    /(\w+) is (\S+), expected a number above 0, at most (\S+)$/,
    "$1 ist $2, erwartet wird eine Zahl über 0, höchstens $3",
  ],
  [
    /this device knows (.+); a newer version of submind may know it/,
    "Dieses Gerät kennt $1; eine neuere Fassung von submind kennt sie vielleicht",
  ],
  [
    /(?:this version of submind makes another network for it than the plan names|its network differs)/,
    "Diese Fassung von submind macht daraus ein anderes Netz, als der Plan nennt",
  ],
  [
    /its noise is "(\w+)", expected "(\w+)" with aggregation "(\w+)"/,
    'Das Rauschen ist "$1", erwartet wird bei der Aggregation "$3" "$2"',
  ],
  [
    /it promises privacy with the rule "(\w+)", and what one device changes is known of "weightedMean" only; take that, or secure groups/,
    'Der Plan sagt Privatheit mit der Regel "$1" zu, und was ein Gerät ändert, weiß man nur von "weightedMean"; erwartet wird diese, oder die Aggregation "groups"',
  ],
  [
    /its count of clipped updates has noise (\S+), expected more than half of the noise multiplier, (\S+)/,
    "Die Zahl der gekürzten Beiträge hat das Rauschen $1, erwartet wird mehr als die Hälfte des anderen, $2",
  ],
  [
    /its clipping length begins at (\S+), expected (\S+) to (\S+)/,
    "Die Länge, auf die gekürzt wird, beginnt bei $1, erwartet wird $2 bis $3",
  ],
  [
    /its compression is "(\w+)", and devices of a grid exchange whole parameters; expected none/,
    'Die Verkleinerung ist "$1", und Geräte eines Gitters tauschen ganze Modelle; erwartet wird keine',
  ],
  [
    /the node is still starting; try again/,
    "Der Knoten fährt noch hoch; gleich noch einmal versuchen",
  ],
];

/** Why a version cannot be verified: what is missing, who was asked for it, and what was known of it. */
export const MISSING: Sentences = [
  [/its parent (\w+) ist/, "die Fassung davor ($1) ist"],
  [/the optimiser's state of its parent ist/, "der Zustand des Optimierers davor ist"],
  [/what the round released ist/, "was die Runde freigegeben hat, ist"],
  [
    /no other device that may learn can be reached/,
    "kein anderes Gerät, das lernen darf, ist zu erreichen",
  ],
  [/none of those asked has sent it: /, "keines der gefragten hat es geschickt: "],
  [/(\w+) has not kept it/g, "$1 hat es nicht behalten"],
  [/(\w+) sent something else/g, "$1 schickte etwas anderes"],
  [/(\w+) did not send it in time/g, "$1 schickte es nicht rechtzeitig"],
  [/; it was valid when this device took it/, "; sie war gültig, als dieses Gerät sie nahm"],
  [
    /; it did not hold when this device last looked/,
    "; sie hielt nicht, als dieses Gerät zuletzt nachsah",
  ],
];
