/** What a node refuses of learning, in German: its own sentences are English, over HTTP and in logs, and known by their form as those of the parser are. */
import { LIMITS, MISSING } from "./refusals_limits_de.ts";
import { inGerman, type Sentences } from "./sentences.ts";
import { TOLD } from "./told_de.ts";

/** How sentences of learning begin; those of others stay as they are. */
const BEGINNINGS: Sentences = [
  [/^Cannot plan the run: /, "Der Lauf lässt sich nicht planen: "],
  [/^Cannot find it: /, "Nicht gefunden: "],
  [/^Cannot stop the run: /, "Der Lauf lässt sich nicht beenden: "],
  [/^Cannot join the run: /, "Mitmachen geht nicht: "],
  [/^Cannot leave the run: /, "Verlassen geht nicht: "],
  [
    /^Cannot start a run that may cost ε (\S+): this device allows ε (\S+) in all; ask for less, or raise what it allows$/,
    "Ein Lauf, der ε $1 kosten darf, beginnt hier nicht: Dieses Gerät erlaubt im Ganzen ε $2; weniger verlangen, oder mehr erlauben mit: submind learn budget --set",
  ],
  [/^Cannot start a run: /, "Der Lauf beginnt nicht: "],
  [
    /^Cannot set the privacy budget to (\S+): ε (\S+) is spent already, expected at least that$/,
    "Das Budget lässt sich nicht auf $1 setzen: ε $2 ist schon verbraucht, erwartet wird mindestens das",
  ],
  [
    /^Cannot set the privacy budget to (\S+): expected a number above 0, at most (\d+)$/,
    "Das Budget lässt sich nicht auf $1 setzen: erwartet wird eine Zahl über 0, höchstens $2",
  ],
  [/^Cannot set the privacy budget: /, "Das Budget lässt sich nicht setzen: "],
  [/^idempotencyKey has (\d+) characters, /, "--key hat $1 Zeichen, "],
  [/^Cannot learn "([^"]*)": /, 'Die Aufgabe "$1" lässt sich nicht lernen: '],
  [
    /^Version (\w+) is known, but its parameters are not on this device: it keeps the newest ones, and those that somebody went back to$/,
    "Die Fassung $1 ist bekannt, aber ihre Zahlen sind nicht auf diesem Gerät: Es behält die neuesten, und die, zu denen jemand zurückging",
  ],
  [
    /^Cannot verify round (\d+): (.+) is not on this device, and (.+)\. Devices keep what the last (\d+) rounds are verified with: try again when devices that took part are connected, or verify a newer version\. Version (\w+)$/,
    "Die Runde $1 lässt sich nicht prüfen: $2 ist nicht auf diesem Gerät, und $3. Geräte behalten, womit sich die letzten $4 Runden prüfen lassen: noch einmal versuchen, wenn Geräte verbunden sind, die mitgemacht haben, oder eine neuere Fassung prüfen. Fassung $5",
  ],
  [
    /^Cannot verify round (\d+): the result of the round before has not come to this device; try again when it has been connected to others of the mesh for a while\. Version (\w+)$/,
    "Die Runde $1 lässt sich nicht prüfen: Das Ergebnis der Runde davor ist noch nicht auf diesem Gerät; noch einmal versuchen, wenn es eine Weile mit anderen des Netzes verbunden war. Fassung $2",
  ],
  [
    /^Cannot verify round (\d+): the optimiser's state that its parent names is none of this run's plan; verify the version before\. Version (\w+)$/,
    "Die Runde $1 lässt sich nicht prüfen: Der Zustand des Optimierers, den die Fassung davor nennt, passt nicht zum Plan des Laufs; die Fassung davor prüfen. Fassung $2",
  ],
  [
    /^Cannot fetch what it is verified with: no run (\w+) is known here$/,
    "Womit sich prüfen lässt, ist nicht zu holen: Einen Lauf $1 kennt dieses Gerät nicht",
  ],
  [
    /^Cannot fetch what it is verified with: this device lacks the permission (\S+), without which others hand out nothing of a model; an owner can grant it$/,
    "Womit sich prüfen lässt, ist nicht zu holen: Diesem Gerät fehlt das Recht $1, ohne das andere nichts von einem Modell herausgeben; ein Eigentümer kann es erteilen",
  ],
  [
    /^Cannot fetch what it is verified with: (\d+) vectors are being fetched already, expected fewer; try again in a moment$/,
    "Womit sich prüfen lässt, ist nicht zu holen: $1 Vektoren werden schon geholt, erwartet werden weniger; gleich noch einmal versuchen",
  ],
  [
    /^Cannot compare them: they are of different networks$/,
    "Vergleichen geht nicht: Es sind Fassungen verschiedener Netze",
  ],
  [
    /^Cannot verify (\w+): nobody has published it yet$/,
    "Die Fassung $1 lässt sich nicht prüfen: Noch hat sie niemand veröffentlicht",
  ],
  [
    /^Cannot verify (\w+): it is where another run ended$/,
    "Die Fassung $1 lässt sich nicht prüfen: Mit ihr hat ein anderer Lauf geendet",
  ],
];

