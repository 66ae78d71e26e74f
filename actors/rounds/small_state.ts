/** What the actor of a run knows of sums with a second party: as a device, as the coordinator, and as that party itself. */
import type { RosterView } from "../../learning/secure/roster.ts";
import type { SmallArithmetic } from "../../learning/runs/small_sum.ts";
import type { PaillierPrimes } from "../../learning/secure/paillier.ts";
import type { SumCollector, SumTotal } from "../../learning/secure/secure_sum.ts";
import type { SecondKey, SmallClaims } from "../../learning/secure/small_round.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { Attempt } from "../../protocols/rounds/messages.ts";

/** An attempt's sum once its roster is known. */
export interface SmallSum extends SmallArithmetic {
  readonly view: RosterView;
  /** Of the roster: names the second party. */
  readonly root: Uint8Array;
}

/** Our part in such a sum. */
export interface SmallPart {
  readonly second: DeviceId;
  /** Null until the coordinator has said who is in. */
  sum: SmallSum | null;
  /** What goes to the second party; null until we have trained. */
  secondPart: Uint8Array | null;
  /** SHA-256 of what goes to the coordinator; null until then. */
  inputHash: Uint8Array | null;
  /** The claim that we have signed, and our signature; null before. */
  signed: { readonly claim: string; readonly signature: Uint8Array } | null;
}

/** A sum that we coordinate. */
export interface SmallLead {
  readonly second: DeviceId;
  /** The second party's key, empty where there is none to be; null until it has told it. */
  key: SecondKey | null;
  /** Null until it is known who takes part. */
  sum: SmallSum | null;
  /** Adds what comes; null until then. */
  collector: SumCollector | null;
  /** What devices have given us. */
  readonly parts: Map<DeviceId, Uint8Array>;
  /** Whose parts both have; null before the second party has answered. */
  claims: SmallClaims | null;
  /** The same devices, ascending. */
  devices: readonly DeviceId[];
  readonly signatures: Map<DeviceId, Uint8Array>;
  /** The request to open, to be repeated byte for byte; null before a quorum has signed. */
  request: Uint8Array | null;
  /** The second party's total. */
  total: SumTotal | null;
}

/** A sum that this device was named the second party of. It is in memory only: after a restart the attempt cannot be opened any more. */
export interface SecondParty {
  readonly key: Attempt;
  readonly coordinator: DeviceId;
  readonly called: readonly DeviceId[];
  /** Of our key for this attempt; null while there is none. */
  primes: PaillierPrimes | null;
  sum: SmallSum | null;
  /** What devices have given us. */
  readonly parts: Map<DeviceId, Uint8Array>;
  /** Messages that were refused. */
  refused: number;
  /** SHA-256 of the one request that was or will be answered; null before. */
  request: string | null;
  /** Our total over its set; null until it may leave. */
  total: Uint8Array | null;
}
