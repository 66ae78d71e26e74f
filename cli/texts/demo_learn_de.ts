/** German texts of `submind demo --learn`. */
import type { enDemoLearn } from "./demo_learn_en.ts";

export const deDemoLearn: typeof enDemoLearn = {
  demoLearn: {
    title:
      "submind demo --learn: Geräte lernen zusammen Ziffern lesen, und keines zeigt seine Bilder",
    option: "Geräte lernen zusammen ein Modell aus MNIST; unterwegs wird der Koordinator beendet.",
    starting: (devices) => `${devices} Knoten starten, jeder ein eigener Prozess…`,
    connected: (time) => `Gekoppelt und verbunden nach ${time}.`,
    data: (pictures, each, test, source) =>
      `${pictures} Bilder handgeschriebener Ziffern (${
        source === "sample" ? "die Probe von MNIST in diesem Quelltext" : "MNIST"
      }), ${each} für jedes Gerät; ${test} zum Prüfen.`,
    started: (rounds, sigma, clip) =>
      `${rounds} Runden mit sicheren Summen: Niemand sieht den Beitrag eines Geräts. Jeder Beitrag wird auf die Länge ${clip} gekürzt, in jeder Summe ist Rauschen vom ${sigma}-fachen davon.`,
    joined: (devices) => `${devices} Geräte machen mit.`,
    killing: (name, round) =>
      `${name}, der Koordinator, wird mitten in Runde ${round} beendet (ohne Abschied).`,
    replaced: (name, time) => `${name} koordiniert jetzt, nach ${time}.`,
    wentOn: (round, time) => `Runde ${round} hat ihr Ergebnis, ${time} nach dem Ende.`,
    dropping: (name, round) => `${name} fällt mitten in Runde ${round} aus.`,
    finished: (rounds, accuracy, time) =>
      `${rounds} Runden in ${time}; ${accuracy} der Prüfbilder werden richtig gelesen.`,
    privacy: (epsilon, delta) =>
      `Von jedem Gerät verbrauchte Privatheit: ε = ${epsilon} bei δ = ${delta}. Bei so wenigen Geräten ist das eine Zählung, keine Zusage:\n` +
      "Was die Beiträge hier verbirgt, ist die sichere Summe. Ein kleines ε braucht Tausende Geräte (docs/privacy-accounting.md).",
    same: (devices, version) =>
      `Alle ${devices} übrigen Geräte haben dieselbe Fassung, ${version}, und haben geprüft, wie sie entstand.`,
    differ: "Die Geräte haben verschiedene Modelle.",
    differHint: "Noch einmal mit --keep starten und die Protokolle vergleichen.",
    tooLow: (accuracy, least) =>
      `Das Modell liest ${accuracy} der Prüfbilder richtig, erwartet werden mindestens ${least}.`,
    invalid: (name, what) => `${name} hält die letzte Fassung für ungültig: ${what}`,
    noData: "Die Probe von MNIST ist nicht in diesem Programm.",
    noDataHint: "Erst den ganzen Satz holen: submind learn data fetch mnist",
    events: {
      start: "den Start der Knoten",
      plan: "den Plan des Laufs auf allen Geräten",
      joining: "alle Geräte im Lauf",
      round: (round) => `das Ergebnis von Runde ${round}`,
      training: (round) => `den Beginn von Runde ${round}`,
      successor: "einen anderen Koordinator",
      last: "die letzte Fassung auf allen Geräten",
    },
  },
};