/** What members cannot play, or plans cannot hold together; in the order in which they are replaced, before all others. */
const PLANS: Sentences = [
  [/Cannot learn "(\w+)": /, ""],
  [
    /privacy with rule "(\w+)" is not accounted for: noise is added to a mean; expected rule weightedMean, or aggregation "secureGroups"/,
    'Privatheit mit der Regel "$1" lässt sich nicht berechnen: Rauschen gehört zu einem Mittel; erwartet wird die Regel mean oder die Aggregation "groups"',
  ],
  [
    /(?:privacy cannot be promised: |it promises privacy, and )on a grid devices see each other's parameters, with no sum that noise could hide in; expected aggregation "secure" or "secureGroups", or no ε/,
    'Privatheit lässt sich nicht zusagen: Auf einem Gitter sehen Geräte die Zahlen der anderen, ohne Summe, in der sich Rauschen verbergen könnte; erwartet wird die Aggregation "secure" oder "groups", oder kein --epsilon',
  ],
  [
    /compression "(\w+)" is for differences, and devices of a grid exchange whole parameters; expected none, or aggregation "clear"/,
    'Die Verkleinerung "$1" ist für Unterschiede, und Geräte eines Gitters tauschen ganze Modelle; erwartet wird keine oder die Aggregation "clear"',
  ],
  [
    /(?:its )?compression "(\w+)" does not go with noise in secure sums: the noise fixes how many bits a number takes; expected none/,
    'Die Verkleinerung "$1" geht nicht mit Rauschen in sicheren Summen: Das Rauschen bestimmt, wie viele Bits eine Zahl braucht; erwartet wird keine',
  ],
  [/each device's update has a scale of its own/, "Jeder Beitrag hat einen eigenen Maßstab"],
  [/each device chooses other numbers/, "Jedes Gerät wählt andere Zahlen"],
  [
    /rule "(\w+)" needs more than one sum, and "(\w+)" has one; expected aggregation "secureGroups", or "clear"/,
    'Die Regel "$1" braucht mehr als eine Summe, und "$2" hat eine; erwartet wird die Aggregation "groups" oder "clear"',
  ],
  [
    /its strategy "fedBuff" takes updates one by one as they come, and aggregation "(\w+)" hides them in a sum of those who come together; expected aggregation "clear", where the coordinator sees each update, or another strategy/,
    'Die Strategie "fedBuff" nimmt Beiträge einzeln, wie sie kommen, und die Aggregation "$1" verbirgt sie in einer Summe derer, die zusammen kommen; erwartet wird die Aggregation "clear", bei der der Koordinator jeden Beitrag sieht, oder eine andere Strategie',
  ],
  [
    /its strategy "fedBuff" promises no privacy: .*; expected another strategy, or no privacy/,
    'Die Strategie "fedBuff" sagt keine Privatheit zu: Ein Beitrag wird noch einmal abgegeben, wenn sein Koordinator verstummt, und zwei Koordinatoren können ihn mit je eigenem Rauschen freigeben; erwartet wird eine andere Strategie oder kein --epsilon',
  ],
  [
    /its strategy "fedBuff" calls nobody, so that no share of the devices can be drawn; participation\.fraction is (\S+), expected 1/,
    'Die Strategie "fedBuff" ruft niemanden, also lässt sich kein Anteil ziehen; --fraction ist $1, erwartet wird 1',
  ],
  [
    /its strategy "fedBuff" has each device once in a buffer; goal is (\d+), expected at most participation\.most, (\d+)/,
    'Die Strategie "fedBuff" nimmt jedes Gerät einmal; goal ist $1, erwartet wird höchstens --most, $2',
  ],
  [
    /its strategy "fedBuff" makes versions of (\d+) updates, and with participation\.least (\d+) a version has at least (\d+); expected a goal of (\d+) or more/,
    'Die Strategie "fedBuff" macht Fassungen aus $1 Beiträgen, und mit --least $2 hat eine mindestens $3; erwartet wird goal $4 oder mehr',
  ],
  [
    /Strategy fedBuff adds updates as they come and keeps none: expected the rule "weightedMean", not "(\w+)"/,
    'Die Strategie "fedBuff" zählt Beiträge zusammen, wie sie kommen, und behält keinen: erwartet wird die Regel mean statt "$1"',
  ],
  [
    /its strategy is "(\w+)"( with another rate than 1)?, and on a grid nobody steps for all; expected fedAvg or fedProx/,
    'Die Strategie ist "$1", und auf einem Gitter geht niemand für alle einen Schritt; erwartet wird fedAvg oder fedProx, mit der Rate 1',
  ],
  [
    /its rule is "(\w+)", expected one of (.+) on a grid: others need more vectors than a group has, or differences instead of parameters/,
    'Die Regel ist "$1", erwartet wird auf einem Gitter eine von $2: Andere brauchen mehr Beiträge, als eine Gruppe hat, oder Unterschiede statt Modellen',
  ],
  [
    /it calls (\S+) of the devices, and on a grid nobody calls: all take part; expected fraction 1/,
    "--fraction ist $1, und auf einem Gitter ruft niemand: Alle machen mit; erwartet wird 1",
  ],
  [/its model has (\d+) parameters, /, "Das Modell hat $1 Zahlen, "],
  [
    /combining (\d+) updates of (\d+) numbers takes (\d+) MiB of (?:memory|disk), expected at most (\d+)/,
    "$1 Beiträge von $2 Zahlen zu verbinden nimmt $3 MiB, erwartet werden höchstens $4",
  ],
  [
    /its vectors have (\d+) numbers, and aggregation "(\w+)" is for at most (\d+); expected aggregation "secure", compression "randomK", or a smaller model/,
    'Ein Beitrag hat $1 Zahlen, und die Aggregation "$2" ist für höchstens $3; erwartet wird die Aggregation "secure", --compress randomK oder ein kleineres Modell',
  ],
  [/participants\.most is (\d+): /, "--most ist $1: "],
  [
    /participants\.least is (\d+), and the data set is divided among the (\d+) members? of today; expected at most (\d+), or no share/,
    "--least ist $1, und der Satz wird unter die $2 jetzigen Mitglieder verteilt; erwartet wird höchstens $3 oder kein --share",
  ],
  [
    /participants\.least is (\d+), and this device, one of (?:1 member|(\d+) members), has nothing to learn from: /,
    "--least ist $1, und dieses Gerät, eines von $2 Mitgliedern, hat nichts zum Lernen: ",
  ],
  [/; expected examples here, or /, "; erwartet werden Beispiele hier, oder "],
  [
    /aggregation "(\w+)" needs a second party beside the coordinator, and (\d+) members? may coordinate \(learn\.coordinate\); expected 2, or aggregation "secure"/,
    'Die Aggregation "$1" braucht neben dem Koordinator ein zweites Gerät, und koordinieren darf (learn.coordinate) nur $2; erwartet werden 2 oder die Aggregation "secure"',
  ],
  [/aggregation "(\w+)" needs (\d+) devices, and /, 'Die Aggregation "$1" braucht $2 Geräte, und '],
  [
    /rule "(\w+)"(.*?) needs (\d+) devices in groups of (\d+), and /,
    'Die Regel "$1"$2 braucht $3 Geräte in Gruppen von $4, und ',
  ],
  [/rule "(\w+)"(.*?) needs (\d+) devices, and /, 'Die Regel "$1"$2 braucht $3 Geräte, und '],
  [/(faulty|keep) (\d+) and (faulty|keep) (\d+)/g, "$1 $2 und $3 $4"],
  [/" with (faulty|keep|share) /, '" mit $1 '],
  [/" (faulty|keep|share) /, '" mit $1 '],
  [/participants\.least is (\d+), and /, "--least ist $1, und "],
  [/with participants\.least 1, to learn alone/, "mit --least 1, um allein zu lernen"],
  [/participants\.least (\d+)/, "--least $1"],
  [/1 member may join/, "1 Mitglied darf mitmachen"],
  [/(\d+) members may join/, "$1 Mitglieder dürfen mitmachen"],
  [/(\d+) members/, "$1 Mitglieder"],
  [/, or more members first/, ", oder erst mehr Mitglieder"],
  [/, where the coordinator sees each update/, ", bei der der Koordinator jeden Beitrag sieht"],
  [
    /; to start it all the same and wait for more, say wait \(submind learn start --wait\)$/,
    "; um trotzdem zu beginnen und auf mehr zu warten: --wait",
  ],
  [
    /share\.kind is "(\w+)" among (\d+) devices: (.*); expected more examples, or no share/,
    '--share ist "$1" unter $2 Geräten: $3; erwartet werden mehr Beispiele oder kein --share',
  ],
  [
    /startFrom is (\w+), of another network with (\d+) numbers, and task "([^"]+)" with these options has (\d+); expected a version of a run with the same options/,
    '--from ist $1, eine Fassung eines anderen Netzes mit $2 Zahlen, und die Aufgabe "$3" hat mit diesen Einstellungen $4; erwartet wird eine Fassung eines Laufs mit denselben Einstellungen',
  ],
  [
    /this device allows ε (\S+) in all, ε (\S+) is spent, and after (\d+) rounds of it that would be ε (\S+); possible would be (\d+) rounds, a smaller epsilon, or a larger budget/,
    "Dieses Gerät erlaubt im Ganzen ε $1, ε $2 ist verbraucht, und nach $3 Runden davon wären es ε $4; möglich wären $5 Runden, ein kleineres --epsilon oder ein größeres Budget",
  ],
  [
    /this device's privacy ledger has no room for another run/,
    "Das Buch der Privatheit dieses Geräts hat keinen Platz für noch einen Lauf",
  ],
];

/** Parts of sentences, in the order in which they are replaced. */
const PARTS: Sentences = [
  [/no run begins with "(\w*)"/, 'Kein Lauf beginnt mit "$1"'],
  [/no version begins with "(\w*)"/, 'Keine Fassung beginnt mit "$1"'],
  [
    /(\d+) runs begin with "(\w*)": write more digits/,
    '$1 Läufe beginnen mit "$2": mehr Zeichen angeben',
  ],
  [
    /(\d+) versions begin with "(\w*)": write more digits/,
    '$1 Fassungen beginnen mit "$2": mehr Zeichen angeben',
  ],
  [/no run (\w+) is known here/, "Der Lauf $1 ist hier nicht bekannt"],
  [/it was stopped$/, "Er ist beendet"],
  [
    /only who started it or an owner may; leave it instead/,
    "Das darf nur, wer ihn begonnen hat, oder ein Eigentümer; dieses Gerät verlässt ihn mit: submind learn leave",
  ],
  [
    /it has finished all its rounds; nothing is left to stop/,
    "Alle seine Runden sind fertig; es gibt nichts mehr zu beenden",
  ],
  [
    /this device belongs to no mesh; pair it (?:with another )?first/,
    "Dieses Gerät gehört zu keinem Netz; erst koppeln mit: submind pair",
  ],
  [
    /this device lacks the permission (\S+); an owner can grant it/,
    "Diesem Gerät fehlt das Recht $1; ein Eigentümer kann es geben",
  ],
  [
    /no task "([^"]*)" is known, expected one of: /,
    'Eine Aufgabe "$1" ist nicht bekannt, erwartet wird eine von: ',
  ],
  [
    /Task "(\w+)" has no option "(\w+)": it has /,
    'Die Aufgabe "$1" hat keine Einstellung "$2", sondern ',
  ],
  [
    /Task "(\w+)": model (\w+) does not fit pictures of (\S+): Cannot build the network: /,
    'Aufgabe "$1": Das Modell $2 passt nicht zu Bildern von $3: ',
  ],
  [
    /maxPool gets (\S+) \(layer (\d+)\), expected even rows and columns/,
    "maxPool bekommt $1 (Schicht $2), erwartet werden gerade Zahlen von Zeilen und Spalten",
  ],
  [
    /up to layer "(\w+)" it has (\d+) parameters, at most (\d+)/,
    'bis zur Schicht "$1" hat es $2 Zahlen, höchstens $3',
  ],
  [/Cannot build the network: /, "Das Netz lässt sich nicht bauen: "],
  [/; no model would fit/, "; kein Modell würde passen"],
  [/; model (\w+) or (\w+) or (\w+) would fit/, "; passen würden die Modelle $1, $2 und $3"],
  [/; model (\w+) or (\w+) would fit/, "; passen würden die Modelle $1 und $2"],
  [/; model (\w+) would fit/, "; passen würde das Modell $1"],
  [/Task "(\w+)": (\w+) is "([^"]*)", /, 'Aufgabe "$1": $2 ist "$3", '],
  [
    /this privacy would take noise (\S+) times as long as all that (\d+) devices can learn in (\d+) rounds/,
    "Diese Privatheit nähme Rauschen, das $1 mal so lang ist wie alles, was $2 Geräte in $3 Runden lernen können",
  ],
  [
    /this privacy cannot be proved for any noise/,
    "Diese Privatheit lässt sich mit keinem Rauschen beweisen",
  ],
  [/; possible would be nothing near it: /, "; möglich wäre nichts in der Nähe: "],
  [
    /(\d+) devices, the most that a round may have, are too few/,
    "$1 Geräte, mehr darf eine Runde nicht haben, sind zu wenige",
  ],
  [
    /it would take epsilon (\S+), and this device allows (\S+) in all/,
    "es bräuchte ε $1, und dieses Gerät erlaubt insgesamt $2",
  ],
  [/: no noise is enough/, ": Kein Rauschen reicht"],
  [
    /; to run it all the same, state noiseMultiplier (\S+) yourself/,
    "; um es trotzdem zu tun, selbst --noise $1 angeben",
  ],
  [
    /(\d+) rounds with noiseMultiplier (\S+) cost ε (\S+), more than ([^\s;]+)/,
    "$1 Runden mit --noise $2 kosten ε $3, mehr als $4",
  ],
  [/; possible would be /, "; möglich wäre "],
  [/epsilon (\d\S*)/, "ε $1"],
  [/(?<=, or |wäre )option (?=\w+=)/, "die Einstellung "],
  [/(?<=wäre )1 round(?!s)/, "1 Runde"],
  [/(?<=wäre )(\d+) rounds/, "$1 Runden"],
  [/(?<=, or |wäre )noiseMultiplier (\S+?)(?=,|$)/, "--noise $1"],
  [
    /delta is (\S+) with (\d+) devices a round, expected less than (\S+)/,
    "delta ist $1 bei $2 Geräten in einer Runde, erwartet wird weniger als $3",
  ],
  [
    /participants\.(least|most) is (\d+), expected at (least|most) (\d+)/,
    "--$1 ist $2, erwartet wird at-$3 $4",
  ],
  [/ with aggregation "(\w+)" and rule "(\w+)"/, " bei der Aggregation $1 mit der Regel $2"],
  [/ with aggregation "(\w+)"/, " bei der Aggregation $1"],
  [
    /rule "(\w+)" needs more than one sum, and "secure" has one;/,
    'Die Regel "$1" braucht mehr als eine Summe, und "secure" hat eine;',
  ],
  [
    /compression "(\w+)" cannot be summed under masks: each device chooses other numbers;/,
    'Die Verkleinerung "$1" lässt sich unter Masken nicht summieren: Jedes Gerät wählt andere Zahlen;',
  ],
  [
    /compression "(\w+)" cannot be summed under masks: /,
    'Die Verkleinerung "$1" lässt sich unter Masken nicht summieren: ',
  ],
  [
    /share\.kind is "(\w+)", and what devices have for task "(\w+)" is their own; expected no share/,
    '--share ist "$1", und was Geräte für die Aufgabe "$2" haben, ist ihr eigenes; erwartet wird kein --share',
  ],
  [
    /^(.*)Cannot use strategy "(\w+)" with (\S+) = ([^:]+): /,
    '$1Die Strategie "$2" geht nicht mit $3 = $4: ',
  ],
  [
    /^(.*)Cannot use aggregation rule "(\w+)" with (\S+) = ([^:]+): /,
    '$1Die Regel "$2" geht nicht mit $3 = $4: ',
  ],
  [
    /^(.*)Cannot use compression "(\w+)" with (\S+) = ([^:]+): /,
    '$1Die Verkleinerung "$2" geht nicht mit $3 = $4: ',
  ],
  [/Invalid discriminator value\. Expected /, "Erwartet wird eines von "],
  [/Too (?:small|big): expected number to be (\S+)/, "erwartet wird eine Zahl $1"],
  [/Invalid input: expected int, received number/, "erwartet wird eine ganze Zahl"],
  [/expected one of /, "erwartet wird eines von "],
  [/expected an integer from (\S+) to (\S+)/, "erwartet wird eine ganze Zahl von $1 bis $2"],
  [/expected a number from (\S+) to (\S+)/, "erwartet wird eine Zahl von $1 bis $2"],
  [/expected aggregation /, "erwartet wird die Aggregation "],
  [
    /expected stochastic, randomK, none, or aggregation "clear"/,
    'erwartet wird stochastic, randomK, keine, oder die Aggregation "clear"',
  ],
  [/at-least (\d)/, "mindestens $1"],
  [/at-most (\d)/, "höchstens $1"],
  [/, or rule "/, ' oder die Regel "'],
  [/expected at least (\d+)/, "erwartet wird mindestens $1"],
  [/expected at most (\d+)/, "erwartet wird höchstens $1"],
  [/, or (?=faulty|share|ε|ein |die |\d|--|"|aggregation )/g, " oder "],
  [/oder aggregation /, "oder die Aggregation "],
];

/** The refusal in German; what is not known stays as it is. */
export function refusalInGerman(message: string): string {
  const begun = inGerman(message, BEGINNINGS);
  return begun === message
    ? message
    : inGerman(begun, [...MISSING, ...LIMITS, ...PLANS, ...TOLD, ...PARTS]);
}
