/** A device that dealt false shares spoils a sum, which all others have signed for: with the proof, and only with it, they do the round again without that device. */
import assert from "node:assert/strict";
import * as client from "../../../learning/secure/client.ts";
import {
  commitmentsIn,
  encodeForgedShares,
  type ForgedShares,
  forgedSharesOf,
} from "../../../learning/secure/forged_shares.ts";
import * as server from "../../../learning/secure/server.ts";
import { dealtMessage } from "../../../learning/secure/transcripts.ts";
import { acceptReveal } from "../../../learning/secure/unmask.ts";
import * as wire from "../../../learning/secure/wire.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { MemoryDisk } from "../../../store/memory_store.ts";
import { closeReveals } from "../../learning/secure_steps.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import { callTo, told } from "./run_actor.ts";
import {
  answer,
  call,
  claim,
  good,
  members,
  plan,
  revealed,
  start,
  step,
  submit,
  train,
} from "./restarts_support.ts";
import { other, said, self } from "./support.ts";

const [cheat, honest] = members.filter((device) => device !== self && device !== other) as [
  DeviceId,
  DeviceId,
];

/** All have signed and revealed, our device among them; `cheat` has dealt shares of something else than what it committed to. */
async function spoiled() {
  const actor = await start(new MemoryDisk());
  const sum = call(actor, 1);
  const { state, clients, depsOf } = sum;
  await train(actor, sum, (id, shares) => {
    if (id !== cheat) return shares;
    const seedCommitment = new Uint8Array(16).fill(1);
    const commitments = commitmentsIn(shares.sealed);
    const message = dealtMessage(state.roster!.view.hash, { seedCommitment, commitments });
    return { ...shares, seedCommitment, signature: depsOf(id).sign(message) };
  });
  await submit(actor, sum);
  const signature = answer(await claim(actor, sum), "consistency");
  const own = wire.decodeReveal(answer(await revealed(actor, sum, signature), "unmask"));
  assert.ok(own.ok);
  good(acceptReveal(state, self, own.message, DEPENDENCIES));
  for (const id of members.filter((device) => device !== self)) {
    const signed = client.signSurvivors(
      clients.get(id)!,
      server.survivorClaimFor(state, id)!,
      depsOf(id),
    );
    const request = server.unmaskRequest(state)!;
    const step = good(client.reveal(good(signed).state, request, depsOf(id)));
    good(acceptReveal(state, id, step.message, DEPENDENCIES));
  }
  const closed = closeReveals(state, DEPENDENCIES);
  assert.ok(!closed.ok && closed.device === cheat, "it is found when the sum is to be opened");
  return { actor, sum, state };
}

type Spoiled = Awaited<ReturnType<typeof spoiled>>;

const shown = ({ actor, sum }: Spoiled, proof: ForgedShares) =>
  step(actor, sum.key, "forgedShares", encodeForgedShares(proof));

function calledTo({ actor }: Spoiled, called: readonly DeviceId[]) {
  const [reply] = said(told(actor, callTo(plan, called, { attempt: 2 })));
  return reply?.type;
}

const without = (device: DeviceId) => members.filter((one) => one !== device);

Deno.test("shown the proof, a device that has signed joins the others of the set without the one that cheated, and nobody else", async () => {
  const round = await spoiled();
  assert.equal(calledTo(round, without(cheat)), "decline");
  await shown(round, forgedSharesOf(round.state, cheat)!);
  assert.deepEqual(round.actor.state.signed?.set, without(cheat));
  assert.equal(calledTo(round, without(cheat).filter((one) => one !== honest)), "decline");
  assert.equal(calledTo(round, without(honest)), "decline");
  assert.equal(calledTo(round, without(cheat)), "peerReady");
  assert.deepEqual(round.actor.state.part?.only, without(cheat));
});

Deno.test("nobody who dealt as it should can be named: not with its shares, not with others, not with what it has not signed", async () => {
  const round = await spoiled();
  const true_ = forgedSharesOf(round.state, honest)!;
  const proof = forgedSharesOf(round.state, cheat)!;
  const changed = (bytes: Uint8Array, at: number) =>
    bytes.map((byte, i) => i === at ? byte ^ 1 : byte);
  const lies: readonly ForgedShares[] = [
    true_,
    { ...true_, shares: changed(true_.shares, 3) },
    { ...true_, seedCommitment: new Uint8Array(16) },
    { ...true_, seedCommitment: new Uint8Array(16), signature: proof.signature },
    { ...true_, shares: proof.shares, commitments: proof.commitments },
    { ...proof, dealer: true_.dealer },
    { ...proof, dealer: members.indexOf(self) },
    { ...proof, dealer: 99 },
    { ...proof, places: proof.places.map(() => 0) },
    { ...proof, places: proof.places.slice(1), shares: proof.shares.slice(32) },
    { ...proof, commitments: changed(proof.commitments, 40) },
  ];
  for (const lie of lies) {
    await shown(round, lie);
    assert.deepEqual(round.actor.state.signed?.set, members, JSON.stringify(lie.dealer));
  }
  await shown(round, proof);
  assert.deepEqual(round.actor.state.signed?.set, without(cheat));
});
