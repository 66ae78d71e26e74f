/** Commands of the pairing actor: invites, the handshake with a stranger, the words people compare. */
import type { RendezvousReply, RendezvousRequest } from "../../platform/transport.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { MeshId } from "../../protocols/ids.ts";
import type { PeerPresence } from "../discovery/commands.ts";
import type { InviteOptions, InviteView, Outcome, PairingView } from "../handle.ts";
import type { Ref, TaskOutcome } from "../kernel/actor.ts";
import type { MembershipChanged } from "../members/commands.ts";

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
  | { readonly type: "listPairings"; readonly replyTo: Ref<readonly PairingView[]> }
  | PairingPrivateCommand;

/** What the actor sends to itself. */
export type PairingPrivateCommand =
  /** Invites as they were stored. */
  | {
    readonly type: "invitesLoaded";
    readonly outcome: TaskOutcome<readonly (readonly [string, unknown])[]>;
  }
  /** A change of invites is durable, or is not. */
  | { readonly type: "invitesSaved"; readonly outcome: TaskOutcome<void>; readonly then: AfterSave }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "presenceChanged"; readonly event: PeerPresence }
  /** A stranger asks something. */
  | { readonly type: "requestReceived"; readonly request: RendezvousRequest }
  /** The other device answered our request. */
  | {
    readonly type: "replyReceived";
    readonly pairingId: string;
    readonly requestId: number;
    readonly reply: RendezvousReply;
  }
  /** `createInvite` had to found a mesh first. */
  | {
    readonly type: "meshFounded";
    readonly outcome: Outcome<MeshId>;
    readonly options: InviteOptions;
    readonly replyTo: Ref<Outcome<InviteView>>;
  }
  | {
    readonly type: "memberAdmitted";
    readonly pairingId: string;
    readonly outcome: Outcome<readonly Block[]>;
  }
  | { readonly type: "meshJoined"; readonly pairingId: string; readonly outcome: Outcome<MeshId> }
  /** Whether the inviter's address is kept. */
  | { readonly type: "addressKept"; readonly outcome: Outcome<null> }
  | { readonly type: "retryDue"; readonly pairingId: string; readonly requestId: number }
  | { readonly type: "pollDue"; readonly pairingId: string }
  | { readonly type: "pairingExpiryDue"; readonly pairingId: string }
  | { readonly type: "sweepDue" };

/** What was waiting for a change of invites to be durable. */
export type AfterSave =
  | { readonly type: "nothing" }
  | {
    readonly type: "showInvite";
    readonly view: InviteView;
    readonly replyTo: Ref<Outcome<InviteView>>;
  }
  | { readonly type: "confirmCancel"; readonly replyTo: Ref<Outcome<null>> }
  /** A wrong code: the invite is burned before the guesser hears that it was wrong. */
  | {
    readonly type: "refuseGuess";
    readonly request: RendezvousRequest;
    readonly reason: string;
  }
  /** A right secret: the invite is used before the joiner hears so. */
  | {
    readonly type: "acceptProof";
    readonly request: RendezvousRequest;
    readonly reply: Uint8Array;
    readonly pairingId: string;
  };
