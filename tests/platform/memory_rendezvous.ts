/** Signalling between transports in one process. */
import type { Rendezvous, RendezvousRequest } from "../../platform/transport.ts";

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
