/** The ledger as a setting of the store. */
import { type Ledger, openLedger } from "../../learning/privacy/ledger.ts";
import { decodeLedger, encodeLedger } from "../../learning/privacy/ledger_codec.ts";
import { ONCE_PREFIX } from "../../store/store.ts";
import type { Decoded } from "../../protocols/wire_schema.ts";

export {
  charge,
  chargedRounds,
  type Ledger,
  openRun,
  spentOf,
  withLimit,
} from "../../learning/privacy/ledger.ts";

/** Setting: the ledger, base64 of its canonical bytes. */
export const LEDGER_KEY = "learning/ledger";
/**
 * Settings: secrets of charged rounds. None comes back from a backup: the word about survivors that its noise was signed under may be missing there, and the
 * same noise under other survivors would be a second release at the price of one.
 */
export const SECRET_PREFIX = `${ONCE_PREFIX}learning/secret/`;
/** δ of a device's lifetime. */
const DELTA = 1e-5;

export function ledgerSetting(ledger: Ledger): Readonly<Record<string, string>> {
  return { [LEDGER_KEY]: encodeLedger(ledger).toBase64() };
}

export function secretSetting(key: string): string {
  return `${SECRET_PREFIX}${key}`;
}

/** The ledger on the disk; a fresh one when there is none. */
export function decodeStoredLedger(stored: unknown, epsilonMax: number): Decoded<Ledger> {
  if (stored === undefined) {
    return { ok: true, message: openLedger({ epsilon: epsilonMax, delta: DELTA }) };
  }
  if (typeof stored !== "string") return { ok: false, reason: "it is no text" };
  try {
    return decodeLedger(Uint8Array.fromBase64(stored));
  } catch {
    return { ok: false, reason: "it is no base64" };
  }
}
