/**
 * What a sensor will show next: forecasting from the readings a device holds. Devices have different sensors, so every example is measured from its own
 * newest value, and what remains is scaled by numbers in the signed plan: all devices prepare their examples alike without telling each other anything.
 */
import { regression } from "../engine/networks.ts";
import type { LearningTask, TaskReading } from "../task.ts";
import type { Dataset } from "../trainer.ts";
import { type OptionValues, readOptions } from "./options.ts";

/** Fewer training windows on a device are none. */
const EXAMPLES_MIN = 20;
/** Most series of one device. */
const SERIES_MAX = 64;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** The newest part of each series is for testing. */
const TEST_SHARE = 0.2;
/** What lies further away than this many spreads counts as this far: one broken reading must not carry the model away. */
const INPUT_MAX = 10;
/** Likewise a change to forecast, in changes as the plan says they are usual. */
const LABEL_MAX = 10;
/** Inputs beside the window: how high the newest value is, and the time of day as a point on a circle. */
const INPUTS_BESIDE = 3;

const RULES = {
  /** Only series with this name, or with it after the last "/"; empty for all. */
  series: {
    type: "text",
    pattern: /^[^\p{Cc}]{0,128}$/u,
    expected: "a name of a series of at most 128 characters, or nothing for all",
    default: "",
  },
  /** Length of one step; readings within one are averaged. */
  stepMinutes: { type: "integer", min: 1, max: 1_440, default: 60 },
  /** Steps looked back at. */
  window: { type: "integer", min: 2, max: 512, default: 24 },
  /** Steps forecast. */
  horizon: { type: "integer", min: 1, max: 64, default: 1 },
  /** What is usual, and how far from it values usually lie. */
  centre: { type: "number", min: -1e9, max: 1e9, default: 20 },
  spread: { type: "number", min: 1e-9, max: 1e9, default: 10 },
  /** How much values usually change over the steps forecast; forecasts are in this unit. */
  change: { type: "number", min: 1e-9, max: 1e9, default: 1 },
  hidden: { type: "integer", min: 1, max: 512, default: 32 },
  /** Newest readings of each series that are used. */
  readings: { type: "integer", min: 100, max: 100_000, default: 10_000 },
} as const;

type Values = OptionValues<typeof RULES>;

/** The task. */
export const sensorsTask: LearningTask = {
  name: "sensors",
  title: { en: "Sensor forecast", de: "Vorhersage von Sensoren" },
  description: {
    en: "Forecast the next values of time series from the readings this device holds.",
    de: "Die nächsten Werte von Zeitreihen aus den Messwerten vorhersagen, die dieses Gerät hat.",
  },
  defaults: { rounds: 30, epochs: 1, batchSize: 16, learningRate: 0.01 },
  ownDataOnly: true,
  sizes: [{ hidden: 16 }, { hidden: 8 }, { hidden: 4 }],
  network(options) {
    const { window, horizon, hidden } = readOptions("sensors", RULES, options);
    return regression({ inputs: inputsOf(window), hidden: [hidden], outputs: horizon });
  },
  async examples({ source, options, share }) {
    const values = readOptions("sensors", RULES, options);
    if (share !== null) {
      return { unavailable: "readings are where they are; they are not shared out" };
    }
    const names = (await source.series())
      .filter((name) => isWanted(name, values.series)).slice(0, SERIES_MAX);
    const training: Windows = { inputs: [], labels: [] };
    const test: Windows = { inputs: [], labels: [] };
    for (const name of names) {
      const readings = await source.readings(name, values.readings);
      addWindows(stepsOf(readings, values.stepMinutes * MINUTE_MS), values, training, test);
    }
    if (training.inputs.length < EXAMPLES_MIN) {
      const steps = `${values.window + values.horizon} steps of ${values.stepMinutes} min`;
      return {
        unavailable:
          `${names.length} series give ${training.inputs.length} windows of ${steps} without a gap, at least ${EXAMPLES_MIN} are needed`,
      };
    }
    return {
      training: datasetOfWindows(training, values),
      test: test.inputs.length === 0 ? null : datasetOfWindows(test, values),
    };
  },
};

