/** What every transport that is signalled does alike when it dials: whom it means, what it believes of an answer, and how it stops. */
import { equalBytes } from "../protocols/codec.ts";
import { type DeviceId, deviceIdOf, parseDeviceId } from "../protocols/ids.ts";
import type { SignalOutcome, Signed } from "../protocols/session/signed_signal.ts";
import type { Clock, Crypto, Random, Signer } from "./ports.ts";
import type { DialTarget, Rendezvous, Transport } from "./transport.ts";

/** What a transport that is signalled needs, whatever carries its frames. */
export interface SignallingOptions {
  readonly signer: Signer;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly rendezvous: Rendezvous;
  /** Is this device an admitted member now? */
  readonly isAdmitted: (device: DeviceId) => boolean;
  /** As announced by discovery: eight hex digits, empty while we belong to no mesh. */
  readonly meshTag: () => string;
}

/** The device that is meant; null: whoever of the mesh is there. Throws when it is named by what is no device id. */
export function expectedDevice({ deviceId }: DialTarget): DeviceId | null {
  if (deviceId === "") return null;
  const expected = parseDeviceId(deviceId);
  if (expected !== undefined) return expected;
  throw new Error(`device id is "${deviceId}", expected 52 base32 characters or none`);
}

/** What messages of every kind say. */
interface SignalParts {
  readonly type: string;
  readonly id: Uint8Array;
}

/** The answer among the messages of a kind: it names the offer that it belongs to. */
type AnswerOf<Message> = Extract<Message, { readonly offerHash: Uint8Array }>;

/** The answer to our offer, from a member that we may have meant. Throws with what is wrong with it. */
export function checkedAnswer<Message extends SignalParts>(
  { crypto, isAdmitted, signer }: Pick<SignallingOptions, "crypto" | "isAdmitted" | "signer">,
  { decoded, type, verify, offer, expected }: {
    readonly decoded: SignalOutcome<Message>;
    readonly type: AnswerOf<Message>["type"];
    readonly verify: (signal: Signed<Message>, crypto: Crypto) => boolean;
    readonly offer: { readonly id: Uint8Array; readonly body: Uint8Array };
    readonly expected: DeviceId | null;
  },
): AnswerOf<Message> {
  if (!decoded.ok) throw new Error(`answer cannot be read: ${decoded.reason}`);
  const { message, from } = decoded.signal;
  const isAnswer = (one: Message): one is AnswerOf<Message> => one.type === type;
  if (!isAnswer(message)) throw new Error(`reply is ${message.type}, expected ${type}`);
  if (!equalBytes(message.id, offer.id)) throw new Error("answer has another id");
  if (from === deviceIdOf(signer.publicKey)) throw new Error("this address is our own");
  if (expected !== null && from !== expected) {
    throw new Error(`device there is ${from}, expected ${expected}`);
  }
  if (!isAdmitted(from)) throw new Error(`device there is ${from}, which is not admitted`);
  if (!equalBytes(message.offerHash, crypto.sha256(offer.body))) {
    throw new Error("answer belongs to another offer");
  }
  if (!verify(decoded.signal, crypto)) throw new Error("signature of the answer is wrong");
  return message;
}

/** Dials that have no outcome yet, so that a transport that closes can cancel them. */
export function cancellable(dial: Transport["dial"]): {
  readonly dial: Transport["dial"];
  cancelAll(): void;
} {
  const underWay = new Set<() => void>();
  return {
    dial(target, onOutcome) {
      const cancel = dial(target, (outcome) => {
        underWay.delete(cancel);
        onOutcome(outcome);
      });
      underWay.add(cancel);
      return () => {
        underWay.delete(cancel);
        cancel();
      };
    },
    cancelAll() {
      for (const cancel of [...underWay]) cancel();
    },
  };
}
