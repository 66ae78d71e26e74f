/** What a member with another program than ours could send: made with the library itself, and refused. */
import assert from "node:assert/strict";
import {
  type CiphersuiteImpl,
  type ClientState,
  createCommit,
  createProposal,
  type Credential,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  type MLSMessage,
  processPrivateMessage,
  type Proposal,
} from "ts-mls";
import { signKeyPackage } from "ts-mls/keyPackage.js";
import { encodeLeafNodeTBS } from "ts-mls/leafNode.js";
import { signWithLabel } from "ts-mls/crypto/signature.js";
import { encodeCanonical } from "../../protocols/codec.ts";
import { domainSeparated } from "../../protocols/domains.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import {
  CAPABILITIES,
  cipherSuite,
  credentialFor,
  decodePackage,
  encodePackage,
  vouchedDevice,
} from "../../platform/mls_crypto_leaf.ts";
import { decodeState, encodeState } from "../../platform/mls_crypto_state.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { systemClock } from "../../platform/system_clock.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const clock = systemClock();
const suite: CiphersuiteImpl = await cipherSuite(crypto);
const [anna, ben, carla, mallory] = [device(1), device(2), device(3), device(4)];
interface Device {
  readonly signer: ReturnType<typeof nodeSigner>;
  readonly id: string;
  readonly crypto: ReturnType<typeof mlsGroupCrypto>;
}

function device(number: number): Device {
  const signer = nodeSigner(new Uint8Array(32).fill(number));
  const id = deviceIdOf(signer.publicKey);
  return { signer, id, crypto: mlsGroupCrypto({ signer, crypto, clock }) };
}
const DAY_S = 24 * 60 * 60;
const nowS = Math.floor(clock.wallMs() / 1000);

/** A key package as the library makes it, with whatever credential and life. */
async function packageWith(
  credential: (signatureKey: Uint8Array) => Credential,
  life: readonly [from: number, to: number] = [nowS - DAY_S, nowS + DAY_S],
) {
  const keys = await suite.signature.keygen();
  const made = await generateKeyPackageWithKey(
    credential(keys.publicKey),
    CAPABILITIES,
    { notBefore: BigInt(life[0]), notAfter: BigInt(life[1]) },
    [],
    keys,
    suite,
  );
  return { ...made, bytes: encodePackage(made.publicPackage), signKey: keys.signKey };
}

/** A credential that names one device and is signed by another. */
const stolen = (name: Device, by: Device) => (signatureKey: Uint8Array): Credential => {
  const identity = new Uint8Array(96);
  identity.set(name.signer.publicKey);
  identity.set(by.signer.sign(domainSeparated("groupLeaf", signatureKey)), 32);
  return { credentialType: "basic", identity };
};

/** A group of mallory (who leads) and ben; mallory's state as the library's, without our judgement of others. */
async function group(): Promise<{ readonly evil: ClientState; readonly bens: Uint8Array }> {
  const own = await mallory.crypto.keyPackage(mallory.id);
  const bens = await ben.crypto.keyPackage(ben.id);
  const change = await mallory.crypto.change(
    await mallory.crypto.create(new Uint8Array(16), own),
    { add: [bens.publicPackage], remove: [] },
  );
  return {
    evil: decodeState(change.state, defaultClientConfig).group,
    bens: (await ben.crypto.join(change.welcome!, bens))!,
  };
}

const sent = (message: MLSMessage) => encodeMlsMessage(message);

async function refusedBy(state: Uint8Array, message: Uint8Array, why: RegExp): Promise<void> {
  const outcome = await ben.crypto.process(state, message);
  assert.ok(outcome.type === "unreadable" && why.test(outcome.reason), JSON.stringify(outcome));
}

async function refusesCommit(proposals: readonly Proposal[], why: RegExp): Promise<void> {
  const { evil, bens } = await group();
  const { commit } = await createCommit(
    { state: evil, cipherSuite: suite },
    { extraProposals: [...proposals] },
  );
  await refusedBy(bens, sent(commit), why);
}

Deno.test("a package that another identity signed is none", async () => {
  const { bytes } = await packageWith(stolen(anna, mallory));
  assert.equal(await ben.crypto.inspect(bytes), undefined);
  const honest = await packageWith((key) => credentialFor(anna.signer, key));
  assert.deepEqual(await ben.crypto.inspect(honest.bytes), { deviceId: anna.id });
});

Deno.test("an identity's signature counts for its leaf key only, and under its domain only", () => {
  const key = new Uint8Array(32).fill(1);
  const credential = credentialFor(anna.signer, key);
  assert.equal(vouchedDevice(credential, key, crypto), anna.id);
  assert.equal(vouchedDevice(credential, new Uint8Array(32).fill(2), crypto), undefined);
  const identity = new Uint8Array([...anna.signer.publicKey, ...anna.signer.sign(key)]);
  assert.equal(vouchedDevice({ credentialType: "basic", identity }, key, crypto), undefined);
  const x509: Credential = { credentialType: "x509", certificates: [] };
  assert.equal(vouchedDevice(x509, key, crypto), undefined);
});

