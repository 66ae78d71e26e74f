/** Bounds and times of the mailboxes. Deployments and simulations may choose others. */

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

export interface MailLimits {
  /** Own parcels that wait, at most: above, sending is refused as `busy`. */
  readonly outgoingMax: number;
  readonly outgoingBytesMax: number;
  /** Others' parcels kept here, bytes; 0 carries for nobody. */
  readonly carriedBytesMax: number;
  /** Share of one sender in that. */
  readonly carriedBytesPerSenderMax: number;
  /** Parcels of one sender that came too early, at most. */
  readonly waitingPerSenderMax: number;
  readonly waitingBytesPerSenderMax: number;
  /** Messages of one sender that nobody has read, at most: a flood stops there. */
  readonly unreadPerSenderMax: number;
  /** Ciphertext of attachments of one sender, bytes. */
  readonly partBytesPerSenderMax: number;
  /**
   * Deposits of one peer that wait for their turn, and their bytes, at most. A deposit may hold one parcel only, and a path that broke brings
   * what was handed over before and after it at once: several windows must fit, or honest peers are taken for a flood.
   */
  readonly jobsPerPeerMax: number;
  readonly jobBytesPerPeerMax: number;
  readonly jobsMax: number;
  /** Parcels handed to one peer that it has not answered, at most. */
  readonly windowParcels: number;
  readonly windowBytes: number;
  /** Carriers that are given a copy of a parcel. */
  readonly copies: number;
  /** A recipient that does not come up within this gets its mail by carriers, ms. */
  readonly carryAfterMs: number;
  /** A peer that has not answered a deposit by then is asked again, ms. */
  readonly answerMs: number;
  /** How long a missing parcel holds up those behind it, ms: then they are shown without it. */
  readonly gapMs: number;
  /** How long a parcel waits for the sender's keys, its conversation or its epoch, ms. */
  readonly missingMs: number;
  /** First wait for a receipt after the recipient took the parcel, ms; doubles up to an hour. Then the message is sent again. */
  readonly resendMs: number;
  /**
   * Keys of a group are renewed after this many messages, and after this time. Who was cut off writes in the epoch it knew, and only a few past
   * ones can be read (`PAST_EPOCHS_KEPT`): what piles up on both sides meanwhile must stay below that many renewals, or it is sent again later.
   */
  readonly renewMessages: number;
  readonly renewMs: number;
  /** A member asks at most this often to be added to a group again, ms. */
  readonly rejoinMs: number;
  /** How often what waits is looked at, ms. */
  readonly tendMs: number;
}

export const DEFAULT_MAIL_LIMITS: MailLimits = {
  outgoingMax: 50_000,
  outgoingBytesMax: 1024 * MIB,
  carriedBytesMax: 256 * MIB,
  carriedBytesPerSenderMax: 64 * MIB,
  waitingPerSenderMax: 2_000,
  waitingBytesPerSenderMax: 32 * MIB,
  unreadPerSenderMax: 20_000,
  partBytesPerSenderMax: 1024 * MIB,
  jobsPerPeerMax: 1_024,
  jobBytesPerPeerMax: 8 * MIB,
  jobsMax: 2_000,
  windowParcels: 256,
  windowBytes: 2 * MIB,
  copies: 3,
  carryAfterMs: 5_000,
  answerMs: 30_000,
  gapMs: 10 * MINUTE_MS,
  missingMs: 2 * MINUTE_MS,
  resendMs: MINUTE_MS,
  renewMessages: 1_000,
  renewMs: 24 * 60 * MINUTE_MS,
  rejoinMs: MINUTE_MS,
  tendMs: 2_000,
};

/** The longest wait between two tries of anything, ms. */
export const RETRY_MS_MAX = 60 * MINUTE_MS;

/** The wait before try `tries` (0 for the first) that begins with `firstMs` and doubles. */
export function retryMs(firstMs: number, tries: number, maxMs = RETRY_MS_MAX): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(tries, 20));
}
