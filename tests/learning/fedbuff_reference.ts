/**
 * FedBuff as its paper writes it down, one buffer in memory (algorithm 1 of Nguyen et al. 2022): what runs compute is compared with it, bit
 * by bit.
 */
import { isFinite, type Parameters } from "../../learning/parameters.ts";
import { type FedBuffOptions, stalenessWeight } from "../../learning/strategies/fedbuff.ts";
import { invariant } from "../../platform/invariant.ts";

/** What a device brings. */
export interface BufferedUpdate {
  readonly device: string;
  /** Version of the model it trained on. */
  readonly baseVersion: number;
  readonly values: Parameters;
}

/** What became of an update. */
export type BufferOutcome =
  | { readonly type: "buffered"; readonly have: number; readonly goal: number }
  /** The buffer is full and emptied: this combined update makes model `version`. */
  | {
    readonly type: "released";
    readonly update: Parameters;
    readonly version: number;
    readonly devices: readonly string[];
  }
  | {
    readonly type: "refused";
    readonly reason: "wrongLength" | "notFinite" | "tooStale" | "fromTheFuture" | "twice";
  };

/** A buffer's state as plain data, for storing. */
export interface BufferState {
  /** Version of the model that is current. */
  readonly version: number;
  /** In order of arrival. */
  readonly devices: readonly string[];
  /** Σ s(τ) Δ in double precision: storing it loses nothing. */
  readonly sum: Float64Array<ArrayBuffer>;
}

/** The buffer of one run. Equal updates in equal order give equal bits, also through `state` and back. */
export class FedBuff {
  readonly #options: FedBuffOptions;
  readonly #devices: Set<string>;
  readonly #sum: Float64Array<ArrayBuffer>;
  #version: number;

  private constructor(options: FedBuffOptions, state: BufferState) {
    const { goal, stalenessMax } = options;
    invariant(
      Number.isInteger(goal) && goal >= 1 && goal <= 100_000 &&
        Number.isInteger(stalenessMax) && stalenessMax >= 0 && stalenessMax <= 1_000,
      () =>
        `Cannot buffer updates: goal ${goal}, stalenessMax ${stalenessMax}; expected 1 to 100,000 and 0 to 1,000`,
    );
    invariant(
      state.devices.length < goal,
      () => `Cannot resume a buffer: it holds ${state.devices.length} updates, expected < ${goal}`,
    );
    this.#options = options;
    this.#devices = new Set(state.devices);
    this.#sum = Float64Array.from(state.sum);
    this.#version = state.version;
  }

  /** An empty buffer for a model of `count` numbers. */
  static start(options: FedBuffOptions, count: number, version = 0): FedBuff {
    return new FedBuff(options, { version, devices: [], sum: new Float64Array(count) });
  }

  /** Goes on where `state` was taken. */
  static resume(options: FedBuffOptions, state: BufferState): FedBuff {
    return new FedBuff(options, state);
  }

  /** A copy. */
  get state(): BufferState {
    return {
      version: this.#version,
      devices: [...this.#devices],
      sum: Float64Array.from(this.#sum),
    };
  }

  /** Takes one update, or says why not; then nothing has changed. */
  receive({ device, baseVersion, values }: BufferedUpdate): BufferOutcome {
    const staleness = this.#version - baseVersion;
    const refused = (
      reason: "wrongLength" | "notFinite" | "tooStale" | "fromTheFuture" | "twice",
    ) => ({ type: "refused", reason }) as const;
    if (values.length !== this.#sum.length) return refused("wrongLength");
    if (!(staleness >= 0)) return refused("fromTheFuture");
    if (staleness > this.#options.stalenessMax) return refused("tooStale");
    if (this.#devices.has(device)) return refused("twice");
    if (!isFinite(values)) return refused("notFinite");
    const factor = stalenessWeight(staleness);
    const sum = this.#sum;
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + factor * values[i]!;
    this.#devices.add(device);
    const { goal } = this.#options;
    if (this.#devices.size < goal) return { type: "buffered", have: this.#devices.size, goal };
    return this.#release();
  }

  #release(): BufferOutcome {
    const update = new Float32Array(this.#sum.length);
    for (let i = 0; i < update.length; i++) update[i] = this.#sum[i]! / this.#options.goal;
    const devices = [...this.#devices];
    this.#sum.fill(0);
    this.#devices.clear();
    this.#version += 1;
    return { type: "released", update, version: this.#version, devices };
  }
}
