/** Parcels as they come: checked and taken once. Own ones are opened in their turn; others' are kept for their recipients, within quotas. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import { type Parcel, PARCEL_SKEW_MS, RECIPIENT_SKEW_MS } from "../../protocols/mailbox/parcel.ts";
import {
  decodeParcel,
  problemOfParcelTime,
  signedMessageOfParcel,
} from "../../protocols/mailbox/parcel_wire.ts";
import { may } from "../../protocols/registry/registry.ts";
import { type Arrived, takeOwn } from "./step_open.ts";
import type { Step } from "./step.ts";

/** Parcels of one deposit. */
export interface DepositJob {
  /** Gives the answers back to whoever deposited. */
  readonly deposit: number;
  /** The peer that handed them over; null when the broker did. */
  readonly from: DeviceId | null;
  readonly parcels: readonly Uint8Array[];
}

/** Takes or refuses every parcel of a deposit. */
export async function onDeposit(step: Step, job: DepositJob): Promise<void> {
  const { crypto, self } = step.deps;
  const arrived: Arrived[] = [];
  for (const encoded of job.parcels) {
    const decoded = decodeParcel(encoded, crypto);
    if (!decoded.ok) {
      if (job.from !== null) {
        step.facts.strikes.push({ device: job.from, reason: decoded.reason });
      }
      step.facts.malformed.push(job.deposit);
      step.warn(job.from, "malformed", decoded.reason);
      continue;
    }
    const parcel = decoded.message;
    const answer = await firstLook(step, job, parcel);
    if (answer === "new") arrived.push({ parcel, encoded });
    else answerWith(step, job, parcel, answer);
  }
  const genuine = await crypto.verifyMany(
    arrived.map(({ parcel }) => signedMessageOfParcel(parcel)),
  );
  const sound = arrived.filter(({ parcel }, i) => {
    if (genuine[i]) return true;
    step.warn(job.from, "forged", `parcel ${parcel.id} is not signed by ${parcel.header.from}`);
    if (job.from !== null) step.facts.strikes.push({ device: job.from, reason: "forged parcel" });
    answerWith(step, job, parcel, "invalid");
    return false;
  });
  sound.sort((a, b) => a.parcel.header.number - b.parcel.header.number);
  for (const one of sound) {
    const answer = one.parcel.header.to === self
      ? await takeOwn(step, one)
      : await takeForAnother(step, one);
    answerWith(step, job, one.parcel, answer);
  }
}

function answerWith(
  step: Step,
  { deposit }: DepositJob,
  { id }: Parcel,
  answer: "taken" | RefusalReason,
): void {
  if (answer === "taken") step.facts.taken.push({ deposit, id });
  else step.facts.refused.push({ deposit, id, reason: answer });
}

/** Everything that can be said before the signature is checked. */
async function firstLook(
  step: Step,
  { from }: DepositJob,
  { id, header }: Parcel,
): Promise<"new" | "taken" | RefusalReason> {
  const { self, limits } = step.deps;
  const { registry, nowMs, carried } = step.view;
  const own = header.to === self;
  if (await step.get(own ? "received" : "carried", { id }) !== undefined) return "taken";
  if (own && await step.get("waiting", { id }) !== undefined) return "taken";
  if (registry === null || header.mesh !== registry.mesh) {
    step.warn(from, "wrongMesh", `parcel ${id} is of mesh ${header.mesh}`);
    return "invalid";
  }
  if (!may(registry, header.from, "messages.send")) {
    step.warn(header.from, "notPermitted", `parcel ${id}: its sender may not send messages`);
    return "notPermitted";
  }
  const wrongTime = problemOfParcelTime(header, nowMs, own ? RECIPIENT_SKEW_MS : PARCEL_SKEW_MS);
  if (wrongTime !== undefined) {
    step.warn(header.from, wrongTime, `parcel ${id} is of ${header.timeMs}, now is ${nowMs}`);
    return wrongTime;
  }
  if (own) {
    const share = await step.shareOf(header.from);
    const full = share.waiting >= limits.waitingPerSenderMax ||
      share.waitingBytes + header.sealedBytes > limits.waitingBytesPerSenderMax ||
      share.unread >= limits.unreadPerSenderMax;
    if (full) return "quota";
    share.unread++;
    return "new";
  }
  // Only its sender hands a parcel to a carrier: nobody else knows better where it should wait.
  if (from !== header.from || limits.carriedBytesMax === 0 || !may(registry, self, "relay")) {
    return "unwilling";
  }
  if (!step.isAdmitted(header.to)) return "notPermitted";
  const inThisStep = step.facts.carried.reduce((sum, { bytes }) => sum + bytes, 0);
  if (carried.bytes + inThisStep + header.sealedBytes > limits.carriedBytesMax) return "full";
  const share = await step.shareOf(header.from);
  if (share.carriedBytes + header.sealedBytes > limits.carriedBytesPerSenderMax) return "quota";
  share.carriedBytes += header.sealedBytes;
  return "new";
}

function takeForAnother(step: Step, { parcel, encoded }: Arrived): Promise<"taken"> {
  const { id, header } = parcel;
  const entry = {
    id,
    sender: header.from,
    recipient: header.to,
    expiresAtMs: header.expiresAtMs,
    bytes: encoded.length,
  };
  step.put("carried", { ...entry, atMs: step.nowMs, parcel: encoded.slice() });
  step.facts.carried.push(entry);
  return Promise.resolve("taken");
}
