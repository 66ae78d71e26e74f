/** Both WebRTC libraries against the transport contract, and signalling against strangers and middle boxes. */
import assert from "node:assert/strict";
import type { DialOutcome } from "../../platform/transport.ts";
import { HALF_OPEN_PER_ADDRESS_MAX } from "../../platform/answering.ts";
import { loadWebRtcLibrary, type WebRtcLibraryName } from "../../platform/webrtc_library.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  decodeSignal,
  encodeSignal,
  withoutCandidates,
} from "../../protocols/session/signalling.ts";
import { transportContract } from "../contracts/transport_contract.ts";
import { throughDoors } from "./transport_end.ts";
import { MemoryRendezvous, type TestEnd, testEnd, webrtcTransport } from "./webrtc_support.ts";

const LIBRARIES: readonly WebRtcLibraryName[] = ["node-datachannel", "werift"];

for (const library of LIBRARIES) {
  transportContract(`webrtc over ${library}`, () =>
    throughDoors(async (door) => {
      const { id, options } = testEnd({ rendezvous: door, library });
      const transport = await webrtcTransport(options);
      assert.equal(transport.library, library);
      return { id, transport };
    }));
}

Deno.test({
  name: "webrtc: the two libraries understand each other",
  // The native library keeps threads and handles of its own; the contract's "lets go of the process" looks for leaks.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    for (
      const [first, second] of [["node-datachannel", "werift"], [
        "werift",
        "node-datachannel",
      ]] as const
    ) {
      const net = new MemoryRendezvous();
      const endA = testEnd({ rendezvous: net.at("a"), library: first });
      const endB = testEnd({ rendezvous: net.at("b"), library: second });
      const a = await webrtcTransport(endA.options);
      const b = await webrtcTransport(endB.options);
      const accepted = new Promise<string>((resolve) => {
        b.accept((path) =>
          path.listen((event) => event.type === "frame" && resolve(event.frame.toHex()))
        );
      });
      const outcome = await new Promise<DialOutcome>((resolve) =>
        a.dial({ deviceId: endB.id, addresses: ["b"] }, resolve)
      );
      assert.ok(outcome.type === "opened", JSON.stringify(outcome));
      assert.match(outcome.path.description, /^webrtc \w+ \S+:\d+$/);
      outcome.path.send(Uint8Array.of(0xab));
      assert.equal(await accepted, "ab");
      await Promise.all([a.close(), b.close()]);
    }
  },
});

/** Dials b from a over a rendezvous in memory and says what came of it, and whether b ever allocated a connection. */
async function attempt(options: {
  readonly admitted?: (a: TestEnd, b: TestEnd) => (device: DeviceId) => boolean;
  readonly tamper?: (a: TestEnd, b: TestEnd) => MemoryRendezvous["tamper"];
  readonly deviceId?: string;
}): Promise<
  { readonly outcome: DialOutcome; readonly refusals: readonly string[]; readonly b: TestEnd }
> {
  const net = new MemoryRendezvous();
  let isAdmitted: (device: DeviceId) => boolean = () => true;
  const library = "node-datachannel";
  const endA = testEnd({ rendezvous: net.at("a"), library });
  const endB = testEnd({
    rendezvous: net.at("b"),
    library,
    isAdmitted: (device) => isAdmitted(device),
  });
  isAdmitted = options.admitted?.(endA, endB) ?? isAdmitted;
  net.tamper = options.tamper?.(endA, endB) ?? net.tamper;
  const a = await webrtcTransport(endA.options);
  const b = await webrtcTransport(endB.options);
  b.accept((path) => path.listen(() => {}));
  const outcome = await new Promise<DialOutcome>((resolve) =>
    a.dial({ deviceId: options.deviceId ?? endB.id, addresses: ["b"] }, resolve)
  );
  await Promise.all([a.close(), b.close()]);
  return { outcome, refusals: net.refusals, b: endB };
}

// The native library keeps threads and handles of its own, as above.
const signalling = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });

signalling(
  "webrtc refuses the offer of a device that is not admitted, without a reason",
  async () => {
    const { outcome, refusals } = await attempt({ admitted: () => () => false });
    assert.equal(outcome.type, "failed");
    assert.deepEqual(refusals, ["Not accepted"]);
  },
);

signalling("webrtc opens a path to whoever of the mesh is at an address", async () => {
  const { outcome } = await attempt({ deviceId: "" });
  assert.equal(outcome.type, "opened");
});

signalling("webrtc refuses an offer whose fingerprint was exchanged on the way", async () => {
  const { outcome, refusals } = await attempt({
    tamper: () => (body, direction) => direction === "request" ? changed(body) : body,
  });
  assert.equal(outcome.type, "failed");
  assert.deepEqual(refusals, ["Not accepted"]);
});

