/** English texts of `submind learn epsilon`. */
export const enLearnEpsilon = {
  learnEpsilon: {
    help: {
      epsilon: "Compute what privacy a run of rounds has, or the noise that an ε takes.",
    },
    options: {
      q: "Share of the devices that is drawn each round, secretly; 1: all take part, or the draw is known.",
      sigma: "Noise on the sum, as a multiple of the clipping length.",
      target: "Instead of --sigma: find the least noise for this ε.",
      steps: "Rounds.",
      delta: "Probability that the promise fails; well below 1 / devices.",
      accountant: "pld is tighter; rdp is what the ledger of a device adds up.",
      devices: "Devices that could take part: says how much noise is left in the model, too.",
      parameters: "Numbers in the model, to be given with --devices.",
      noise:
        "Who adds the noise: distributed (all devices, in a secure sum), central (the coordinator) or local (each device all of it).",
      noiseShare:
        "How long the noise of all rounds may be beside the longest way of the updates; without --sigma and --target-epsilon: find the ε of this share.",
    },
    expected: {
      "--q": "a number from 0 to 1",
      "--sigma": "a number above 0, up to 1000000",
      "--target-epsilon": "a number above 0, up to 1000000",
      "--steps": "a whole number from 1 to 10000000",
      "--delta": "a number from 1e-100 to less than 1, like 1e-5",
      "--devices": "a whole number from 1 to 1000000000",
      "--parameters": "a whole number from 1 to 16777216",
      "--noise-share": "a number above 0, up to 1000000",
    },
    badValue: (option: string, text: string, expected: string) =>
      `Cannot compute: ${option} is "${text}", expected ${expected}.`,
    usageHint: "For example: submind learn epsilon --q 0.01 --sigma 1.1 --steps 1000 --delta 1e-5",
    both: "Cannot compute: give --sigma or --target-epsilon, not both.",
    neither:
      "Cannot compute: the noise is not given. Expected --sigma, --target-epsilon, or --devices with --parameters.",
    together: "Cannot compute: --devices and --parameters mean something only together.",
    nobodyDrawn: (devices: string, q: string) =>
      `Cannot compute: of ${devices} devices --q ${q} draws less than one a round.`,
    unprovable: (epsilon: string, accountant: string) =>
      `No noise is proved to be enough for ε = ${epsilon} by ${accountant}.`,
    unprovableHint: "Try --accountant pld, or a larger ε or δ.",
    tooMuchNoise: (epsilon: string, share: string) =>
      `ε = ${epsilon} is not possible here: the noise would be ${share} times as long as all that can be learned.`,
    deltaTooLarge: (delta: string, devices: string, below: string) =>
      `δ = ${delta} promises nothing among ${devices} devices: it allows giving one of them away. Expected less than ${below}.`,
    possible: (ways: readonly string[]) => `Possible would be ${ways.join(", or ")}.`,
    wayEpsilon: (epsilon: string) => `ε = ${epsilon}`,
    wayDevices: (devices: string) => `${devices} devices`,
    wayParameters: (parameters: string) => `a model of ${parameters} numbers`,
    withoutNoise: "Without noise, or with next to none, nothing is promised: ε is infinite.",
    nobody: "Nobody is drawn, so nothing is released.",
    epsilonIs: (epsilon: string, delta: string) => `ε = ${epsilon} at δ = ${delta}`,
    given: (sigma: string, q: string, steps: string, accountant: string) =>
      `σ = ${sigma}, q = ${q}, ${steps} ${
        steps === "1" ? "round" : "rounds"
      }, computed by ${accountant}`,
    shareIs: (share: string) =>
      `The noise of all rounds together is ${share} times the longest way of the updates (up to 0.3 hardly harms; above 1 little is learned).`,
  },
};
