/** English texts of `submind demo --learn`. */
export const enDemoLearn = {
  demoLearn: {
    title:
      "submind demo --learn: devices learn to read digits together, and none shows its pictures",
    option: "Devices learn one model together from MNIST; the coordinator is killed on the way.",
    starting: (devices: number) => `Starting ${devices} nodes, each a process of its own…`,
    connected: (time: string) => `Paired and connected after ${time}.`,
    data: (pictures: string, each: string, test: string, source: "sample" | "full") =>
      `${pictures} pictures of handwritten digits (${
        source === "sample" ? "the sample of MNIST in this checkout" : "MNIST"
      }), ${each} for each device; ${test} to test with.`,
    started: (rounds: number, sigma: string, clip: string) =>
      `${rounds} rounds by secure sums: nobody sees any device's update. Each update is cut to length ${clip}, noise of ${sigma} times that is in each sum.`,
    joined: (devices: number) => `${devices} devices take part.`,
    killing: (name: string, round: number) =>
      `Killing ${name}, the coordinator, in the middle of round ${round} (no goodbye).`,
    replaced: (name: string, time: string) => `${name} coordinates now, after ${time}.`,
    wentOn: (round: number, time: string) =>
      `Round ${round} has its result ${time} after the kill.`,
    dropping: (name: string, round: number) => `${name} drops out in the middle of round ${round}.`,
    finished: (rounds: number, accuracy: string, time: string) =>
      `${rounds} rounds done in ${time}; ${accuracy} of the test pictures are read rightly.`,
    privacy: (epsilon: string, delta: string) =>
      `Privacy spent by each device: ε = ${epsilon} at δ = ${delta}. With so few devices that is a count, not a promise:\n` +
      "what keeps the updates hidden here is the secure sum. A small ε takes thousands of devices (docs/privacy-accounting.md).",
    same: (devices: number, version: string) =>
      `All ${devices} devices that are left hold the same version, ${version}, and have checked how it came about.`,
    differ: "The devices hold different models.",
    differHint: "Run again with --keep and compare the logs.",
    tooLow: (accuracy: string, least: string) =>
      `The model reads ${accuracy} of the test pictures rightly, expected at least ${least}.`,
    invalid: (name: string, what: string) => `${name} finds the last version invalid: ${what}`,
    noData: "The sample of MNIST is not in this program.",
    noDataHint: "Bring the whole set first: submind learn data fetch mnist",
    events: {
      start: "the nodes to start",
      plan: "the plan of the run to arrive everywhere",
      joining: "all devices to take part",
      round: (round: number) => `round ${round} to have its result`,
      training: (round: number) => `round ${round} to be under way`,
      successor: "another coordinator",
      last: "the last version on all devices",
    },
  },
};
