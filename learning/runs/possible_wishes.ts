/**
 * What would do in place of a privacy that cannot be had. Each way is planned before it is named, so whoever takes one is not refused once more; where there
 * is none, it is said why.
 */
import { PARTICIPANTS_MAX } from "../../protocols/rounds/messages.ts";
import type { TaskOptions } from "../task.ts";
import type { NewRun } from "./new_run.ts";

/** A privacy that cannot be had with the rest of the wish, and what could be tried instead. */
export class PrivacyImpossible extends RangeError {
  override readonly name = "PrivacyImpossible";
  constructor(
    /** What is wrong with it, for people. */
    readonly why: string,
    readonly instead: Instead,
  ) {
    super(why);
  }
}

/** From where ways are looked for; null where there are none. */
export interface Instead {
  /** Nothing less is possible with everything else as it is. */
  readonly epsilon: number | null;
  /** With the ε that was asked for. */
  readonly noiseMultiplier: number | null;
  readonly rounds: number | null;
  /** The noise of so many devices is `factor` times too long: it takes more of them, of which a round may have `most` with this δ, or a smaller model. */
  readonly excess:
    | { readonly factor: number; readonly devices: number; readonly most: number }
    | null;
}

/** What ways are tried with. */
export interface Trial {
  /** Members of now. */
  readonly members: number;
  /** What this device allows in all. */
  readonly epsilonMax: number;
  /** Options of a task that make other networks, the largest first. */
  readonly sizes: (task: string) => readonly TaskOptions[];
  /** Whether a run begins with this wish, and so many members. */
  readonly begins: (wish: NewRun, members: number) => boolean;
}

const EPSILON_MAX = 1e6;
/** From one try to the next, and how many there are. */
const STEP = 1.05;
const TRIES_MAX = 12;

/** The refusal of a wish, with ways that are ones. */
export function refusalOf(
  { why, instead }: PrivacyImpossible,
  wish: NewRun,
  trial: Trial,
): string {
  const isStated = wish.privacy?.noiseMultiplier !== undefined;
  const privacy = wish.privacy!;
  const begins = (change: Partial<NewRun>) => trial.begins({ ...wish, ...change }, trial.members);
  const noise = instead.noiseMultiplier === null ? null : shown(instead.noiseMultiplier);
  const canState = noise !== null && begins({ privacy: { ...privacy, noiseMultiplier: noise } });
  const { rounds } = instead;
  const epsilon = epsilonOf(instead, wish, trial);
  const members = instead.excess === null ? null : membersOf(instead.excess, wish, trial);
  const smaller = instead.excess === null
    ? undefined
    : trial.sizes(wish.task).find((size) => begins({ options: { ...wish.options, ...size } }));
  const ways = [
    rounds !== null && rounds > 0 && begins({ rounds }) &&
    (rounds === 1 ? "1 round" : `${rounds} rounds`),
    isStated && canState && `noiseMultiplier ${noise}`,
    epsilon !== null && epsilon <= trial.epsilonMax && `epsilon ${epsilon}`,
    members !== null && `${members} members`,
    smaller !== undefined &&
    `option ${Object.entries(smaller).map(([name, value]) => `${name}=${value}`).join(" ")}`,
  ].filter((way) => way !== false);
  const possible = ways.length > 0
    ? ways.join(", or ")
    : `nothing near it: ${whyNothing(epsilon, instead, wish, trial)}`;
  const byHand = isStated || !canState
    ? ""
    : `; to run it all the same, state noiseMultiplier ${noise} yourself`;
  return `${why}; possible would be ${possible}${byHand}`;
}

/** Three significant digits, rounded up: what is told is enough. */
export function shown(value: number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return Number((Math.ceil(value / unit) * unit).toPrecision(4));
}

function epsilonOf({ epsilon }: Instead, wish: NewRun, trial: Trial): number | null {
  if (epsilon === null || !Number.isFinite(epsilon)) return null;
  let tried = shown(epsilon);
  for (let tries = 0; tries < TRIES_MAX && tried <= EPSILON_MAX; tries++) {
    const privacy = { ...wish.privacy!, epsilon: tried };
    if (trial.begins({ ...wish, privacy }, trial.members)) return tried;
    tried = shown(tried * STEP);
  }
  return null;
}

/** The fewest members that would do: what the noise says, and more where a sum of more devices has more of it. */
function membersOf(
  { factor, devices, most }: NonNullable<Instead["excess"]>,
  wish: NewRun,
  trial: Trial,
): number | null {
  const { fraction = 1 } = wish.participants ?? {};
  const limit = Math.floor(mostDevices(most, wish) / fraction);
  let low = trial.members;
  if (low >= limit) return null;
  let high = Math.min(limit, Math.max(low + 1, Math.ceil(devices * factor / fraction)));
  while (!trial.begins(wish, high)) {
    if (high === limit) return null;
    low = high;
    high = Math.min(limit, Math.ceil(high * STEP) + 1);
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (trial.begins(wish, middle)) high = middle;
    else low = middle;
  }
  return high;
}

function mostDevices(most: number, { participants }: NewRun): number {
  return Math.min(most, participants?.most ?? PARTICIPANTS_MAX);
}

function whyNothing(
  epsilon: number | null,
  { excess }: Instead,
  wish: NewRun,
  { epsilonMax }: Trial,
): string {
  const reasons = [
    excess !== null &&
    `${mostDevices(excess.most, wish)} devices, the most that a round may have, are too few`,
    epsilon !== null &&
    `it would take epsilon ${epsilon}, and this device allows ${epsilonMax} in all`,
  ].filter((reason) => reason !== false);
  return reasons.length === 0 ? "no noise is enough" : reasons.join("; ");
}
