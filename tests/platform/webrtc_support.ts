/** Two WebRTC transports in one process, signalled through a real door on loopback or through memory. */
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Rendezvous, RendezvousRequest } from "../../platform/transport.ts";
import type { WebRtcLibraryName } from "../../platform/webrtc_library.ts";
import { type WebRtcOptions, webrtcTransport } from "../../platform/webrtc_transport.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";

/** A rendezvous that calls the handler in memory; `tamper` stands for whoever sits between. */
export class MemoryRendezvous {
  readonly #handlers = new Map<string, (request: RendezvousRequest) => void>();
  tamper: (body: Uint8Array, direction: "request" | "reply") => Uint8Array = (body) => body;
  readonly refusals: string[] = [];

  at(address: string): Rendezvous {
    return {
      request: (options, onReply) => {
        let cancelled = false;
        queueMicrotask(() => {
          const handler = this.#handlers.get(`${options.address}/${options.channel}`);
          if (handler === undefined) {
            if (!cancelled) onReply({ type: "failed", reason: "nobody there" });
            return;
          }
          handler({
            from: address,
            body: this.tamper(options.body, "request"),
            reply: (body) => {
              if (!cancelled) onReply({ type: "reply", body: this.tamper(body, "reply") });
            },
            refuse: (reason) => {
              this.refusals.push(reason);
              if (!cancelled) onReply({ type: "refused", reason });
            },
          });
        });
        return () => cancelled = true;
      },
      serve: (channel, handler) => {
        this.#handlers.set(`${address}/${channel}`, handler);
        return () => this.#handlers.delete(`${address}/${channel}`);
      },
    };
  }
}

export interface TestEnd {
  readonly id: DeviceId;
  readonly options: WebRtcOptions;
}

/** What a transport of a new device needs; members are decided by `isAdmitted`. */
export function testEnd(options: {
  readonly rendezvous: Rendezvous;
  readonly library: WebRtcLibraryName;
  readonly isAdmitted?: (device: DeviceId) => boolean;
  readonly seed?: number;
}): TestEnd {
  const random = systemRandom();
  const signer = nodeSigner(random.bytes(32));
  return {
    id: deviceIdOf(signer.publicKey),
    options: {
      signer,
      crypto: nodeCrypto(),
      clock: systemClock(),
      random,
      rendezvous: options.rendezvous,
      isAdmitted: options.isAdmitted ?? (() => true),
      meshTag: () => "0a1b2c3d",
      library: options.library,
    },
  };
}

export { webrtcTransport };
