/**
 * What every transport that is signalled does alike when others dial: offers are answered while somebody accepts paths, and bounded before
 * anything is dialled or allocated for them, by membership, freshness and number.
 */
import { equalBytes } from "../protocols/codec.ts";
import { type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import { ANY_DEVICE } from "../protocols/session/signed_signal.ts";
import { REFUSAL } from "./signal_requests.ts";
import type { SignallingOptions } from "./signalling.ts";
import type { Path, RendezvousRequest } from "./transport.ts";

/** Attempts of others that have no path yet, at most. */
export const HALF_OPEN_MAX = 64;
/** The same per address. */
export const HALF_OPEN_PER_ADDRESS_MAX = 8;
/** Ids of offers that are remembered, so that none is answered twice. */
const SEEN_MAX = 4_096;
/** What a member is told whose offer would be one too many. */
const BUSY = "Busy";

/** The side of a transport that answers. */
export interface Answerer {
  /** As `accept` of the transport. */
  accept(onPath: (path: Path) => void): () => void;
  /** Answers nobody any more, and ends what is half open. */
  close(): void;
}

/** An attempt of somebody else that has no path yet. */
export interface HalfOpen {
  /** Where its offer came from, as in `RendezvousRequest.from`. */
  readonly address: string;
  end(): void;
}

/** What offers of every kind say. */
interface OfferParts {
  readonly id: Uint8Array;
  readonly meshTag: string;
  readonly to: Uint8Array;
}

/** The checks and the bookkeeping behind an `Answerer`. */
export interface Answering<Attempt extends HalfOpen> extends Answerer {
  /** By the hex digits of the offer's id. Whoever answers adds, and removes what is over. */
  readonly halfOpen: Map<string, Attempt>;
  /** True for other members while somebody accepts paths. Asked before the signature: strangers shall not make us compute. */
  hears(from: DeviceId): boolean;
  /** Why an offer is not answered; undefined when it is, and will not be again. */
  refusalOf(
    offer: OfferParts,
    check: { readonly address: string; readonly isSigned: () => boolean },
  ): string | undefined;
  /** Hands over a path that has opened. */
  handOver(path: Path): void;
}

/** Serves the channel of signals with `handle`. */
export function answering<Attempt extends HalfOpen>(
  options: SignallingOptions,
  handle: (request: RendezvousRequest) => void,
): Answering<Attempt> {
  const selfKey = options.signer.publicKey;
  const self = deviceIdOf(selfKey);
  const halfOpen = new Map<string, Attempt>();
  const seen = new Set<string>();
  let onPath: ((path: Path) => void) | undefined;
  const stopServing = options.rendezvous.serve("signal", handle);

  function remember(key: string): void {
    seen.add(key);
    if (seen.size <= SEEN_MAX) return;
    const [oldest] = seen;
    if (oldest !== undefined) seen.delete(oldest);
  }

  return {
    halfOpen,
    hears: (from) => onPath !== undefined && from !== self && options.isAdmitted(from),
    refusalOf(offer, { address, isSigned }) {
      const key = offer.id.toHex();
      const isForUs = equalBytes(offer.to, selfKey) || equalBytes(offer.to, ANY_DEVICE);
      if (!isForUs || offer.meshTag !== options.meshTag() || seen.has(key)) return REFUSAL;
      if (!isSigned()) return REFUSAL;
      const sameAddress = [...halfOpen.values()].filter((other) => other.address === address);
      if (halfOpen.size >= HALF_OPEN_MAX) return BUSY;
      if (sameAddress.length >= HALF_OPEN_PER_ADDRESS_MAX) return BUSY;
      remember(key);
      return undefined;
    },
    handOver(path) {
      if (onPath === undefined) return path.close("not accepting");
      onPath(path);
    },
    accept(listener) {
      onPath = listener;
      return () => {
        if (onPath === listener) onPath = undefined;
      };
    },
    close() {
      stopServing();
      onPath = undefined;
      for (const attempt of [...halfOpen.values()]) attempt.end();
    },
  };
}