signalling("webrtc refuses an answer whose fingerprint was exchanged on the way", async () => {
  const { outcome } = await attempt({
    tamper: () => (body, direction) => direction === "reply" ? changed(body) : body,
  });
  assert.ok(
    outcome.type === "failed" && outcome.reason.includes("signature"),
    JSON.stringify(outcome),
  );
});

signalling("webrtc refuses an answer by another member than the one dialled", async () => {
  const { outcome } = await attempt({
    tamper: (a) => (body, direction) => {
      const decoded = decodeSignal(body);
      if (direction === "request" || !decoded.ok || decoded.signal.message.type !== "answer") {
        return body;
      }
      const other = testEnd({ rendezvous: a.options.rendezvous, library: "werift" });
      const from = other.options.signer.publicKey;
      return encodeSignal({ ...decoded.signal.message, from }, other.options.signer).bytes;
    },
  });
  assert.ok(
    outcome.type === "failed" && outcome.reason.includes("expected"),
    JSON.stringify(outcome),
  );
});

signalling("webrtc answers a replayed offer only once", async () => {
  const net = new MemoryRendezvous();
  const library = "node-datachannel";
  const endA = testEnd({ rendezvous: net.at("a"), library });
  const endB = testEnd({ rendezvous: net.at("b"), library });
  let offer: Uint8Array | undefined;
  net.tamper = (body, direction) => {
    if (direction === "request") offer ??= body.slice();
    return body;
  };
  const a = await webrtcTransport(endA.options);
  const b = await webrtcTransport(endB.options);
  b.accept((path) => path.listen(() => {}));
  const outcome = await new Promise<DialOutcome>((resolve) =>
    a.dial({ deviceId: endB.id, addresses: ["b"] }, resolve)
  );
  assert.equal(outcome.type, "opened");
  const replayed = await new Promise<string>((resolve) =>
    net.at("mallory").request(
      { address: "b", channel: "signal", body: offer!, timeoutMs: 1_000 },
      (reply) => resolve(reply.type),
    )
  );
  assert.equal(replayed, "refused");
  await Promise.all([a.close(), b.close()]);
});

signalling(
  "webrtc refuses more half-open connections of one address than it can keep",
  async () => {
    const net = new MemoryRendezvous();
    const endA = testEnd({ rendezvous: net.at("a"), library: "werift" });
    const endB = testEnd({ rendezvous: net.at("b"), library: "node-datachannel" });
    const b = await webrtcTransport(endB.options);
    b.accept((path) => path.listen(() => {}));
    const library = await loadWebRtcLibrary("werift");
    const connection = library.connect([]);
    connection.createChannel({ onOpen() {}, onMessage() {}, onLow() {}, onClose() {} });
    const sdp = withoutCandidates(await connection.offer());
    const { signer, meshTag, random } = endA.options;
    const offers = Array.from({ length: HALF_OPEN_PER_ADDRESS_MAX + 2 }, () =>
      encodeSignal({
        type: "offer",
        id: random.bytes(16),
        meshTag: meshTag(),
        from: signer.publicKey,
        to: endB.options.signer.publicKey,
        sdp,
      }, signer).bytes);
    const replies = await Promise.all(
      offers.map((body) =>
        new Promise<string>((resolve) =>
          net.at("a").request(
            { address: "b", channel: "signal", body, timeoutMs: 5_000 },
            (reply) => resolve(reply.type === "reply" ? "reply" : reply.reason),
          )
        )
      ),
    );
    assert.equal(
      replies.filter((reply) => reply === "reply").length,
      HALF_OPEN_PER_ADDRESS_MAX,
    );
    assert.equal(replies.filter((reply) => reply === "Busy").length, 2);
    connection.close();
    await b.close();
  },
);

Deno.test("webrtc takes the pure library where the addon cannot be loaded", async () => {
  const program = new URL("./webrtc_library_program.ts", import.meta.url).pathname;
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", "--deny-ffi", program],
  }).output();
  assert.equal(new TextDecoder().decode(output.stdout).trim(), "werift");
});

/** The message with one hex digit of its DTLS fingerprint changed and everything else, the signature included, as it was. */
function changed(bytes: Uint8Array): Uint8Array {
  const needle = new TextEncoder().encode("a=fingerprint:sha-256 ");
  const out = bytes.slice();
  for (let at = 0; at + needle.length < out.length; at++) {
    if (!needle.every((byte, index) => out[at + index] === byte)) continue;
    const digit = at + needle.length;
    out[digit] = out[digit] === 0x30 ? 0x31 : 0x30;
    return out;
  }
  return out;
}
