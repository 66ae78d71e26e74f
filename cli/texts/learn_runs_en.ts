/** English texts of `submind learn`: tasks, runs, versions of models, budget. */
import type { RoundPhase } from "../../protocols/rounds/messages.ts";
import type { RunState } from "../../actors/learning_handle.ts";

type Range = {
  readonly least: number;
  readonly most: number;
  readonly integer?: boolean;
  readonly above?: boolean;
};

export const enLearnRuns = {
  learnRuns: {
    help: {
      tasks: "Show what this device can learn.",
      start: "Start a run: all devices that join learn one model together.",
      join: "Take part in a run.",
      leave: "Take part no longer; the run goes on without this device.",
      stop: "End a run for everybody.",
      status: "Show runs, or one run with its curve.",
      watch: "Watch a run live, until it is over.",
      rounds: "Show the numbers of every round.",
      plot: "Draw accuracy and loss over the rounds as a picture.",
      budget: "Show what privacy is spent on this device, or limit it.",
    },
    options: {
      task: "What to learn, see: submind learn tasks",
      run: "The run: its id, or a beginning of at least 6 digits.",
      anyRun: "The run: its id, or a beginning of at least 6 digits; default: all.",
      newestRun: "The run: its id, or a beginning of at least 6 digits; default: the newest.",
      title: "What people read; default: the title of the task.",
      option: "An option of the task as NAME=VALUE, like model=cnn; again for more.",
      rounds: "Rounds; default: the task's.",
      epochs: "How often a device goes through its examples in a round.",
      batch: "Examples in one step.",
      rate: "Learning rate.",
      momentum: "Momentum of the training on the devices.",
      proximal: "Pull towards the model that was given out (μ of FedProx).",
      strategy:
        "What becomes of the mean: fedAvg, fedProx, fedAvgM, fedAdagrad, fedAdam or fedYogi, with numbers as fedAdam:serverRate=0.1; or fedBuff:goal=5, which waits for nobody (with --aggregation clear).",
      aggregation:
        "Who sees an update: nobody (secure), nobody, with a robust rule over groups (groups), nobody unless two devices work together, for small models (twoServers, paillier), the coordinator (clear), or the devices it averages with, and nobody coordinates (grid).",
      rule:
        "How updates become one, with groups, clear or grid: mean, median, trimmedMean, krum, multiKrum, bulyan, geometricMedian, normClipping, centeredClipping.",
      dimensions: "Averagings in a round with --aggregation grid, 1 to 4; default: as fits.",
      side: "Devices that average together with --aggregation grid, 2 to 16; default: as fits.",
      compress:
        "Smaller updates: stochastic:bits=8, randomK:share=0.01; with clear also eden:bits=4, topK:share=0.01.",
      epsilon: "Ask for privacy: the whole run spends at most this ε.",
      delta:
        "Probability that the promise of privacy fails, well below 1 / devices; default: 1e-5.",
      clip: "Longest update of one device (L2); needed with --epsilon.",
      clipQuantile: "Let --clip follow this quantile of the updates' lengths, 0.5 for the median.",
      noise: "Noise in the sum, as a multiple of --clip; default: what --epsilon takes.",
      share: "For experiments: divide one common set among the members of now.",
      alpha: "How one-sided --share dirichlet is: small is one-sided; default: 0.5.",
      least: "A round waits until so many devices are ready.",
      most: "Devices in one round, at most.",
      fraction: "Share of the devices that a round calls, above 0 up to 1.",
      readyTime: "Seconds until devices must have answered a call.",
      trainTime: "Seconds that training in a round may take.",
      phaseTime: "Seconds that each exchange of secure aggregation may take.",
      from: "Go on from this version of a model instead of a new one.",
      wait:
        "Begin also when the members of now are too few, or have too few examples, and wait for more.",
      watch: "Stay and watch it until it is over.",
      key: "The same key within 24 hours is the same run: makes a repetition harmless.",
      out: "The file to write.",
      force: "Replace the file if it is there.",
      set: "This device's limit for its lifetime, ε.",
    },
    expectedNumber: ({ least, most, integer = false, above = false }: Range) =>
      `a ${integer ? "whole number" : "number"} ${above ? "above" : "from"} ${least}${
        above ? ", up to" : " to"
      } ${most}`,
    badId: {
      RUN: (text: string) =>
        `"${text}" names no run, expected its id or a beginning of it, at least 6 of 0-9 and a-f; to be seen with: submind learn status`,
      VERSION: (text: string) =>
        `"${text}" names no version, expected its hash or a beginning of it, at least 6 of 0-9 and a-f; to be seen with: submind learn models`,
    },
    expectedTitle: (most: number) => `1 to ${most} characters`,
    expectedKey: (most: number) => `1 to ${most} visible ASCII characters`,
    expectedChoice: "a name, or a name with numbers like fedAdam:serverRate=0.1",
    expectedOption: "NAME=VALUE, like model=cnn",
    badValue: (name: string, text: string, expected: string) =>
      `Cannot start: ${name} is "${text}", expected ${expected}.`,
    badBudget: (text: string, expected: string) =>
      `Cannot set the budget: --set is "${text}", expected ${expected}.`,
    needs: (name: string, other: string) => `Cannot start: ${name} needs ${other}.`,
    task: "Task",
    title: "Title",
    parameters: "Numbers",
    training: "For training",
    test: "For testing",
    ready: "Ready",
    yes: "yes",
    notReady: "no",
    noTasks: "This device knows no tasks.",
    startHint: (task: string) => `Learn one with: submind learn start ${task}`,
    noRuns: "No runs yet. Start one with: submind learn start mnist",
    run: "Run",
    state: "State",
    round: "Round",
    accuracy: "Accuracy",
    loss: "Loss",
    trainingLoss: "Own loss",
    metrics: {
      topAccuracy: (k: string) => `Top-${k} accuracy`,
      meanAbsoluteError: "Mean absolute error",
    },
    devices: "Devices",
    deviceCount: (count: number) => `${count} ${count === 1 ? "device" : "devices"}`,
    waiting: "Waits",
    coordinator: "Coordinator",
    nobody: "nobody yet",
    noCoordinator: "none, on a grid",
    thisRun: "this device",
    startedBy: "Started by",
    started: "Started",
    version: "Version",
    epsilon: "ε spent",
    noPrivacy: "no noise was asked for",
    compression: "Compression",
    compressed: (ratio: string, error: string | null) =>
      error === null
        ? `${ratio}; this device has sent no update yet`
        : `${ratio}; error of this device's updates ${error} on average`,
    compressionError: "Compression error",
    opened: "Opened here",
    openedFor: (round: string, attempt: string, coordinator: string) =>
      `round ${round}, attempt ${attempt}; signed for by ${coordinator}`,
    plan: "Plan",
    counted: "Counted",
    dropped: "Dropped out",
    refused: "Refused",
    time: "Time",
    update: "Update",
    measured: "Measured",
    noRounds: "No round is done yet.",
    states: { open: "not joined", running: "running", finished: "finished", stopped: "stopped" },
    phases: {
      waiting: "waiting",
      calling: "calling devices",
      training: "training",
      collecting: "collecting updates",
      unmasking: "unmasking the sum",
      publishing: "publishing",
      finished: "finished",
    } satisfies Record<RoundPhase, string>,
    changed: (title: string, state: RunState) =>
      ({
        open: `No longer taking part in ${title}.`,
        running: `Taking part in ${title}.`,
        finished: `${title} is finished.`,
        stopped: `${title} is stopped.`,
      })[state],
    startedRun: (title: string, run: string) => `Started ${title}: ${run}`,
    joinHint: (run: string) => `Other devices take part with: submind learn join ${run}`,
    watchHint: (run: string) => `Watch it with: submind learn watch ${run}`,
    waitsFor: (what: string) => `Waits for: ${what}`,
    /** What the node tells, as it is: its sentences are English. */
    told: (text: string) => text,
    roundOf: (round: string, rounds: string) => `${round} of ${rounds}`,
    roundLine: (round: number, counted: number, duration: string) =>
      `round ${round} · ${counted} ${counted === 1 ? "device" : "devices"} · ${duration}`,
    droppedOut: (count: number) => `${count} dropped out`,
    eta: (time: string) => `${time} left`,
    rounds: "rounds",
    trainingBar: "training",
    left: (time: string) => `about ${time} left`,
    over: (state: RunState, rounds: number) =>
      `${state === "finished" ? "Finished" : "Stopped"} after ${rounds} ${
        rounds === 1 ? "round" : "rounds"
      }.`,
    lost: "The node does not answer; trying again.",
    spent: (spent: string, most: string, delta: string) =>
      `ε = ${spent} of ${most} spent on this device (δ = ${delta})`,
    nothingSpent: (most: string, delta: string) =>
      `No privacy is spent on this device. Its limit is ε = ${most} (δ = ${delta}).`,
    atMost: "At most",
    runRounds: "Rounds",
    exists: (file: string) => `${file} is there already.`,
    existsHint: "Choose another name, or replace it with --force.",
    cannotWrite: (file: string, cause: string) => `Cannot write ${file}: ${cause}.`,
    notSvg: (file: string) => `Cannot draw ${file}: only SVG can be drawn.`,
    notSvgHint: "Name it FILE.svg; any browser shows it and prints it.",
    plotted: (file: string, rounds: number) => `${rounds} rounds drawn in ${file}`,
    plot: {
      round: "Round",
      accuracy: "Accuracy",
      loss: "Loss",
      held: "held-out examples of this device",
      ownLoss: "training loss of this device",
      heldLoss: "loss on held-out examples",
    },
  },
  learnModels: {
    help: {
      models: "Show versions of models.",
      compare: "Compare two versions: how far apart, layer by layer.",
      rollback: "Make an older version the one to use.",
      verify: "Check that a version follows from what devices signed.",
      export: "Write a model as a file for other programs.",
    },
    options: {
      version: "The version: its hash, or a beginning of at least 6 digits.",
      other: "The other version.",
      format: "safetensors, or onnx with the network in it.",
    },
    none: "No versions yet.",
    version: "Version",
    devices: "Devices",
    size: "Size",
    here: "Here",
    verified: "Checked",
    verifications: { valid: "valid", invalid: "INVALID", unchecked: "not yet" },
    /** What `learn verify` has checked, by the name that the node gives it; one that is missing here is shown by that name. */
    checks: {
      seed: "seed",
      subject: "subject",
      participants: "participants",
      signatures: "signatures",
      aggregate: "aggregate",
      sum: "sum",
      version: "version",
    } as Readonly<Record<string, string>>,
    current: "in use",
    no: "no",
    layer: "Layer",
    distance: "Distance",
    relative: "Relative",
    together: (l2: string, cosine: string) => `Distance ${l2}, cosine ${cosine}`,
    accuracies: (a: string, b: string) => `Accuracy ${a} → ${b}`,
    rolledBack: (version: string, round: number) =>
      `Version ${version} of round ${round} is in use now.`,
    valid: (version: string, time: string) => `Version ${version} is valid (${time}).`,
    invalid: (version: string) => `Version ${version} is NOT valid.`,
    invalidHint: "Do not use it. Roll back to an earlier one: submind learn rollback VERSION",
    exported: (file: string, size: string) => `${file}: ${size}`,
  },
};
