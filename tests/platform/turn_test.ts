/** TURN: credentials by themselves, and WebRTC over a real coturn on loopback. */
import assert from "node:assert/strict";
import { DENIED_PEERS, turnServerConfig } from "../../deployments/coturn/turnserver_conf.ts";
import type { DialOutcome, Path } from "../../platform/transport.ts";
import { iceServers, turnCredentials } from "../../platform/turn_credentials.ts";
import type { IceServer } from "../../platform/webrtc_library.ts";
import { startCoturn, TURN_SECRET, whyNoCoturn } from "./turn_support.ts";
import { MemoryRendezvous, testEnd, webrtcTransport } from "./webrtc_support.ts";
import { skipped } from "../skipped.ts";

Deno.test("TURN credentials are what coturn computes from the shared secret", () => {
  // openssl: printf %s 1893456000:anna | openssl dgst -sha1 -hmac north -binary | base64
  const made = turnCredentials({
    secret: "north",
    device: "anna",
    nowMs: 1_893_452_400_000,
    validMs: 3_600_000,
  });
  assert.equal(made.username, "1893456000:anna");
  const settings = {
    stunServers: ["stun:stun.example:3478"],
    turnServers: ["turn:turn.example:3478"],
    turnSecret: "",
    turnUsername: "anna",
    turnPassword: "north",
  };
  assert.deepEqual(iceServers(settings, { device: "x", nowMs: 0 }), [
    { urls: "stun:stun.example:3478" },
    { urls: "turn:turn.example:3478", username: "anna", credential: "north" },
  ]);
  const minted = iceServers({ ...settings, turnSecret: "north" }, { device: "anna", nowMs: 0 });
  assert.equal(minted[1]?.username, "3600:anna");
});

Deno.test("TURN credentials agree with openssl", async () => {
  const { username, credential } = turnCredentials({ secret: "north", device: "anna", nowMs: 0 });
  const child = new Deno.Command("openssl", {
    args: ["dgst", "-sha1", "-hmac", "north", "-binary"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(username));
  await writer.close();
  assert.equal((await child.output()).stdout.toBase64(), credential);
});

Deno.test("the configuration of a TURN server closes what strangers would look for, and takes no second line", () => {
  const config = turnServerConfig({ realm: "turn.example.org", secret: "s" });
  const lines = new Set(config.split("\n"));
  for (const line of ["use-auth-secret", "no-tcp-relay", "no-cli", "no-multicast-peers"]) {
    assert.ok(lines.has(line), line);
  }
  for (const range of DENIED_PEERS) assert.ok(lines.has(`denied-peer-ip=${range}`));
  assert.ok(!config.includes("allow-loopback-peers"));
  assert.throws(() => turnServerConfig({ realm: "a\nno-auth", secret: "s" }), RangeError);
  const example = Deno.readTextFileSync(
    new URL("../../deployments/coturn/turnserver.example.conf", import.meta.url),
  );
  assert.equal(
    example,
    turnServerConfig({ realm: "turn.example.org", secret: "replace-me-with-openssl-rand-hex-32" }),
  );
});

const ignore = skipped("TURN with coturn", await whyNoCoturn());
// The native library keeps threads and handles of its own.
const withCoturn = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name,
    ignore,
    // The native library keeps threads of its own, which end on later turns of the event loop.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      try {
        await fn();
      } finally {
        await stopLast();
      }
    },
  });

/** As many as showed the loss in more than half of the runs. */
const CONNECTS = 24;

/** Ends what the last test has started, whatever became of the test. */
let stopLast: () => Promise<void> = () => Promise.resolve();

/** Two ends that may use nothing but the TURN server. */
async function overTurn(server: (port: number) => IceServer) {
  const coturn = await startCoturn();
  const net = new MemoryRendezvous();
  const library = "node-datachannel";
  const servers = () => [server(coturn.port)];
  const made = ["a", "b"].map((name) => testEnd({ rendezvous: net.at(name), library }));
  const [endA, endB] = made as [typeof made[0], typeof made[0]];
  const [a, b] = await Promise.all(
    [endA, endB].map((end) =>
      webrtcTransport({ ...end!.options, iceServers: servers, icePolicy: "relay" })
    ),
  );
  stopLast = async () => {
    stopLast = () => Promise.resolve();
    await Promise.all([a!.close(), b!.close()]);
    await coturn.stop();
  };
  const accepted = new Promise<Path>((resolve) => void b!.accept(resolve));
  const dial = () =>
    new Promise<DialOutcome>((resolve) =>
      a!.dial({ deviceId: endB!.id, addresses: ["b"] }, resolve)
    );
  return { dial, outcome: await dial(), accepted, coturn };
}

withCoturn("two devices that may only be relayed connect over TURN, and say so", async () => {
  const { outcome, accepted } = await overTurn((port) => ({
    urls: `turn:127.0.0.1:${port}`,
    ...turnCredentials({ secret: TURN_SECRET, device: "anna", nowMs: Date.now() }),
  }));
  assert.ok(outcome.type === "opened", JSON.stringify(outcome));
  const theirs = await accepted;
  for (const path of [outcome.path, theirs]) {
    // The other end's candidates may still be under way.
    for (let wait = 0; wait < 100 && !path.relayed; wait++) {
      await new Promise<void>((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(path.relayed, true, path.description);
    assert.match(path.description, /^webrtc relay 127\.0\.0\.1:\d+$/);
  }
  const received = new Promise<string>((resolve) =>
    theirs.listen((event) => event.type === "frame" && resolve(event.frame.toHex()))
  );
  outcome.path.send(Uint8Array.of(0xab, 0xcd));
  assert.equal(await received, "abcd");
});

withCoturn("of many connects over TURN none needs a second attempt", async () => {
  const { dial, outcome, coturn } = await overTurn((port) => ({
    urls: `turn:127.0.0.1:${port}`,
    ...turnCredentials({ secret: TURN_SECRET, device: "anna", nowMs: Date.now() }),
  }));
  const all = [outcome];
  for (let index = 1; index < CONNECTS; index++) all.push(await dial());
  for (const one of all) {
    assert.ok(one.type === "opened", JSON.stringify(one));
    one.path.close("tested");
  }
  // An attempt takes one relayed address for each end.
  assert.equal([...coturn.log().matchAll(/: new, realm=/g)].length, 2 * CONNECTS);
});

for (
  const [what, credentials] of [
    [
      "expired",
      (nowMs: number) =>
        turnCredentials({ secret: TURN_SECRET, device: "anna", nowMs: nowMs - 7_200_000 }),
    ],
    ["forged", (nowMs: number) => turnCredentials({ secret: "other", device: "anna", nowMs })],
  ] as const
) {
  withCoturn(`${what} TURN credentials are refused, and the dial says why it failed`, async () => {
    const { outcome, coturn } = await overTurn((port) => ({
      urls: `turn:127.0.0.1:${port}`,
      ...credentials(Date.now()),
    }));
    assert.ok(outcome.type === "failed");
    assert.match(outcome.reason, /no TURN server gave us an address: it refused the credentials/);
    assert.match(coturn.log(), /401|Unauthorized|check_stun_auth/);
  });
}
