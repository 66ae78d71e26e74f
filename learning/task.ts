/**
 * A task as a plug-in: which network, which examples, how devices train on their own by default, what is measured. Rounds, strategies and the engine know
 * only this interface; a new task (the Go policy network, say) is one new file in `learning/tasks/` and one line in its list.
 */
import type { Metric } from "./metrics.ts";
import type { Network } from "./network.ts";
import type { Dataset, TrainingJob } from "./trainer.ts";

/** A block of the mesh's knowledge as a task sees it. */
export interface TaskBlock {
  readonly id: string;
  readonly author: string;
  readonly topic: string;
  readonly tags: readonly string[];
  readonly mediaType: string;
  readonly timeMs: number;
  readonly body: Uint8Array;
}

/** One value of a sensor's time series. */
export interface TaskReading {
  readonly timeMs: number;
  readonly value: number;
}

/** Where a task's examples come from: this device only. Handed in by the host; all bounded by it. */
export interface ExampleSource {
  /** A file below `learning/` in the data folder, "<task>/<file>", e.g. an IDX file; undefined when it is not there. */
  readFile(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Current `put` and `supersede` blocks this device holds with payload and that are wanted: the newest `limit` of them, oldest first. */
  blocks(
    options: {
      readonly wanted?: (block: Pick<TaskBlock, "topic" | "mediaType">) => boolean;
      readonly limit: number;
    },
  ): AsyncIterable<TaskBlock>;
  /** Names of series, and the newest `limit` values of one, oldest first. */
  series(): Promise<readonly string[]>;
  readings(series: string, limit: number): Promise<readonly TaskReading[]>;
}

/** What a device trains on and is measured with. */
export interface TaskExamples {
  readonly training: Dataset;
  /** Held out; null when the task has none on this device. */
  readonly test: Dataset | null;
}

/**
 * How long a run goes on and how each device trains in a round, when the person who starts the run says nothing: passes over its examples, examples
 * per step, learning rate, momentum (none when absent). The signed plan has what was chosen, so that a task may change its mind later.
 */
export interface TrainingDefaults
  extends Pick<TrainingJob, "epochs" | "batchSize" | "learningRate" | "momentum"> {
  readonly rounds: number;
}

/** Options of one task, chosen when the run starts and named in its signed plan; all values are strings, numbers or booleans. */
export type TaskOptions = Readonly<Record<string, string | number | boolean>>;

/** The share of a common data set this device takes, for experiments: device `index` of `count`. Real data has no share. */
export interface DataShare {
  readonly index: number;
  readonly count: number;
  readonly kind: "iid" | "shards" | "dirichlet";
  /** Concentration of the Dirichlet distribution, > 0; default 0.5. */
  readonly alpha?: number;
  /** 32 bytes; equal on all devices of the experiment. */
  readonly seed: Uint8Array<ArrayBuffer>;
}

/** Why a device has no examples. */
export interface NoExamples {
  /** For people. */
  readonly unavailable: string;
  /** There is data here, and the options are not for it: a run with them is refused where it would start. */
  readonly misfit?: true;
}

export interface LearningTask {
  /** As typed: `submind learn start <name>`. */
  readonly name: string;
  readonly title: { readonly en: string; readonly de: string };
  readonly description: { readonly en: string; readonly de: string };
  readonly defaults: TrainingDefaults;
  /**
   * What each device measures on its held-out examples after every round, besides loss and accuracy; nothing more when absent. They must go with
   * every network of the task: `problemOfMetrics`. No part of the plan: nothing that is learned depends on them.
   */
  readonly metrics?: readonly Metric[];
  /** True where each device has data of its own: there is no common set to be divided for an experiment. */
  readonly ownDataOnly?: true;
  /** Options that make other networks for the same examples, the largest first: what privacy asks of a mesh follows from how large they are. */
  readonly sizes?: readonly TaskOptions[];
  /** Throws a `RangeError` that names the option, its value and what was expected when an option is unknown or impossible. */
  network(options: TaskOptions): Network;
  /**
   * This device's examples; undefined with a reason when there are too few. The options are part of the signed plan, so all devices
   * prepare their examples the same way (same window, same classes).
   */
  examples(request: {
    readonly source: ExampleSource;
    readonly options: TaskOptions;
    readonly share: DataShare | null;
  }): Promise<TaskExamples | NoExamples>;
}
