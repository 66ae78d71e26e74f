/** The keys of masks. An agreement for each pair is what a coordinator's masks cost beside their streams, so whoever has other cores makes them there. */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto } from "../../platform/ports.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { agreed, keyPairOf } from "./agreements.ts";
import type { MaskJob } from "./mask_work.ts";
import { pairMaskKey, selfMaskKey } from "./transcripts.ts";

/** A mask whose key is still to be made. */
export type MaskOrder =
  & {
    /** Hash of the roster. */
    readonly roster: Uint8Array;
    readonly sign: 1 | -1;
  }
  & (
    | { readonly type: "self"; readonly seed: Uint8Array }
    | {
      readonly type: "pair";
      /** The mask secret of one of both. */
      readonly secret: Uint8Array;
      /** The mask key of the other. */
      readonly publicKey: Uint8Array;
      /** Both, by their place in the roster. */
      readonly earlier: DeviceId;
      readonly later: DeviceId;
    }
  );

/** What the keys need of the Crypto port. */
export type MaskKeyCrypto = Pick<Crypto, "agreementKeyPair" | "hkdf">;

/** The masks with their keys, in the same order. Mask keys of low order do not get into a roster: with one it throws. */
export function maskKeys(crypto: MaskKeyCrypto, orders: readonly MaskOrder[]): MaskJob[] {
  return orders.map((order) => ({ key: keyOf(crypto, order), sign: order.sign }));
}

function keyOf(crypto: MaskKeyCrypto, order: MaskOrder): Uint8Array {
  const { roster } = order;
  if (order.type === "self") return selfMaskKey(crypto, order.seed, roster);
  const { secret, publicKey, earlier, later } = order;
  const shared = agreed(keyPairOf(crypto, secret), publicKey);
  invariant(
    shared !== undefined,
    () => `Cannot make the mask of ${earlier} and ${later}: a mask key has low order`,
  );
  return pairMaskKey(crypto, { agreed: shared, roster, earlier, later });
}
