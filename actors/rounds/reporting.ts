/** What the rest of the node hears of a run: how it stands, and the numbers of each round. */
import type { Parameters } from "../../learning/parameters.ts";
import type { Evaluation } from "../../learning/trainer.ts";
import type { RoundMetrics } from "../learning_handle.ts";
import type { CommittedResult } from "./commands.ts";
import type { OwnTraining } from "./local_training.ts";
import type { Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { reachable } from "./talking.ts";

/** Held-out examples that a round is measured with; the last round is measured with all. */
const EVALUATION_EXAMPLES = 2_000;

/** Setting: the numbers of one round. Rounds of five digits sort as they follow. */
export function metricsSetting(run: string, round: number): string {
  return `learning/metrics/${run}/${String(round).padStart(6, "0")}`;
}

/** Tells the parent how the run stands. */
export function report(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { head, examples } = state;
  context.send(deps.rounds, {
    type: "runReport",
    report: {
      run: deps.run,
      round: head?.round ?? 0,
      parameters: head?.model == null ? null : head.parameters,
      phase: (head?.round ?? 0) >= deps.opened.plan.rounds ? "finished" : state.phase,
      coordinator: state.coordinator,
      term: state.term,
      devices: reachable(state).length + 1,
      waitingFor: state.waitingFor ??
        (examples !== undefined && "unavailable" in examples ? examples.unavailable : null),
    },
  });
}

/** Measures the version of a round on held-out examples. Null where the parameters or the examples are not on this device. */
export function evaluateHeldOut(
  { opened, trainer }: Pick<RunDependencies, "opened" | "trainer">,
  { round, parameters, examples }: {
    readonly round: number;
    readonly parameters: Parameters | null;
    readonly examples: RunActorState["examples"];
  },
): Promise<Evaluation> | null {
  const test = examples === undefined || "unavailable" in examples ? null : examples.test;
  if (test === null || parameters === null || test.count === 0) return null;
  const isLast = round >= opened.plan.rounds;
  const count = isLast ? test.count : Math.min(test.count, EVALUATION_EXAMPLES);
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  const { network, task: { metrics = [] } } = opened;
  return trainer.evaluate({ network, parameters, dataset: test, indices, metrics });
}

/** What was measured on held-out examples, and nothing else of it; null for what was not. */
export function figuresOf(
  found: Pick<RoundMetrics, "accuracy" | "loss" | "measured"> | null,
): Pick<RoundMetrics, "accuracy" | "loss" | "measured"> {
  if (found === null) return { accuracy: null, loss: null };
  const { accuracy, loss, measured } = found;
  return { accuracy, loss, ...(measured === undefined ? {} : { measured }) };
}

/** Measures the new version on this device's held-out examples, beside everything else. */
export function evaluateHead(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  committed: CommittedResult,
): void {
  const { head, examples } = state;
  const { round } = committed.result;
  const parameters = head?.model?.parameters ?? null;
  context.perform(
    () => evaluateHeldOut(deps, { round, parameters, examples }),
    (outcome) => ({ type: "evaluated", committed, outcome }),
  );
}

/** Measured: the numbers of the round are kept and told. */
export function onEvaluated(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { committed, outcome }: Of<"evaluated">,
): void {
  if (!outcome.ok) {
    context.log.write("warning", "a version could not be measured", {
      error: String(outcome.error),
    });
  }
  const evaluation = outcome.ok ? outcome.value : null;
  const { result, author, atMs } = committed;
  const { loss, compressionError } = trainingOf(state, deps, result.round);
  const parameterBytes = 4 * deps.opened.layout.count;
  const metrics: RoundMetrics = {
    round: result.round,
    atMs,
    durationMs: result.durationMs,
    coordinator: author,
    called: result.counts.called,
    ready: result.counts.ready,
    counted: result.submissions.length,
    dropped: result.counts.dropped,
    refused: result.counts.refused,
    ...figuresOf(evaluation),
    trainingLoss: loss,
    updateBytes: result.updateBytes,
    parameterBytes,
    ...(deps.opened.plan.compression !== null && {
      compression: {
        ratio: parameterBytes / Math.max(1, result.updateBytes),
        error: compressionError,
      },
    }),
    epsilon: null,
  };
  context.send(deps.rounds, { type: "roundMeasured", run: deps.run, metrics });
}

/** Of our own training for a round, nulls where we did not train for it; forgotten when it was asked for. */
function trainingOf(
  { trainings }: RunActorState,
  { opened }: RunDependencies,
  round: number,
): OwnTraining {
  // Where updates gather in a buffer, what is handed in may have been begun some versions ago.
  const isBuffered = opened.strategy.buffer !== null;
  let training: OwnTraining = { loss: null, compressionError: null };
  for (const [begun, value] of trainings) {
    if (begun > round) continue;
    if (begun === round || isBuffered) training = value;
    trainings.delete(begun);
  }
  return training;
}
