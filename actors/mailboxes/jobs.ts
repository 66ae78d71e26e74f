/** The jobs of the mailboxes, and the step that works off a few of them and makes what they change durable. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import type { ParcelId } from "../../protocols/mailbox/parcel.ts";
import type { Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import type {
  ConversationChange,
  ConversationView,
  MessageView,
  NewMessage,
} from "../mail_handle.ts";
import { changeConversation } from "./step_conversations.ts";
import { markRead } from "./step_messages.ts";
import { flushReceipts } from "./step_outgoing.ts";
import { type DepositJob, onDeposit } from "./step_receive.ts";
import { sendMessage } from "./step_send.ts";
import {
  onDiscard,
  onGivenUp,
  onKeys,
  onMembership,
  onRestored,
  onTaken,
  renewGroups,
  tend,
} from "./step_tend.ts";
import { Step, type StepDependencies, type StepFacts, type StepView } from "./step.ts";

export type Job =
  | {
    readonly type: "send";
    readonly message: NewMessage;
    readonly idempotencyKey: string | null;
    readonly replyTo: Ref<Outcome<MessageView>>;
  }
  | {
    readonly type: "markRead";
    readonly conversation: ConversationId;
    readonly upTo: MessageId;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | {
    readonly type: "change";
    readonly conversation: ConversationId;
    readonly change: ConversationChange;
    readonly replyTo: Ref<Outcome<ConversationView>>;
  }
  | { readonly type: "deposit"; readonly deposit: DepositJob }
  | {
    readonly type: "taken";
    readonly from: DeviceId | "broker";
    readonly ids: readonly ParcelId[];
  }
  | { readonly type: "discard"; readonly from: DeviceId; readonly ids: readonly ParcelId[] }
  | { readonly type: "givenUp"; readonly id: ParcelId; readonly reason: RefusalReason }
  /** Grows until its turn comes: a new member hears the keys of all others at once. */
  | { readonly type: "keys"; readonly devices: DeviceId[] }
  | { readonly type: "membership" }
  | { readonly type: "restored" }
  /** Recipients of what waits that are no longer members. */
  | { readonly type: "tend"; readonly left: readonly DeviceId[] }
  | { readonly type: "renew" };

/** Works off jobs in order and commits what they change. Rejects, with nothing changed, when the disk does not do its part. */
export async function runStep(
  deps: StepDependencies,
  view: StepView,
  jobs: readonly Job[],
): Promise<StepFacts> {
  const step = new Step(deps, view);
  for (const job of jobs) await runJob(step, job);
  await flushReceipts(step);
  const changes = step.changes();
  if (changes.length > 0) await deps.mail.commit(changes);
  return step.facts;
}

async function runJob(step: Step, job: Job): Promise<void> {
  switch (job.type) {
    case "send":
      return answer(step, job, await sendMessage(step, job.message, job.idempotencyKey));
    case "markRead":
      return answer(step, job, await markRead(step, job.conversation, job.upTo));
    case "change":
      return answer(step, job, await changeConversation(step, job.conversation, job.change));
    case "deposit":
      return await onDeposit(step, job.deposit);
    case "taken":
      return await onTaken(step, job.from, job.ids);
    case "discard":
      return await onDiscard(step, job.from, job.ids);
    case "givenUp":
      return await onGivenUp(step, job.id, job.reason);
    case "keys":
      return await onKeys(step, job.devices);
    case "membership":
      return await onMembership(step);
    case "restored":
      return await onRestored(step);
    case "tend":
      return await tend(step, job.left);
    case "renew":
      return await renewGroups(step);
  }
}

function answer<T>(
  step: Step,
  { replyTo }: { readonly replyTo: Ref<Outcome<T>> },
  outcome: Outcome<T>,
): void {
  step.facts.answers.push({ to: replyTo as Ref<Outcome<never>>, outcome });
}
