/** The answering side of QUIC signalling. Bounded before anything is dialled: by membership, freshness and number. */
import { equalBytes } from "../protocols/codec.ts";
import { deviceIdOf, publicKeyOf } from "../protocols/ids.ts";
import {
  decodeQuicSignal,
  encodeQuicSignal,
  quicBinding,
  type QuicOffer,
  type SignedQuicSignal,
  verifyQuicSignal,
} from "../protocols/session/quic_signalling.ts";
import { ANY_DEVICE } from "../protocols/session/signalling.ts";
import { dialAddresses, seenAt } from "./quic_addresses.ts";
import { beginMeeting, type Meeting } from "./quic_meeting.ts";
import { ownProof, type QuicShared } from "./quic_shared.ts";
import type { Path, RendezvousRequest } from "./transport.ts";

/** Attempts of others at once. */
export const HALF_OPEN_MAX = 64;
/** The same per address. */
export const HALF_OPEN_PER_ADDRESS_MAX = 8;
/** An attempt that has no path by then is over, ms. */
const HALF_OPEN_MS = 6_000;
/** Ids of offers that are remembered, so that none is answered twice. */
const SEEN_MAX = 4_096;
/** All that a refused stranger is told. */
const REFUSAL = "Not accepted";

export interface QuicAnswerer {
  accept(onPath: (path: Path) => void): () => void;
  close(): void;
}

/** Answers offers of members while somebody accepts paths. */
export function quicAnswerer(shared: QuicShared): QuicAnswerer {
  const { options, socket, meetings } = shared;
  const self = deviceIdOf(options.signer.publicKey);
  const selfKey = publicKeyOf(self);
  const halfOpen = new Map<string, { readonly meeting: Meeting; readonly address: string }>();
  const seen = new Set<string>();
  let onPath: ((path: Path) => void) | undefined;
  const stopServing = options.rendezvous.serve("signal", handle);

  function handle(request: RendezvousRequest): void {
    const decoded = decodeQuicSignal(request.body);
    if (!decoded.ok || onPath === undefined) return request.refuse(REFUSAL);
    const { signal } = decoded;
    // Membership before the signature: strangers shall not make us compute.
    if (signal.from === self || !options.isAdmitted(signal.from)) return request.refuse(REFUSAL);
    if (signal.message.type !== "quicOffer") return request.refuse(REFUSAL);
    onOffer(signal as SignedQuicSignal<QuicOffer>, request);
  }

  function onOffer(signal: SignedQuicSignal<QuicOffer>, request: RendezvousRequest): void {
    const { message } = signal;
    const key = message.id.toHex();
    const forUs = equalBytes(message.to, selfKey) || equalBytes(message.to, ANY_DEVICE);
    if (!forUs || message.meshTag !== options.meshTag() || seen.has(key)) {
      return request.refuse(REFUSAL);
    }
    if (!verifyQuicSignal(signal, options.crypto)) return request.refuse(REFUSAL);
    const sameAddress = [...halfOpen.values()].filter(({ address }) => address === request.from);
    if (halfOpen.size >= HALF_OPEN_MAX || sameAddress.length >= HALF_OPEN_PER_ADDRESS_MAX) {
      return request.refuse("Busy");
    }
    remember(key);
    const { secret, proof } = ownProof(shared);
    const release = (): void => {
      halfOpen.delete(key);
      meetings.delete(key);
    };
    const meeting = beginMeeting({
      role: "answerer",
      clock: options.clock,
      socket,
      id: message.id,
      secret,
      peer: message,
      binding: quicBinding(options.crypto, { id: message.id, offer: message, answer: proof }),
      addresses: dialAddresses({
        candidates: message.candidates,
        seenAt: seenAt(request.from, message.port),
        interfaces: shared.interfaces(),
        ipv6: socket.ipv6,
        port: socket.port,
      }),
      paths: shared.paths,
      withinMs: HALF_OPEN_MS,
      onPath(path) {
        if (onPath === undefined) return path.close("not accepting");
        onPath(path);
      },
      onFailed: () => {},
      onEnd: release,
    });
    halfOpen.set(key, { meeting, address: request.from });
    meetings.set(key, meeting);
    const answer = encodeQuicSignal({
      type: "quicAnswer",
      id: message.id,
      from: selfKey,
      offerHash: options.crypto.sha256(signal.body),
      ...proof,
    }, options.signer);
    request.reply(answer.bytes);
  }

  function remember(key: string): void {
    seen.add(key);
    if (seen.size <= SEEN_MAX) return;
    const [oldest] = seen;
    if (oldest !== undefined) seen.delete(oldest);
  }

  return {
    accept(listener) {
      onPath = listener;
      return () => {
        if (onPath === listener) onPath = undefined;
      };
    },
    close() {
      stopServing();
      onPath = undefined;
      for (const { meeting } of [...halfOpen.values()]) meeting.cancel();
    },
  };
}