/**
 * Mean squared error of "it stays as it is", in the units of the loss: what a forecast has to beat. Labels are changes from the newest value, so
 * this forecast is zero everywhere.
 */
export function lastValueLoss(dataset: Dataset): number {
  let sum = 0;
  for (const label of dataset.labels) sum += label * label;
  return sum / dataset.labels.length;
}

interface Windows {
  readonly inputs: Float32Array[];
  readonly labels: Float32Array[];
}

/** The mean of one step. */
interface Step {
  readonly index: number;
  readonly value: number;
}

function inputsOf(window: number): number {
  return window - 1 + INPUTS_BESIDE;
}

function isWanted(name: string, wanted: string): boolean {
  return wanted === "" || name === wanted || name.endsWith(`/${wanted}`);
}

/** Means of the steps that have readings, by time. Values that are no numbers are left out. */
function stepsOf(readings: readonly TaskReading[], stepMs: number): readonly Step[] {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const { timeMs, value } of readings) {
    if (!Number.isFinite(value) || !Number.isFinite(timeMs)) continue;
    const index = Math.floor(timeMs / stepMs);
    const found = sums.get(index);
    if (found === undefined) sums.set(index, { sum: value, count: 1 });
    else {
      found.sum += value;
      found.count++;
    }
  }
  return [...sums].map(([index, { sum, count }]) => ({ index, value: sum / count }))
    // Very large values add up to what is no number.
    .filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.index - b.index);
}

/** Cuts windows without gaps: old ones for training, the newest for testing, none that reach over the border between them. */
function addWindows(
  steps: readonly Step[],
  values: Values,
  training: Windows,
  test: Windows,
): void {
  const length = values.window + values.horizon;
  const border = Math.floor(steps.length * (1 - TEST_SHARE));
  for (let start = 0; start + length <= steps.length; start++) {
    // Steps are ascending, so the last one is this far away only if none is missing.
    if (steps[start + length - 1]!.index - steps[start]!.index !== length - 1) continue;
    const side = start + length <= border ? training : start >= border ? test : null;
    if (side === null) continue;
    const window = steps.slice(start, start + length);
    side.inputs.push(inputOf(window, values));
    const newest = window[values.window - 1]!.value;
    side.labels.push(
      Float32Array.from(
        window.slice(values.window),
        ({ value }) => bounded((value - newest) / values.change, LABEL_MAX),
      ),
    );
  }
}

function inputOf(window: readonly Step[], values: Values): Float32Array {
  const input = new Float32Array(inputsOf(values.window));
  const newest = window[values.window - 1]!;
  for (let i = 0; i < values.window - 1; i++) {
    input[i] = bounded((window[i]!.value - newest.value) / values.spread, INPUT_MAX);
  }
  input[values.window - 1] = bounded((newest.value - values.centre) / values.spread, INPUT_MAX);
  const angle = 2 * Math.PI * (newest.index * values.stepMinutes * MINUTE_MS % DAY_MS) / DAY_MS;
  input[values.window] = Math.sin(angle);
  input[values.window + 1] = Math.cos(angle);
  return input;
}

function bounded(number: number, most: number): number {
  return Math.max(-most, Math.min(most, number));
}

function datasetOfWindows({ inputs, labels }: Windows, { window, horizon }: Values): Dataset {
  const exampleLength = inputsOf(window);
  const dataset = {
    exampleLength,
    count: inputs.length,
    inputs: new Float32Array(inputs.length * exampleLength),
    labels: new Float32Array(inputs.length * horizon),
  };
  inputs.forEach((input, i) => dataset.inputs.set(input, i * exampleLength));
  labels.forEach((label, i) => dataset.labels.set(label, i * horizon));
  return dataset;
}
