/** What the parts of the gateway share: its options, limits, and what a request carries. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { NodeHandle, Outcome } from "../actors/handle.ts";
import type { Clock, Log, Random } from "../platform/ports.ts";
import type { BackupVault } from "../store/backup_vault.ts";
import type { EventHub } from "./event_hub.ts";
import type { LoginCodes } from "./login_codes.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { RelaySample } from "./relay_metrics.ts";
import type { Principal, Tokens } from "./tokens.ts";

/** Bounds of the gateway. */
export interface GatewayLimits {
  /** Largest body of a request that adds blocks, bytes. */
  readonly bodyBytesMax: number;
  /** Requests of one token in one minute. */
  readonly requestsPerMinute: number;
  /** Requests of the person at this machine in one minute: higher, so that the page is never throttled. */
  readonly ownerRequestsPerMinute: number;
  /** Requests without a valid token from one address in one minute. */
  readonly strangerRequestsPerMinute: number;
  /** Requests of a token of scope "backup" in one minute: each brings or fetches a piece. */
  readonly backupRequestsPerMinute: number;
  /** Per action ("POST /v1/verify") and token in one minute, beside the general limit. */
  readonly actionsPerMinute: Readonly<Record<string, number>>;
}

/** 64 MiB bodies; 100 requests a minute for a token, 6,000 for the owner; few of what is costly or guessable. */
export const DEFAULT_LIMITS: GatewayLimits = {
  bodyBytesMax: 64 * 1024 * 1024,
  requestsPerMinute: 100,
  ownerRequestsPerMinute: 6_000,
  strangerRequestsPerMinute: 100,
  backupRequestsPerMinute: 6_000,
  actionsPerMinute: {
    "POST /v1/verify": 6,
    "POST /v1/backup": 6,
    "POST /v1/pairings": 12,
    "POST /v1/invites": 30,
    "POST /page/invites": 30,
    "POST /v1/login-codes": 30,
  },
};

/** Bodies of every other request, bytes. */
export const SMALL_BODY_BYTES_MAX = 64 * 1024;

export interface GatewayOptions {
  readonly node: NodeHandle;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<GatewayLimits>;
  /** Host names besides the loopback ones that requests may be addressed to, without port. */
  readonly allowedHosts?: readonly string[];
  /** Where backups of other devices are kept. Absent: none are. */
  readonly backups?: BackupVault;
  /** NATS servers around this node, for its metrics. Absent: there are none. */
  readonly relays?: () => Promise<readonly RelaySample[]>;
  /** Leaves the mesh, which ends this node and starts another one: only whoever runs the node can. Absent: nobody can. */
  readonly leaveMesh?: (options: { readonly bring: boolean }) => Promise<Outcome<null>>;
  /** Whether the listener speaks TLS: cookies are then only sent over TLS. */
  readonly secure?: boolean;
}

/** What every route gets. */
export interface GatewayParts extends Omit<GatewayOptions, "limits" | "allowedHosts" | "secure"> {
  readonly limits: GatewayLimits;
  readonly allowedHosts: readonly string[];
  readonly secure: boolean;
  readonly events: EventHub;
  readonly logins: LoginCodes;
  readonly metrics: GatewayMetrics;
}

/** What Hono carries with a request. A type and not an interface: Hono wants an index signature. */
export type GatewayEnv = {
  Bindings: { readonly remoteAddress?: string };
  Variables: {
    principal: Principal | undefined;
    /** Asks anew whether the token of this request is still good: for answers that take long. */
    isStillAllowed: () => Promise<boolean>;
  };
};

export type GatewayHono = OpenAPIHono<GatewayEnv>;

/** The name of the cookie that holds a browser's token. */
export const COOKIE = "submind";
