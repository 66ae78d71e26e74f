/** bcrypt of passwords that this program has drawn itself, in the form that nats-server takes for MQTT users. */
import { compareSync, encodeBase64, hashSync } from "bcryptjs";
import type { Random } from "./ports.ts";

/** Of bcrypt: 2^4 rounds, the least there is. Our passwords have 128 bits: nobody guesses them however fast the hash is. */
const COST = "04";
const SALT_BYTES = 16;

/** The hash of `password` with a salt from `random`: "$2b$04$…", 60 characters. */
export function hashPassword(password: string, random: Random): string {
  const salt = encodeBase64([...random.bytes(SALT_BYTES)], SALT_BYTES);
  return hashSync(password, `$2b$${COST}$${salt}`);
}

/** True when `hash` was made of `password`. Never throws. */
export function checkPassword(password: string, hash: string): boolean {
  try {
    return compareSync(password, hash);
  } catch {
    return false;
  }
}
