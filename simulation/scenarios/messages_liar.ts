/**
 * A member whose mailboxes misbehave: it takes parcels and loses them, keeps them back, hands them over again and again, changes them,
 * and says things of them that are not so. Its sessions are genuine, as those of any member with a changed program.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { MailboxMessage, RefusalReason } from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import { encodeMailboxMessage } from "../../protocols/mailbox/wire.ts";
import type { MailLedger } from "../checkers/mail.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** Parcels that it keeps in mind, at most. */
const KEPT_MAX = 64;
const REASONS: readonly RefusalReason[] = [
  "invalid",
  "expired",
  "notPermitted",
  "quota",
  "full",
  "unwilling",
];

interface Kept {
  readonly id: ParcelId;
  readonly sender: DeviceId;
  readonly recipient: DeviceId;
  readonly parcel: Uint8Array;
}

export class DishonestCarrier {
  readonly node: SimulatedNode;
  readonly #cluster: Cluster;
  readonly #kept = new Map<ParcelId, Kept>();

  constructor(cluster: Cluster, node: SimulatedNode) {
    this.#cluster = cluster;
    this.node = node;
  }

  /** Does one thing that no honest carrier does. */
  cheat(ledger: MailLedger): void {
    if (!this.node.isUp) return;
    const { random } = this.#cluster;
    const { mail } = this.node.disk.tables;
    for (const row of mail.carried.values()) {
      if (this.#kept.size < KEPT_MAX) this.#kept.set(row.id, row);
    }
    const all = [...this.#kept.values()];
    const one = all[random.below(Math.max(1, all.length))];
    if (one === undefined) return;
    const somebody = ledger.bound()[random.below(ledger.bound().length)]!.deviceId;
    switch (random.below(7)) {
      case 0:
        // Taken, and lost.
        for (const key of mail.carried.keys()) mail.carried.delete(key);
        return;
      case 1:
        // Again, twice at once, also long after it arrived.
        return this.#say(one.recipient, { type: "deposit", parcels: [one.parcel, one.parcel] });
      case 2:
        return this.#say(one.recipient, { type: "deposit", parcels: [this.#damaged(one.parcel)] });
      case 3:
        // "I keep it", "it is mine": to its sender, and to whoever else carries it.
        this.#say(one.sender, { type: "taken", ids: [one.id] });
        return this.#say(somebody, { type: "taken", ids: [one.id] });
      case 4:
        return this.#say(somebody, { type: "discard", ids: [one.id] });
      case 5: {
        const reason = REASONS[random.below(REASONS.length)]!;
        this.#say(one.sender, { type: "refused", id: one.id, reason });
        return this.#say(somebody, { type: "refused", id: one.id, reason });
      }
      default:
        // In other orders, to whom it is not for.
        return this.#say(somebody, {
          type: "deposit",
          parcels: all.slice(-8).reverse().map(({ parcel }) => parcel),
        });
    }
  }

  #damaged(parcel: Uint8Array): Uint8Array {
    const { random } = this.#cluster;
    const damaged = parcel.slice();
    const at = random.below(damaged.length);
    damaged[at] = damaged[at]! ^ (1 << random.below(8));
    return damaged;
  }

  #say(to: DeviceId, message: MailboxMessage): void {
    if (to === this.node.deviceId) return;
    const { system, refs } = this.node.running;
    system.tell(refs.sessions, {
      type: "sendToPeer",
      to,
      protocol: "mailbox",
      body: encodeMailboxMessage(message),
    });
  }
}
