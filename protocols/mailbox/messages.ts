/**
 * What devices say to each other about parcels (protocol `mailbox` on sessions). A parcel is handed over until the other end has said that it is
 * durable there: at least once. Duplicates are known by their id.
 */
import type { ParcelId } from "./parcel.ts";

/** Sent to the recipient, or to a carrier, whenever a session is up and parcels wait. The receiver answers each id with `taken` or `refused`. */
export interface Deposit {
  readonly type: "deposit";
  /** Encoded parcels (see `parcel_wire.ts`), together at most `DEPOSIT_BYTES_MAX`. */
  readonly parcels: readonly Uint8Array[];
}

/** The parcels are durable at the sender of this message. From the recipient: delivered, forget them. From a carrier: a copy is kept. */
export interface Taken {
  readonly type: "taken";
  readonly ids: readonly ParcelId[];
}

export type RefusalReason =
  /** Malformed, wrong signature, wrong mesh, box that does not open. */
  | "invalid"
  | "expired"
  /** The sender or the recipient is not (or no longer) a member, or may not send messages. */
  | "notPermitted"
  /** This sender has used up its share here; later is better. */
  | "quota"
  /** No space for others' parcels; later is better. */
  | "full"
  /** This device carries for nobody, or not for this peer. */
  | "unwilling";

export interface Refused {
  readonly type: "refused";
  readonly id: ParcelId;
  readonly reason: RefusalReason;
}

/** To a carrier: these reached their recipient by another way (or were called back); it may forget its copies. Only the parcel's sender or recipient may say so. */
export interface Discard {
  readonly type: "discard";
  readonly ids: readonly ParcelId[];
}

export type MailboxMessage = Deposit | Taken | Refused | Discard;

/** Parcels in one deposit, at most. */
export const DEPOSIT_PARCELS_MAX = 128;
/** Bytes of parcels in one deposit, at most. */
export const DEPOSIT_BYTES_MAX = 400 * 1024;
/** Ids in one `taken` or `discard`, at most. */
export const IDS_MAX = 512;
