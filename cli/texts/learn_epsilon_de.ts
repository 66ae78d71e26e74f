/** Deutsche Texte von `submind learn epsilon`. */
import type { enLearnEpsilon } from "./learn_epsilon_en.ts";

export const deLearnEpsilon: typeof enLearnEpsilon = {
  learnEpsilon: {
    help: {
      epsilon:
        "Ausrechnen, welchen Schutz ein Lauf von Runden hat, oder wie viel Rauschen ein ε verlangt.",
    },
    options: {
      q: "Anteil der Geräte, der in jeder Runde heimlich gezogen wird; 1: alle machen mit, oder die Ziehung ist bekannt.",
      sigma: "Rauschen auf der Summe, als Vielfaches der Länge, auf die gekürzt wird.",
      target: "Statt --sigma: das geringste Rauschen für dieses ε suchen.",
      steps: "Runden.",
      delta: "Wahrscheinlichkeit, dass das Versprechen nicht hält; deutlich unter 1 / Geräte.",
      accountant: "pld rechnet genauer; rdp ist, was das Kassenbuch eines Geräts zusammenzählt.",
      devices: "Geräte, die mitmachen könnten: sagt auch, wie viel Rauschen im Modell bleibt.",
      parameters: "Zahlen im Modell, zusammen mit --devices.",
      noise:
        "Wer das Rauschen beiträgt: distributed (alle Geräte, in einer sicheren Summe), central (der Koordinator) oder local (jedes Gerät das ganze).",
      noiseShare:
        "Wie lang das Rauschen aller Runden neben dem längsten Weg der Beiträge sein darf; ohne --sigma und --target-epsilon: das ε dieses Anteils suchen.",
    },
    expected: {
      "--q": "eine Zahl von 0 bis 1",
      "--sigma": "eine Zahl über 0, höchstens 1000000",
      "--target-epsilon": "eine Zahl über 0, höchstens 1000000",
      "--steps": "eine ganze Zahl von 1 bis 10000000",
      "--delta": "eine Zahl ab 1e-100 und unter 1, etwa 1e-5",
      "--devices": "eine ganze Zahl von 1 bis 1000000000",
      "--parameters": "eine ganze Zahl von 1 bis 16777216",
      "--noise-share": "eine Zahl über 0, höchstens 1000000",
    },
    badValue: (option, text, expected) =>
      `Das lässt sich nicht rechnen: ${option} ist „${text}“, erwartet wird ${expected}.`,
    usageHint: "Zum Beispiel: submind learn epsilon --q 0.01 --sigma 1.1 --steps 1000 --delta 1e-5",
    both: "Das lässt sich nicht rechnen: entweder --sigma oder --target-epsilon, nicht beides.",
    neither:
      "Das lässt sich nicht rechnen: das Rauschen fehlt. Erwartet wird --sigma, --target-epsilon, oder --devices mit --parameters.",
    together:
      "Das lässt sich nicht rechnen: --devices und --parameters bedeuten nur zusammen etwas.",
    nobodyDrawn: (devices, q) =>
      `Das lässt sich nicht rechnen: aus ${devices} Geräten zieht --q ${q} weniger als eines je Runde.`,
    unprovable: (epsilon, accountant) =>
      `Für ε = ${epsilon} ist mit ${accountant} kein Rauschen nachweislich genug.`,
    unprovableHint: "Mit --accountant pld versuchen, oder mit größerem ε oder δ.",
    tooMuchNoise: (epsilon, share) =>
      `ε = ${epsilon} ist hier nicht möglich: das Rauschen wäre ${share}-mal so lang wie alles, was gelernt werden kann.`,
    deltaTooLarge: (delta, devices, below) =>
      `δ = ${delta} verspricht unter ${devices} Geräten nichts: es erlaubt, eines davon preiszugeben. Erwartet wird weniger als ${below}.`,
    possible: (ways) => `Möglich wäre ${ways.join(", oder ")}.`,
    wayEpsilon: (epsilon) => `ε = ${epsilon}`,
    wayDevices: (devices) => `es mit ${devices} Geräten`,
    wayParameters: (parameters) => `ein Modell aus ${parameters} Zahlen`,
    withoutNoise:
      "Ohne Rauschen, oder mit so gut wie keinem, ist nichts versprochen: ε ist unendlich.",
    nobody: "Niemand wird gezogen, also wird nichts freigegeben.",
    epsilonIs: (epsilon, delta) => `ε = ${epsilon} bei δ = ${delta}`,
    given: (sigma, q, steps, accountant) =>
      `σ = ${sigma}, q = ${q}, ${steps} ${
        steps === "1" ? "Runde" : "Runden"
      }, gerechnet mit ${accountant}`,
    shareIs: (share) =>
      `Das Rauschen aller Runden zusammen ist das ${share}-Fache des längsten Wegs der Beiträge (bis 0.3 schadet es kaum; über 1 wird wenig gelernt).`,
  },
};
