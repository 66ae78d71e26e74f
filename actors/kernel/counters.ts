/** What the kernel counts of every actor. */
export interface ActorCounters {
  readonly path: string;
  readonly behaviour: string;
  /** Commands waiting now. */
  readonly queued: number;
  /** Commands handled since it was first started, over restarts. */
  readonly handled: number;
  /** Commands lost to a full mailbox. */
  readonly overflowed: number;
  readonly restarts: number;
  /** Time spent in `receive`, ms, sampled. */
  readonly busyMs: number;
}
