/**
 * Watching a run until it is over. What is shown comes from reading the run and its rounds; events only say when to look, and how far the round under
 * way is. So nothing is missed or shown twice when events are lost, or the node stops for a while.
 */
import type { NodeEvent } from "../../actors/events.ts";
import type { LearningEvent } from "../../actors/learning_handle.ts";
import { clientOf, type CommandContext, throwIfInterrupted } from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import { sleep } from "../wait.ts";
import { inPlace } from "./in_place.ts";
import { isIncomplete, ToldRounds } from "./told_rounds.ts";
import { curveLine, livePicture, roundLine, type Watched, withEvent } from "./live_picture.ts";

/** Between two looks when no event asks for one, ms. */
const LOOK_MS = 1_000;
const RETRY_MS = 2_000;

/**
 * Shows a run until it is finished or stopped. With `--json` a line for each thing that happens, the last one with `"ok":true`.
 *
 * @throws {CliError} when the node cannot be reached at the beginning, refuses, or a person interrupts
 */
export async function watchToTheEnd(context: CommandContext, id: string): Promise<ExitCode> {
  const { output, clock, interrupted } = context;
  const place = inPlace(context);
  const events = listen(context, (event) => {
    if (watched === undefined || event.run !== watched.run.run) return;
    watched = withEvent(watched, event, clock.monotonicMs());
    if (event.type === "roundProgress" || event.type === "trainingProgress") {
      if (output.json) output.event(event, () => "");
      place.draw(livePicture(context, watched));
    }
  });
  let watched: Watched | undefined;
  const told = new ToldRounds();
  const look = async () => {
    const { learning } = clientOf(context);
    const run = await learning.run(id);
    const known = watched?.rounds ?? [];
    const rounds = isIncomplete(known, run.round) ? await learning.rounds(run.run) : known;
    if (watched === undefined) output.event({ type: "run", ...run }, () => "");
    watched = {
      run,
      rounds,
      progress: watched?.progress ?? null,
      training: watched?.training ?? null,
    };
    return watched;
  };
  try {
    while (true) {
      const now = await orLost(context, watched === undefined, look);
      throwIfInterrupted(context);
      if (now === null) {
        await sleep(clock, RETRY_MS, interrupted);
        continue;
      }
      const news = told.next(now.rounds, clock.monotonicMs());
      if (news.length > 0) place.clear();
      for (const metrics of news) {
        const event = { type: "roundFinished", run: now.run.run, metrics };
        output.event(event, () => roundLine(context, metrics));
      }
      place.draw(livePicture(context, now));
      const isOver = now.run.state === "finished" || now.run.state === "stopped";
      if (isOver && told.isDone(now.rounds)) {
        place.clear();
        const state = now.run.state === "finished" ? "finished" : "stopped";
        const said = context.texts.learnRuns.over(state, now.run.round);
        output.event(
          { ok: true, type: "over", ...now.run },
          () => [...curveLine(context, now), said].join("\n"),
        );
        return EXIT.ok;
      }
      await events.next(isOver ? LOOK_MS / 4 : LOOK_MS);
      throwIfInterrupted(context);
    }
  } finally {
    events.stop();
  }
}

/** Null while the node is away, once it was there. */
async function orLost<T>(
  context: CommandContext,
  isFirst: boolean,
  attempt: () => Promise<T>,
): Promise<T | null> {
  try {
    return await attempt();
  } catch (error) {
    const gone = error instanceof CliError &&
      (error.code === "notRunning" || error.code === "timedOut");
    if (isFirst || !gone) throw error;
    context.output.note(context.texts.learnRuns.lost);
    return null;
  }
}

interface Listening {
  /** Resolves with the next event of learning that changes what is to be read, or after `ms`. */
  next(ms: number): Promise<void>;
  stop(): void;
}

function listen(context: CommandContext, heard: (event: LearningEvent) => void): Listening {
  const { clock, interrupted } = context;
  const ending = new AbortController();
  const signal = AbortSignal.any([interrupted, ending.signal]);
  let awake = new AbortController();
  const work = async () => {
    while (!signal.aborted) {
      try {
        for await (const event of clientOf(context).events(signal)) {
          if (!isOfLearning(event)) continue;
          heard(event);
          if (event.type === "runChanged" || event.type === "roundFinished") awake.abort();
        }
      } catch (error) {
        // Reading the run tells a person what is wrong; events are only for speed.
        if (!(error instanceof CliError)) throw error;
      }
      await sleep(clock, RETRY_MS, signal);
    }
  };
  const working = work().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    async next(ms) {
      await Promise.race([
        sleep(clock, ms, AbortSignal.any([awake.signal, signal])),
        working.then(() => new Promise<never>(() => undefined)),
      ]);
      awake = new AbortController();
    },
    stop: () => ending.abort(),
  };
}

function isOfLearning(event: NodeEvent): event is NodeEvent & LearningEvent {
  return event.type === "runChanged" || event.type === "roundProgress" ||
    event.type === "trainingProgress" || event.type === "roundFinished";
}
