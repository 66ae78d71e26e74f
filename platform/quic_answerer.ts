/** The answering side of QUIC signalling. */
import {
  decodeQuicSignal,
  encodeQuicSignal,
  quicBinding,
  type QuicOffer,
  verifyQuicSignal,
} from "../protocols/session/quic_signalling.ts";
import type { Signed } from "../protocols/session/signed_signal.ts";
import { type Answerer, answering } from "./answering.ts";
import { dialAddresses, seenAt } from "./quic_addresses.ts";
import { beginMeeting } from "./quic_meeting.ts";
import { ownProof, type QuicShared } from "./quic_shared.ts";
import { REFUSAL } from "./signal_requests.ts";
import type { RendezvousRequest } from "./transport.ts";

/** An attempt that has no path by then is over, ms. */
const HALF_OPEN_MS = 6_000;

/** Answers offers of members while somebody accepts paths. */
export function quicAnswerer(shared: QuicShared): Answerer {
  const { options, socket, meetings } = shared;
  const answers = answering(options, handle);

  function handle(request: RendezvousRequest): void {
    const decoded = decodeQuicSignal(request.body);
    if (!decoded.ok || !answers.hears(decoded.signal.from)) return request.refuse(REFUSAL);
    const { message } = decoded.signal;
    if (message.type !== "quicOffer") return request.refuse(REFUSAL);
    onOffer({ ...decoded.signal, message }, request);
  }

  function onOffer(signal: Signed<QuicOffer>, request: RendezvousRequest): void {
    const { message } = signal;
    const key = message.id.toHex();
    const refusal = answers.refusalOf(message, {
      address: request.from,
      isSigned: () => verifyQuicSignal(signal, options.crypto),
    });
    if (refusal !== undefined) return request.refuse(refusal);
    const { secret, proof } = ownProof(shared);
    const release = (): void => {
      answers.halfOpen.delete(key);
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
      onPath: answers.handOver,
      onFailed: () => {},
      onEnd: release,
    });
    answers.halfOpen.set(key, { address: request.from, end: meeting.cancel });
    meetings.set(key, meeting);
    const answer = encodeQuicSignal({
      type: "quicAnswer",
      id: message.id,
      from: options.signer.publicKey,
      offerHash: options.crypto.sha256(signal.body),
      ...proof,
    }, options.signer);
    request.reply(answer.bytes);
  }

  return answers;
}