Deno.test("a package with a life of more than 91 days, or a key nobody can own, is none", async () => {
  const honest = (key: Uint8Array) => credentialFor(anna.signer, key);
  const long = await packageWith(honest, [nowS - DAY_S, nowS + 400 * DAY_S]);
  assert.equal(await ben.crypto.inspect(long.bytes), undefined);
  const { publicPackage, signKey } = await packageWith(honest);
  for (
    const low of [
      "00".repeat(32),
      "01" + "00".repeat(31),
      "e0eb7a7c3b41b8ae1656e3faf19fc46a" +
      "da098deb9c32b1fd866205165f49b800",
    ]
  ) {
    const initKey = Uint8Array.fromHex(low);
    const signed = await signKeyPackage({ ...publicPackage, initKey }, signKey, suite.signature);
    assert.equal(await ben.crypto.inspect(encodePackage(signed)), undefined, low);
  }
});

Deno.test("a commit that adds a leaf under a stolen name is refused", async () => {
  const { publicPackage } = await packageWith(stolen(carla, mallory));
  await refusesCommit(
    [{ proposalType: "add", add: { keyPackage: publicPackage } }],
    /credential/i,
  );
});

Deno.test("a commit that adds a device a second time is refused", async () => {
  const second = decodePackage((await mallory.crypto.keyPackage(mallory.id)).publicPackage)!;
  await refusesCommit(
    [{ proposalType: "add", add: { keyPackage: second } }],
    /already in the group|another device/,
  );
});

Deno.test("a commit that changes the group's extensions is refused", async () => {
  await refusesCommit(
    [{ proposalType: "group_context_extensions", groupContextExtensions: { extensions: [] } }],
    /do not do/,
  );
});

Deno.test("a commit that begins the group anew is refused", async () => {
  await refusesCommit([{
    proposalType: "reinit",
    reinit: {
      groupId: new Uint8Array(3),
      version: "mls10",
      cipherSuite: suite.name,
      extensions: [],
    },
  }], /do not do/);
});

Deno.test("proposals to add or remove others are refused: only the leader decides that", async () => {
  const { evil, bens } = await group();
  const remove: Proposal = { proposalType: "remove", remove: { removed: 1 } };
  const { message } = await createProposal(evil, false, remove, suite);
  await refusedBy(bens, sent(message), /another kind/);
});

Deno.test("what comes unencrypted is refused", async () => {
  const { evil, bens } = await group();
  const { commit } = await createCommit(
    { state: evil, cipherSuite: suite },
    { wireAsPublicMessage: true },
  );
  await refusedBy(bens, sent(commit), /not encrypted/);
  const remove: Proposal = { proposalType: "remove", remove: { removed: 1 } };
  const { message } = await createProposal(evil, true, remove, suite);
  await refusedBy(bens, sent(message), /not encrypted/);
});

/** An update of leaf 0 as the library takes it, with whatever credential. */
async function updateOf(state: ClientState, credential: (key: Uint8Array) => Credential) {
  const hpke = await suite.hpke.generateKeyPair();
  const keys = await suite.signature.keygen();
  const leaf = {
    leafNodeSource: "update" as const,
    hpkePublicKey: await suite.hpke.exportPublicKey(hpke.publicKey),
    signaturePublicKey: keys.publicKey,
    credential: credential(keys.publicKey),
    capabilities: CAPABILITIES,
    extensions: [],
  };
  const toSign = encodeLeafNodeTBS({
    ...leaf,
    groupId: state.groupContext.groupId,
    leafIndex: state.privatePath.leafIndex,
  });
  const signature = await signWithLabel(keys.signKey, "LeafNodeTBS", toSign, suite.signature);
  const update: Proposal = { proposalType: "update", update: { leafNode: { ...leaf, signature } } };
  return await createProposal(state, false, update, suite);
}

Deno.test("an update that puts a leaf under another device is refused, stolen or one's own", async () => {
  const { evil, bens } = await group();
  // Mallory may own a second identity: still only one of them is in the group.
  const own = await updateOf(evil, (key) => credentialFor(carla.signer, key));
  await refusedBy(bens, sent(own.message), /another device/);
  const foreign = await updateOf(evil, stolen(carla, mallory));
  await refusedBy(bens, sent(foreign.message), /credential/);
  const honest = await updateOf(evil, (key) => credentialFor(mallory.signer, key));
  assert.equal((await ben.crypto.process(bens, sent(honest.message))).type, "proposed");
});

