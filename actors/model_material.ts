/** What a version is verified with: from this device's disk, else from other devices of its run, for as long as the verification takes. */
import type { ModelState } from "../learning/runs/model_state.ts";
import { type ResultCheckDependencies, resultProblem } from "../learning/runs/result_check.ts";
import { type Parameters, parametersFromBytes } from "../learning/parameters.ts";
import { initialState } from "../learning/strategies/server_optimiser.ts";
import { optimiserStateFrom } from "../learning/strategies/optimiser_state_bytes.ts";
import type { Clock } from "../platform/ports.ts";
import type { VectorOffer } from "../protocols/rounds/messages.ts";
import type { SettingsRepository } from "../store/store.ts";
import type { VectorStore } from "../store/vectors.ts";
import type { Outcome, Refusal } from "./handle.ts";
import type { KnownVersion } from "./known_version.ts";
import { chainOf } from "./learning_views.ts";
import { refused } from "./outcomes.ts";
import type { CommittedResult } from "./rounds/commands.ts";
import type { AskedDevice, FetchedVector, FetchVector } from "./rounds/fetching.ts";
import { ROUNDS_KEPT, verifiedSetting } from "./rounds/old_vectors.ts";

/** Fetching all that one verification needs takes no longer, ms. */
const FETCH_MS = 5 * 60_000;
/** Digits of a device's id in a sentence. */
const SHORT_ID = 8;

/** Enough to make a version again. */
export interface Material {
  readonly parent: ModelState;
  readonly aggregate: Uint8Array;
}

export interface MaterialOptions extends ResultCheckDependencies {
  readonly vectors: VectorStore;
  readonly settings: SettingsRepository;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Asks the rounds actor. */
  readonly fetch: (wanted: Omit<FetchVector, "type" | "replyTo">) => Promise<
    Outcome<FetchedVector>
  >;
  /** Of a version, as this device has them; null when it has not. */
  readonly parametersOf: (version: KnownVersion) => Promise<Parameters | null>;
}

/** Nothing is fetched for a result whose signatures do not hold. */
export interface Unsigned {
  readonly type: "unsigned";
  readonly problem: string;
}

/** What the version is made from; or why some of it cannot be had. */
export async function materialOf(
  known: KnownVersion & { readonly committed: CommittedResult },
  options: MaterialOptions,
): Promise<Outcome<Material> | Unsigned> {
  const { vectors, clock } = options;
  const { opened, summary, committed } = known;
  const { parent, round, aggregate } = committed.result;
  const { optimiser } = opened.strategy;
  const { count } = opened.layout;
  const before = chainOf(summary).find(({ result }) =>
    result.round === round - 1 && result.result === parent
  );
  if (round > 1 && before === undefined) {
    return refused(
      "unavailable",
      `Cannot verify round ${round}: the result of the round before has not come to this device; try again when it has been connected to others of the mesh for a while. Version ${known.version}`,
    );
  }
  const untilMs = clock.monotonicMs() + FETCH_MS;

  let isSigned = false;
  async function fetched(
    part: string,
    offer: VectorOffer,
  ): Promise<Outcome<Uint8Array<ArrayBuffer>> | Unsigned> {
    const problem = isSigned ? undefined : await resultProblem(committed.result, opened, options);
    if (problem !== undefined) return { type: "unsigned", problem };
    isSigned = true;
    const { run } = summary;
    const { author } = committed;
    const withinMs = Math.max(1, untilMs - clock.monotonicMs());
    const outcome = await options.fetch({ run, offer, author, round, withinMs });
    if (outcome.type === "refused") return outcome;
    const { value } = outcome;
    return value.type === "here"
      ? { type: "done", value: value.bytes }
      : await nowhere(known, options, part, value.asked);
  }

  const origin = { opened, summary, version: parent, committed: before ?? null, ownRound: null };
  let parameters = await options.parametersOf(origin);
  if (parameters === null) {
    const got = await fetched(`its parent ${parent}`, { hash: parent, bytes: 4 * count });
    if (got.type !== "done") return got;
    parameters = parametersFromBytes(got.value)!;
  }
  const offer = before?.result.state ?? null;
  let state = offer === null ? initialState(optimiser, count) : undefined;
  if (offer !== null) {
    const bytes = await vectors.get(offer.hash);
    state = bytes && optimiserStateFrom(bytes, optimiser, count);
    if (state === undefined) {
      const got = await fetched("the optimiser's state of its parent", offer);
      if (got.type !== "done") return got;
      state = optimiserStateFrom(got.value, optimiser, count);
    }
  }
  if (state === undefined) {
    return refused(
      "unavailable",
      `Cannot verify round ${round}: the optimiser's state that its parent names is none of this run's plan; verify the version before. Version ${known.version}`,
    );
  }
  let released = await vectors.get(aggregate.hash);
  if (released === undefined) {
    const got = await fetched("what the round released", aggregate);
    if (got.type !== "done") return got;
    released = got.value;
  }
  const tuning = before?.result.tuning?.next;
  return {
    type: "done",
    value: {
      parent: { parameters, optimiser: state, ...(tuning !== undefined && { tuning }) },
      aggregate: released,
    },
  };
}

/** Neither this device has it nor anybody who was asked. */
async function nowhere(
  { version, committed }: KnownVersion & { readonly committed: CommittedResult },
  { settings }: MaterialOptions,
  part: string,
  asked: readonly AskedDevice[],
): Promise<Refusal> {
  const earlier = await settings.get(verifiedSetting(committed.block));
  const then = earlier === true
    ? "; it was valid when this device took it"
    : earlier === false
    ? "; it did not hold when this device last looked"
    : "";
  const search = asked.length === 0
    ? "no other device that may learn can be reached"
    : `none of those asked has sent it: ${asked.map(answerOf).join(", ")}`;
  return refused(
    "unavailable",
    `Cannot verify round ${committed.result.round}: ${part} is not on this device, and ${search}${then}. Devices keep what the last ${ROUNDS_KEPT} rounds are verified with: try again when devices that took part are connected, or verify a newer version. Version ${version}`,
  );
}

function answerOf({ device, why }: AskedDevice): string {
  const said = why === "missing"
    ? "has not kept it"
    : why === "wrong"
    ? "sent something else"
    : "did not send it in time";
  return `${device.slice(0, SHORT_ID)} ${said}`;
}
