/** What a node refuses of learning, in German: its own sentences are English, over HTTP and in logs, and known by their form as those of the parser are. */

type Sentences = readonly (readonly [RegExp, string])[];

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
    /the node is still starting; try again/,
    "Der Knoten fährt noch hoch; gleich noch einmal versuchen",
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
  [/; no model would fit/, "; kein Modell würde passen"],
  [/; model (\w+) or (\w+) or (\w+) would fit/, "; passen würden die Modelle $1, $2 und $3"],
  [/; model (\w+) or (\w+) would fit/, "; passen würden die Modelle $1 und $2"],
  [/; model (\w+) would fit/, "; passen würde das Modell $1"],
  [/Task "(\w+)": (\w+) is "([^"]*)", /, 'Aufgabe "$1": $2 ist "$3", '],
  [
    /(\S+) has pictures of (\S+), the plan says (\S+); expected the options (.+)/,
    "$1 hat Bilder von $2, der Plan sagt $3; erwartet werden die Einstellungen $4",
  ],
  [
    /(\S+) has a label (\d+), the plan has (\d+) classes; expected the option (\S+) at least/,
    "$1 hat eine Beschriftung $2, der Plan $3 Klassen; erwartet wird mindestens die Einstellung $4",
  ],
  [
    /this privacy would take noise (\S+) times as long as all that (\d+) devices can learn in (\d+) rounds/,
    "Diese Privatheit nähme Rauschen, das $1 mal so lang ist wie alles, was $2 Geräte in $3 Runden lernen können",
  ],
  [
    /this privacy cannot be proved for any noise/,
    "Diese Privatheit lässt sich mit keinem Rauschen beweisen",
  ],
  [/this privacy needs delta below (\S+);/, "Diese Privatheit braucht ein delta unter $1;"],
  [/; possible would be nothing near it/, "; möglich wäre nichts in der Nähe"],
  [
    /; to run it all the same, state noiseMultiplier (\S+) yourself/,
    "; um es trotzdem zu tun, selbst --noise $1 angeben",
  ],
  [
    /(\d+) rounds with noiseMultiplier (\S+) cost ε (\S+), more than (\S+);/,
    "$1 Runden mit --noise $2 kosten ε $3, mehr als $4;",
  ],
  [/; possible would be /, "; möglich wäre "],
  [/epsilon (\d\S*)/, "ε $1"],
  [/(\d+) devices in a round/, "$1 Geräte in einer Runde"],
  [/a model of at most (\d+) parameters/, "ein Modell von höchstens $1 Zahlen"],
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
  [
    /expected (\d+) to (\d+) topics separated by commas, for example /,
    "erwartet werden $1 bis $2 Themen, durch Kommas getrennt, zum Beispiel ",
  ],
  [/expected aggregation /, "erwartet wird die Aggregation "],
  [
    /expected stochastic, randomK, none, or aggregation "clear"/,
    'erwartet wird stochastic, randomK, keine, oder die Aggregation "clear"',
  ],
  [/at-least (\d)/, "mindestens $1"],
  [/at-most (\d)/, "höchstens $1"],
  [/, or (?=ε|ein |\d|--|"|aggregation )/g, " oder "],
  [/oder aggregation /, "oder die Aggregation "],
];

/** The refusal in German; what is not known stays as it is. */
export function refusalInGerman(message: string): string {
  const begun = replaced(message, BEGINNINGS);
  return begun === message ? message : replaced(begun, PARTS);
}

function replaced(message: string, sentences: Sentences): string {
  return sentences.reduce(
    (text, [sentence, german]) => text.replace(sentence, german),
    message,
  );
}