Deno.test("a commit that takes in what was refused finds nobody to follow", async () => {
  const { evil, bens } = await group();
  const annas = await anna.crypto.keyPackage(anna.id);
  const added = await ben.crypto.change(bens, { add: [annas.publicPackage], remove: [] });
  const annasState = (await anna.crypto.join(added.welcome!, annas))!;
  const parts = { group: evil, ownUpdate: null, proposals: [] };
  const taken = await mallory.crypto.process(encodeState(parts), added.commit);
  assert.ok(taken.type === "changed");
  const evil2 = decodeState(taken.state, defaultClientConfig).group;
  const update = await updateOf(evil2, (key) => credentialFor(carla.signer, key));
  // Ben with another program: notes it all the same, and commits.
  const bens2 = decodeState(added.state, defaultClientConfig).group;
  assert.ok(update.message.wireformat === "mls_private_message");
  const noted = await processPrivateMessage(
    bens2,
    update.message.privateMessage,
    emptyPskIndex,
    suite,
  );
  const { commit } = await createCommit({ state: noted.newState, cipherSuite: suite });
  for (const bytes of [sent(commit), encodeCanonical([sent(update.message), sent(commit)])]) {
    const outcome = await anna.crypto.process(annasState, bytes);
    assert.ok(outcome.type === "unreadable", JSON.stringify(outcome));
  }
});

Deno.test("a welcome into a group with a forged leaf is refused", async () => {
  const { evil } = await group();
  const forged = await packageWith(stolen(carla, mallory));
  const annas = await anna.crypto.keyPackage(anna.id);
  const { welcome } = await createCommit({ state: evil, cipherSuite: suite }, {
    ratchetTreeExtension: true,
    extraProposals: [forged.publicPackage, decodePackage(annas.publicPackage)!]
      .map((keyPackage) => ({ proposalType: "add", add: { keyPackage } })),
  });
  const bytes = encodeMlsMessage({
    version: "mls10",
    wireformat: "mls_welcome",
    welcome: welcome!,
  });
  assert.ok(decodeMlsMessage(bytes, 0) !== undefined);
  assert.equal(await anna.crypto.join(bytes, annas), undefined);
});

Deno.test("a commit by which its author becomes another device is refused", async () => {
  const { evil, bens } = await group();
  const own = evil.ratchetTree[0]!;
  assert.ok(own.nodeType === "leaf");
  // The second identity vouches for the leaf's key: everything is signed as it should be.
  const credential = credentialFor(carla.signer, own.leaf.signaturePublicKey);
  const ratchetTree = evil.ratchetTree.with(0, { ...own, leaf: { ...own.leaf, credential } });
  const { commit } = await createCommit({ state: { ...evil, ratchetTree }, cipherSuite: suite });
  await refusedBy(bens, sent(commit), /another device/);
});

/** What anna makes of a welcome that mallory wrote with this state. */
async function welcomedBy(state: ClientState): Promise<Uint8Array | undefined> {
  const annas = await anna.crypto.keyPackage(anna.id);
  const keyPackage = decodePackage(annas.publicPackage)!;
  const { welcome } = await createCommit({ state, cipherSuite: suite }, {
    ratchetTreeExtension: true,
    extraProposals: [{ proposalType: "add", add: { keyPackage } }],
  });
  const message = { version: "mls10", wireformat: "mls_welcome", welcome: welcome! } as const;
  return await anna.crypto.join(encodeMlsMessage(message), annas);
}

Deno.test("a welcome that its signer did not sign is refused", async () => {
  const { evil } = await group();
  assert.ok(await welcomedBy(evil) !== undefined);
  const { signKey } = await suite.signature.keygen();
  assert.equal(await welcomedBy({ ...evil, signaturePrivateKey: signKey }), undefined);
});

Deno.test("a welcome into a tree that could not have come about is refused", async () => {
  const { evil } = await group();
  const { newState } = await createCommit({ state: evil, cipherSuite: suite });
  const root = newState.ratchetTree[1]!;
  assert.ok(root.nodeType === "parent");
  assert.ok(await welcomedBy(newState) !== undefined);
  const withRoot = (changes: Partial<typeof root.parent>) => ({
    ...newState,
    ratchetTree: newState.ratchetTree.with(1, {
      ...root,
      parent: { ...root.parent, ...changes },
    }),
  });
  // An entry for a leaf that is not below the node, one that is blank, entries that do not ascend, another parent hash.
  const wrong: readonly Partial<typeof root.parent>[] = [
    { unmergedLeaves: [2] },
    { unmergedLeaves: [3] },
    { unmergedLeaves: [1, 1] },
    { parentHash: new Uint8Array(32) },
  ];
  for (const changes of wrong) {
    assert.equal(await welcomedBy(withRoot(changes)), undefined, JSON.stringify(changes));
  }
});

Deno.test("a welcome into a group with extensions is refused", async () => {
  const { evil } = await group();
  const extensions = [{
    extensionType: "external_senders" as const,
    extensionData: new Uint8Array(1),
  }];
  const groupContext = { ...evil.groupContext, extensions };
  assert.equal(
    await welcomedBy({ ...evil, groupContext }).catch(() => undefined),
    undefined,
  );
});
