/** Names that strangers bring: shown to people beside a question of trust, so they must not play tricks with the screen. */
import { isWireText } from "../codec.ts";
import { PAIRING_LIMITS } from "./messages.ts";

/** Control characters move the cursor of a terminal, bidirectional ones turn a line round. */
const UNFIT = /[\p{Cc}\p{Bidi_Control}\ufeff]/u;
const utf8 = new TextEncoder();

/** True for text of at most 63 bytes of UTF-8 without control characters. */
export function isFittingName(name: string): boolean {
  return isWireText(name) && !UNFIT.test(name) &&
    utf8.encode(name).length <= PAIRING_LIMITS.displayNameBytes;
}

/** The name with everything taken out or cut off that does not fit. */
export function fittingName(name: string): string {
  const characters = [...name.toWellFormed()].filter((character) => !UNFIT.test(character));
  while (utf8.encode(characters.join("")).length > PAIRING_LIMITS.displayNameBytes) {
    characters.pop();
  }
  return characters.join("");
}
