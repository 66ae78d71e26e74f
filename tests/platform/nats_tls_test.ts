/** The adapter speaks TLS with servers whose authority it trusts, and with no others. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { brokerAt, SERVER, TestServer, until } from "./nats_support.ts";
import { certificates } from "./test_certificates.ts";

Deno.test({
  name: "TLS is spoken with a trusted server and refused with any other",
  ignore: !SERVER.ok,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "submind-tls-" });
    await certificates(folder);
    const tls = await TestServer.start(
      `tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem" }\n`,
    );
    const plain = await TestServer.start();
    const caCertificates = [await Deno.readTextFile(join(folder, "ca.pem"))];
    const trusting = brokerAt([`tls://localhost:${tls.port}`], { caCertificates });
    await until("it is connected", () => trusting.state().type === "connected");
    const heard: number[] = [];
    trusting.subscribe("kiana.test.x", ({ bytes }) => heard.push(bytes.length));
    assert.ok(trusting.publish("kiana.test.x", new Uint8Array(300_000)));
    await until("it is heard", () => heard.length === 1);
    assert.deepEqual(heard, [300_000]);
    await trusting.close();
    const refused = [
      { broker: brokerAt([`tls://localhost:${tls.port}`]), why: /certificate|UnknownIssuer/i },
      // A server that offers no TLS where TLS was asked for: somebody is in between.
      { broker: brokerAt([`tls://localhost:${plain.port}`], { caCertificates }), why: /TLS/ },
    ];
    for (const { broker, why } of refused) {
      const reason = () => {
        const state = broker.state();
        return state.type === "disconnected" ? state.reason : "connected";
      };
      await until("it is refused", () => reason() !== "not connected yet");
      assert.match(reason(), why);
      await broker.close();
    }
    await tls.close();
    await plain.close();
    await Deno.remove(folder, { recursive: true });
  },
});
