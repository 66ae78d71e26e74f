/** What every GroupCrypto adapter must do, with devices that know nothing of each other but what they were sent. */
import { groupMembersContract } from "./group_crypto_members.ts";
import { groupMessagesContract } from "./group_crypto_messages.ts";
import { groupRefusalsContract } from "./group_crypto_refusals.ts";
import { groupBench, type GroupCryptoSubject } from "./group_crypto_support.ts";

/** Registers the suite for one adapter. */
export function groupCryptoContract(subject: GroupCryptoSubject): void {
  const bench = groupBench(subject);
  groupMembersContract(bench);
  groupMessagesContract(bench);
  groupRefusalsContract(bench);
}
