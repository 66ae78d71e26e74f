/** The node's own broker: real servers that are started, killed, revoked from, and end with their node. */
import assert from "node:assert/strict";
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { SERVER, until } from "../platform/nats_support.ts";
import {
  inFolder,
  isUp,
  keep,
  SETTINGS,
  settle,
  silent,
  TAG,
  utf8,
  withTwoMembers,
} from "./nats_leaf_support.ts";
import { skipped } from "../skipped.ts";

const ignore = !SERVER.ok;

Deno.test({
  name: "a leaf lets members in, keeps their mail and comes back when it is killed",
  ignore,
  fn: () =>
    withTwoMembers(async ({ leaf, access, a, b }, folder) => {
      const got: string[] = [];
      b.collect({ subject: `kiana.${TAG}.mail.bob`, name: "bob" }, (message) => {
        got.push(new TextDecoder().decode(message.bytes));
        message.acknowledge();
      });
      assert.deepEqual(await keep(a, `kiana.${TAG}.mail.bob`, "one"), { type: "kept" });
      await until("it came", () => got.includes("one"));
      const before = leaf.view();
      Deno.kill(before.pid ?? 0, "SIGKILL");
      await until("it was started again", () =>
        leaf.view().restarts === 1 && leaf.view().state === "running");
      assert.notEqual(leaf.view().pid, before.pid);
      await until("both are in again", () =>
        isUp(a) && isUp(b));
      assert.deepEqual(await keep(a, `kiana.${TAG}.mail.bob`, "two"), { type: "kept" });
      await until("it came", () => got.includes("two"));
      // A second server on the same files would destroy them.
      const second = await startLeaf({
        self: "alice",
        settings: SETTINGS,
        dataDirectory: folder,
        environment: {},
        access,
        clock: systemClock(),
        log: silent,
      });
      assert.ok(second.type === "started");
      await until("it says why not", () => second.leaf.view().problem !== null);
      assert.match(second.leaf.view().problem ?? "", /uses its folder/);
      await second.leaf.stop();
    }),
});

Deno.test({
  name: "a revoked member is put out at once and cannot log in again; the others stay",
  ignore,
  fn: () =>
    withTwoMembers(async ({ leaf, access, alice, a, b }) => {
      const { pid } = leaf.view();
      let changes = 0;
      a.watch(() => changes += 1);
      leaf.setAccess({ ...access, members: [alice] });
      await leaf.settled();
      await until("bob is out", () => !isUp(b));
      await until("bob is refused", () => {
        const state = b.state();
        return state.type === "disconnected" && /authorization/i.test(state.reason);
      });
      assert.deepEqual([changes, leaf.view().pid], [0, pid]);
      leaf.setAccess(access);
      await leaf.settled();
      await until("bob is in again", () => isUp(b));
    }),
});

Deno.test({
  name: "a member hears what is meant for it and nothing else",
  ignore,
  fn: () =>
    withTwoMembers(async ({ a, b }) => {
      const heard: string[] = [];
      for (
        const subject of [
          `kiana.${TAG}.node.alice.in`,
          `kiana.${TAG}.mail.alice`,
          "kiana.>",
          "$SYS.>",
          "_INBOX.>",
          `kiana.${TAG}.node.bob.in`,
        ]
      ) b.subscribe(subject, (message) => heard.push(message.subject));
      b.collect(
        { subject: `kiana.${TAG}.mail.alice`, name: "thief" },
        () => heard.push("mail"),
      );
      await settle(b);
      for (const to of ["alice", "bob"]) {
        a.publish(`kiana.${TAG}.node.${to}.in`, utf8.encode("x"));
      }
      assert.equal((await keep(a, `kiana.${TAG}.mail.alice`, "secret")).type, "kept");
      a.publish("kiana.ffffffffffffffff.node.bob.in", utf8.encode("another mesh"));
      await settle(a);
      await until("bob's own came", () => heard.length > 0);
      await settle(b);
      assert.deepEqual(heard, [`kiana.${TAG}.node.bob.in`]);
    }),
});

Deno.test({
  name: "nats-server ends with a node that is killed",
  ignore: ignore || skipped(
    "a broker that ends with its node",
    Deno.build.os === "linux" ? null : "needs Linux",
  ),
  fn: () =>
    inFolder(async (folder) => {
      const program = new URL("./nats_orphan_program.ts", import.meta.url).pathname;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", program, folder],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const { value } = await reader.read();
      const pid = Number((value ?? "").trim());
      assert.ok(pid > 0);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await until("it is gone", async () => !await isRunning(pid));
    }),
});

async function isRunning(pid: number): Promise<boolean> {
  try {
    return (await Deno.readTextFile(`/proc/${pid}/cmdline`)).includes("nats-server");
  } catch {
    return false;
  }
}
