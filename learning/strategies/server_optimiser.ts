/**
 * The server's half of a strategy: from the combined update of a round (a pseudo-gradient that points where the model should go) to the
 * next parameters. Pure: state in, state out. State is kept as 32-bit floats, which is what is stored, so that a round resumed from
 * stored state gives the same bits as one that was never interrupted.
 */
import { invariant } from "../../platform/invariant.ts";
import { isFinite, type Parameters } from "../parameters.ts";

/** What an optimiser remembers between rounds. */
export interface OptimiserState {
  /** Steps made, < 2^32. */
  readonly step: number;
  /** Vectors like the parameters, as many as the optimiser's `slots`. */
  readonly slots: readonly Parameters[];
}

export interface OptimiserStep {
  readonly parameters: Parameters;
  readonly state: OptimiserState;
}

export interface ServerOptimiser {
  /** As in the plan: "fedYogi". */
  readonly name: string;
  /** Vectors it remembers. */
  readonly slots: number;
  /**
   * One step from `parameters` along `update`, the combined difference (clients' minus ours). Changes none of its arguments. Throws an
   * `OptimiserError` when a number leaves the finite ones.
   */
  step(options: {
    readonly state: OptimiserState;
    readonly parameters: Parameters;
    readonly update: Parameters;
  }): OptimiserStep;
}

/** A step that cannot be made. The round is given up, the model stays. */
export class OptimiserError extends Error {
  override readonly name = "OptimiserError";
}

/** State before the first round of a model of `count` numbers: zeros. */
export function initialState(optimiser: ServerOptimiser, count: number): OptimiserState {
  return {
    step: 0,
    slots: Array.from({ length: optimiser.slots }, () => new Float32Array(count)),
  };
}

/** Writes the numbers from `start` on, up to `end`, of the next parameters and slots. Works in double precision and rounds once per number. */
export type StepLoop = (arrays: {
  readonly before: Parameters;
  readonly update: Parameters;
  readonly held: readonly Parameters[];
  readonly parameters: Parameters;
  readonly slots: readonly Parameters[];
}) => void;

/** Builds an optimiser from its loop, with the checks all of them share. */
export function optimiserOf(name: string, slots: number, loop: StepLoop): ServerOptimiser {
  return {
    name,
    slots,
    step({ state, parameters: before, update }) {
      const { length } = before;
      invariant(
        update.length === length && state.slots.length === slots &&
          state.slots.every((slot) => slot.length === length),
        () =>
          `Cannot step ${name}: parameters have ${length} numbers, update ${update.length}, state ${
            state.slots.map((slot) => slot.length).join(" and ")
          }, expected ${slots} slots of equal length`,
      );
      const parameters = new Float32Array(length);
      const next = state.slots.map(() => new Float32Array(length));
      loop({ before, update, held: state.slots, parameters, slots: next });
      if (![parameters, ...next].every(isFinite)) {
        throw new OptimiserError(
          `Cannot step ${name}: a number left the finite ones; the update or the server rate is too large`,
        );
      }
      return { parameters, state: { step: state.step + 1, slots: next } };
    },
  };
}
