/** Commands of the pairing actor: invites, the handshake with a stranger, the words people compare. */
import type { InviteOptions, InviteView, Outcome, PairingView } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";

export type PairingCommand =
  | {
    readonly type: "createInvite";
    readonly options: InviteOptions;
    readonly replyTo: Ref<Outcome<InviteView>>;
  }
  | {
    readonly type: "cancelInvite";
    readonly inviteId: string;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | { readonly type: "listInvites"; readonly replyTo: Ref<readonly InviteView[]> }
  | {
    readonly type: "acceptInvite";
    readonly linkOrCode: string;
    readonly replyTo: Ref<Outcome<PairingView>>;
  }
  | {
    readonly type: "confirmPairing";
    readonly pairingId: string;
    readonly wordsMatch: boolean;
    readonly replyTo: Ref<Outcome<PairingView>>;
  }
  | { readonly type: "listPairings"; readonly replyTo: Ref<readonly PairingView[]> };
