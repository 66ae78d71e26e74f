/**
 * Credentials for TURN servers that expire: user name `expiry:device`, password HMAC-SHA1 of it under a secret that only the server and
 * the devices of the mesh know (coturn's `use-auth-secret`; draft-uberti-behave-turn-rest-00). Nobody has to manage accounts, and what
 * somebody copies from a log is worthless soon after.
 */
import { createHmac } from "node:crypto";
import type { IceServer } from "./webrtc_library.ts";

/** How long credentials let somebody begin to use a server, ms; what has begun goes on. Clocks may be wrong by as much. */
export const TURN_CREDENTIALS_MS = 60 * 60 * 1000;

export interface TurnCredentials {
  readonly username: string;
  readonly credential: string;
}

/** Servers and how a device shows itself to them. */
export interface IceSettings {
  readonly stunServers: readonly string[];
  readonly turnServers: readonly string[];
  /** Shared with the TURN servers; empty: `turnUsername` and `turnPassword` are used. */
  readonly turnSecret: string;
  readonly turnUsername: string;
  readonly turnPassword: string;
}

/** Makes credentials that are valid until `nowMs + validMs` (wall clock). */
export function turnCredentials(options: {
  readonly secret: string;
  /** Names the device in the server's log; at most 64 characters are used. */
  readonly device: string;
  readonly nowMs: number;
  readonly validMs?: number;
}): TurnCredentials {
  const { secret, device, nowMs, validMs = TURN_CREDENTIALS_MS } = options;
  const username = `${Math.floor((nowMs + validMs) / 1_000)}:${device.slice(0, 64)}`;
  return { username, credential: createHmac("sha1", secret).update(username).digest("base64") };
}

/** The servers for one connection, with credentials that were made for it. */
export function iceServers(
  settings: IceSettings,
  { device, nowMs }: { readonly device: string; readonly nowMs: number },
): readonly IceServer[] {
  const { stunServers, turnServers, turnSecret, turnUsername, turnPassword } = settings;
  const credentials = turnSecret !== ""
    ? turnCredentials({ secret: turnSecret, device, nowMs })
    : { username: turnUsername, credential: turnPassword };
  return [
    ...stunServers.map((urls) => ({ urls })),
    ...turnServers.map((urls) => ({ urls, ...credentials })),
  ];
}
