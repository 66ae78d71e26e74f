/** A gateway on a fake node, with a clock that the test moves and tokens that the test minted. */
import assert from "node:assert/strict";
import type { Clock, Log } from "../../platform/ports.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { createApp, type Gateway } from "../../gateway/app.ts";
import type { GatewayLimits } from "../../gateway/environment.ts";
import type { BackupVault } from "../../store/backup_vault.ts";
import { openTokens, OWNER, type Scope, type Tokens } from "../../gateway/tokens.ts";
import { type FakeNode, fakeNode } from "./fake_node.ts";

/** Time that stands still until `advance`. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  timers(): number;
}

export function manualClock(): ManualClock {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; callback: () => void }>();
  return {
    wallMs: () => 1_795_000_000_000 + nowMs,
    monotonicMs: () => nowMs,
    schedule(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...timers]) {
        if (timer.atMs <= nowMs && timers.delete(timer)) timer.callback();
      }
    },
    timers: () => timers.size,
  };
}

/** The system's generator; tests of the gateway need no reproducible secrets. */
export const random = systemRandom();

export const silent: Log = { write: () => {} };

export interface Fixture {
  readonly gateway: Gateway;
  readonly node: FakeNode;
  readonly clock: ManualClock;
  readonly tokens: Tokens;
  readonly directory: string;
  readonly log: string[];
  /** Calls the app as the owner; `token: null` as a stranger. */
  request(
    path: string,
    init?: RequestInit & { token?: string | null; json?: unknown },
  ): Promise<Response>;
  mint(subject: string, scope: Scope): Promise<string>;
}

/** Runs `test` with a fresh gateway and cleans up after it. */
export async function withGateway(
  test: (fixture: Fixture) => Promise<void>,
  options: { limits?: Partial<GatewayLimits>; backups?: BackupVault } = {},
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "submind-gateway-" });
  const clock = manualClock();
  const node = fakeNode();
  const tokens = await openTokens({ directory, clock, random });
  const lines: string[] = [];
  const log: Log = {
    write: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
  };
  const gateway = createApp({ node, tokens, clock, random, log, ...options });
  const mint = (subject: string, scope: Scope) =>
    tokens.mint({ subject, scope, validMs: 3_600_000 });
  const owner = await mint(OWNER, "full");
  try {
    await test({
      gateway,
      node,
      clock,
      tokens,
      directory,
      log: lines,
      mint,
      async request(path, { token, json, ...init } = {}) {
        const headers = new Headers(init.headers);
        if (token !== null && !headers.has("Authorization")) {
          headers.set("Authorization", `Bearer ${token ?? owner}`);
        }
        if (json !== undefined) headers.set("Content-Type", "application/json");
        const body = json === undefined ? init.body ?? null : JSON.stringify(json);
        const request = new Request(`http://localhost${path}`, { ...init, headers, body });
        return await gateway.app.fetch(request, { remoteAddress: "127.0.0.1" });
      },
    });
  } finally {
    await gateway.close();
    assert.equal(clock.timers(), 0, "a closed gateway leaves no timer behind");
    assert.equal(node.watchers(), 0, "a closed gateway watches nothing");
    await Deno.remove(directory, { recursive: true });
  }
}

/** Adds a text and returns its id. */
export async function addText(
  { request }: Pick<Fixture, "request">,
  text: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const response = await request("/v1/blocks", {
    method: "POST",
    json: { topic: "notes", text, ...more },
  });
  assert.equal(response.status, 201, await response.clone().text());
  return (await response.json()).blocks[0].id;
}
