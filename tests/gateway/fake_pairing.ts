/** The pairing of a node in memory: codes that count up, a partner that always answers, and words that are always the same. */
import type { NodeEvent } from "../../actors/events.ts";
import type { InviteView, NodeHandle, PairingView } from "../../actors/handle.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { done, refused } from "./fake_outcomes.ts";

/** What a node does with invites and pairings. */
export type FakePairing = Pick<
  NodeHandle,
  "createInvite" | "invites" | "cancelInvite" | "acceptInvite" | "pairings" | "confirmPairing"
>;

/** Invites and pairings of one device; whoever it pairs with is `remote`. */
export function fakePairing(
  { remote, publish }: {
    readonly remote: DeviceId;
    readonly publish: (event: NodeEvent) => void;
  },
): FakePairing {
  const invites = new Map<string, InviteView>();
  const pairings = new Map<string, PairingView>();

  return {
    createInvite({ role, validMs }) {
      const number = invites.size + 1;
      const invite: InviteView = {
        inviteId: `invite-${number}`,
        link: `kiana:?v=1&i=${"q".repeat(52)}&s=${"k".repeat(26)}&n=${number}`,
        code: `482${number}-7730`,
        role,
        expiresAtMs: 1_795_000_000_000 + (validMs ?? 600_000),
        state: "open",
      };
      invites.set(invite.inviteId, invite);
      return done(invite);
    },
    // As the real one: link and code are told once, by `createInvite`.
    invites: () =>
      Promise.resolve([...invites.values()].map((each) => ({ ...each, link: "", code: "" }))),
    cancelInvite(inviteId) {
      const invite = invites.get(inviteId);
      if (invite === undefined) return refused("notFound", `no invite "${inviteId}"`);
      invites.set(inviteId, { ...invite, state: "cancelled", link: "", code: "" });
      return done(null);
    },

    acceptInvite(linkOrCode) {
      if (!/^(kiana:.+|\d{4}-?\d{4})$/.test(linkOrCode)) {
        const message = "expected a link that begins with kiana: or a code such as 4821-7730";
        return refused("invalid", message);
      }
      const pairing: PairingView = {
        pairingId: `pairing-${pairings.size + 1}`,
        side: "joiner",
        phase: "confirming",
        words: ["amber", "canyon", "lilac", "otter"],
        remoteDeviceId: remote,
        remoteDisplayName: "garden",
        problem: null,
      };
      pairings.set(pairing.pairingId, pairing);
      publish({ type: "pairingChanged", pairingId: pairing.pairingId, phase: pairing.phase });
      return done(pairing);
    },
    pairings: () => Promise.resolve([...pairings.values()]),
    confirmPairing(pairingId, wordsMatch) {
      const pairing = pairings.get(pairingId);
      if (pairing === undefined) return refused("notFound", `no pairing "${pairingId}"`);
      const phase = wordsMatch ? "completed" as const : "refused" as const;
      pairings.set(pairingId, { ...pairing, phase });
      return done(pairings.get(pairingId)!);
    },
  };
}
