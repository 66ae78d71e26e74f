/**
 * Rendezvous over a broker, for the "signal" channel: so that devices in two homes can exchange what WebRTC and QUIC need to open a direct
 * path. Requests and replies lie under the mesh's veil. Pairing is not served here: who is paired is not a member yet, so nothing could
 * keep strangers of the whole broker from knocking; people pair where both devices are.
 */
import { isPlainSubject, signalSubject } from "../protocols/bridge/subjects.ts";
import { SourceBudget } from "../protocols/discovery/source_budget.ts";
import { deviceIdOf, publicKeyOf } from "../protocols/ids.ts";
import type { BrokerMessage, BrokerReply } from "./broker.ts";
import type { BrokerMesh, MeshOnBroker } from "./broker_mesh.ts";
import { BROKER_ADDRESS_PREFIX, brokerAddressee } from "./broker_transport.ts";
import type { Clock } from "./ports.ts";
import {
  type Rendezvous,
  RENDEZVOUS_BYTES_MAX,
  type RendezvousReply,
  type RendezvousRequest,
} from "./transport.ts";

const VERSION = 1;
/** Version and public key in front of a request's body. */
const REQUEST_HEADER_BYTES = 33;
const [REFUSED, REPLY] = [0, 1];
/** Longest reason of a refusal, bytes. */
const REASON_BYTES_MAX = 200;

export interface BrokerRendezvous extends Rendezvous {
  /** Messages that were not under the veil of our mesh, malformed, or too many of one sender. */
  ignored(): number;
  close(): void;
}

/** Serves and asks over the broker, whichever mesh this device belongs to. */
export function brokerRendezvous(
  options: { readonly mesh: BrokerMesh; readonly clock: Clock },
): BrokerRendezvous {
  const { mesh, clock } = options;
  const { broker, self } = mesh;
  const budget = new SourceBudget();
  let handler: ((request: RendezvousRequest) => void) | undefined;
  let ignored = 0;

  const stop = mesh.subscribe((tag) => signalSubject(tag, self), onRequest);

  function onRequest({ bytes, replyTo }: BrokerMessage, current: MeshOnBroker): void {
    const plain = replyTo === null ? undefined : current.veil.lift("signal", self, bytes);
    if (
      replyTo === null || !isPlainSubject(replyTo) || plain === undefined ||
      plain[0] !== VERSION ||
      plain.length < REQUEST_HEADER_BYTES ||
      plain.length > REQUEST_HEADER_BYTES + RENDEZVOUS_BYTES_MAX
    ) {
      ignored++;
      return;
    }
    const from = deviceIdOf(plain.subarray(1, REQUEST_HEADER_BYTES));
    if (!budget.allows(from, clock.monotonicMs())) {
      ignored++;
      return;
    }
    let answered = false;
    const answer = (kind: number, body: Uint8Array): void => {
      if (answered) return;
      answered = true;
      const reply = new Uint8Array(1 + body.length);
      reply[0] = kind;
      reply.set(body, 1);
      broker.publish(replyTo, current.veil.cover("signal reply", from, reply));
    };
    const refuse = (reason: string): void =>
      answer(REFUSED, new TextEncoder().encode(reason).subarray(0, REASON_BYTES_MAX));
    if (handler === undefined) return refuse("nothing is served here");
    handler({
      from: `${BROKER_ADDRESS_PREFIX}${from}`,
      body: plain.slice(REQUEST_HEADER_BYTES),
      reply: (body) => answer(REPLY, body),
      refuse,
    });
  }

  return {
    request({ address, channel, body, timeoutMs }, onReply) {
      const device = brokerAddressee(address);
      const current = mesh.current();
      const problem = channel !== "signal"
        ? "pairing does not go over a broker"
        : device === undefined
        ? `"${address}" names no device on a broker`
        : current === null
        ? "this device belongs to no mesh"
        : body.length > RENDEZVOUS_BYTES_MAX
        ? `body has ${body.length} bytes, expected <= ${RENDEZVOUS_BYTES_MAX}`
        : null;
      if (problem !== null) {
        return clock.schedule(0, () => onReply({ type: "failed", reason: problem }));
      }
      const plain = new Uint8Array(REQUEST_HEADER_BYTES + body.length);
      plain[0] = VERSION;
      plain.set(publicKeyOf(self), 1);
      plain.set(body, REQUEST_HEADER_BYTES);
      return broker.request({
        subject: signalSubject(current!.tag, device!),
        bytes: current!.veil.cover("signal", device!, plain),
        timeoutMs,
      }, (reply) => onReply(read(reply, current!)));
    },
    serve(channel, next) {
      if (channel !== "signal") return () => {};
      handler = next;
      return () => {
        if (handler === next) handler = undefined;
      };
    },
    ignored: () => ignored,
    close: stop,
  };

  function read(reply: BrokerReply, current: MeshOnBroker): RendezvousReply {
    if (reply.type === "nobody") {
      return { type: "failed", reason: "the device is not connected to the broker" };
    }
    if (reply.type === "failed") return reply;
    const plain = current.veil.lift("signal reply", self, reply.bytes);
    const body = plain?.subarray(1);
    if (plain?.[0] === REPLY && body!.length <= RENDEZVOUS_BYTES_MAX) {
      return { type: "reply", body: body!.slice() };
    }
    if (plain?.[0] === REFUSED && body!.length <= REASON_BYTES_MAX) {
      const reason = new TextDecoder().decode(body).replace(/[\p{Cc}\p{Cf}]/gu, "");
      return { type: "refused", reason };
    }
    return { type: "failed", reason: "the answer is not of our mesh" };
  }
}
