/** Makes bearer tokens for programs. Needs the data folder, not a running node: both share the secret that lies in it. */
import { openTokens, type Scope } from "../gateway/tokens.ts";
import { systemClock } from "../platform/system_clock.ts";
import { systemRandom } from "../platform/system_random.ts";

export { type Scope, SCOPES } from "../gateway/tokens.ts";

export interface TokenRequest {
  readonly dataDirectory: string;
  /** Who it is for: 1–64 visible ASCII characters; limits are counted under this name. */
  readonly subject: string;
  readonly scope: Scope;
  /** At most 366 days. */
  readonly validMs: number;
}

/**
 * Makes a token that a node on this data folder accepts.
 *
 * @throws {TokenSecretError} when the secret cannot be read or made; {RangeError} for a subject or validity out of bounds
 */
export async function mintToken(
  request: TokenRequest,
): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
  const { dataDirectory, subject, scope, validMs } = request;
  const clock = systemClock();
  const tokens = await openTokens({ directory: dataDirectory, clock, random: systemRandom() });
  const token = await tokens.mint({ subject, scope, validMs });
  return { token, expiresAtMs: clock.wallMs() + validMs };
}
