/** Messages as people send them: two real nodes that have paired, one of them stopped in between. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { run, submind, up } from "./real_program.ts";

Deno.test("a message and a file reach the other device, also one that was off when they were sent", async () => {
  const folder = Deno.makeTempDirSync();
  const data = (name: string) => ["--data", join(folder, name), "--json"];
  const host = await up(join(folder, "host"));
  let guest = await up(join(folder, "guest"));
  try {
    const inviting = submind(["pair", "--yes", ...data("host")]).spawn();
    const reader = inviting.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { link } = JSON.parse((await reader.read()).value ?? "");
    const joined = await run(["pair", link, "--yes", ...data("guest")]);
    assert.equal(joined.code, 0, joined.out + joined.err);
    await reader.cancel();
    await inviting.stderr.cancel();
    await inviting.status;

    const guestId = guest.ready.deviceId;
    const send = (...more: string[]) => run(["send", guestId, ...more, ...data("host")]);
    const first = await send("Supper is ready", "--wait", "delivered", "--timeout", "30s");
    assert.equal(first.code, 0, first.out + first.err);
    assert.equal(JSON.parse(first.out).deliveries[0].state, "delivered");

    const inbox = await run(["inbox", "--mark-read", ...data("guest")]);
    const message = JSON.parse(inbox.out);
    assert.deepEqual([message.text, message.from], ["Supper is ready", host.ready.deviceId]);

    assert.equal(await guest.stop(), 0);
    const body = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 31) % 256);
    Deno.writeFileSync(join(folder, "map.bin"), body);
    const away = await send("For later", "--attach", join(folder, "map.bin"));
    assert.equal(away.code, 0, away.out);
    assert.equal(JSON.parse(away.out).deliveries[0].state, "queued");
    guest = await up(join(folder, "guest"));

    const watching = submind(["inbox", "--watch", "--mark-read", ...data("guest")]).spawn();
    const lines = watching.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const late = JSON.parse((await lines.read()).value ?? "");
    assert.equal(late.text, "For later", `nothing is shown twice: ${JSON.stringify(late)}`);
    watching.kill("SIGINT");
    await lines.cancel();
    await watching.stderr.cancel();
    assert.equal((await watching.status).code, 0);

    const copy = join(folder, "copy.bin");
    let saved = await run(["inbox", "save", late.message, "0", "-o", copy, ...data("guest")]);
    // The parts of a file come after the message that names it.
    for (let n = 0; n < 50 && JSON.parse(saved.out).error?.code === "unavailable"; n++) {
      saved = await run(["inbox", "save", late.message, "0", "-o", copy, ...data("guest")]);
    }
    assert.equal(saved.code, 0, saved.out);
    assert.deepEqual(Deno.readFileSync(copy), body);

    const sent = JSON.parse(away.out).message;
    let state = "";
    for (let n = 0; n < 50 && state !== "read"; n++) {
      const shown = await run(["conversations", "show", guestId, ...data("host")]);
      const all = JSON.parse(shown.out).messages as {
        readonly message: string;
        readonly deliveries: readonly { readonly state: string }[];
      }[];
      state = all.find((each) => each.message === sent)?.deliveries[0]?.state ?? "";
    }
    assert.equal(state, "read");
  } finally {
    await host.stop();
    await guest.stop().catch(() => {});
    Deno.removeSync(folder, { recursive: true });
  }
});
