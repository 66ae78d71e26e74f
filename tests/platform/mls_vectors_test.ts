/**
 * The MLS working group's vectors through the library as it is used here (cipher suite 1, signatures by `node:crypto`), and through our own
 * joining. See tests/fixtures/mls/README.md.
 */
import assert from "node:assert/strict";
import {
  acceptAll,
  type CiphersuiteImpl,
  type ClientState,
  decodeMlsMessage,
  makePskIndex,
  mlsExporter,
  processMessage,
  type RatchetTree,
} from "ts-mls";
import { decodeAuthenticatedContent } from "ts-mls/authenticatedContent.js";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { decryptWithLabel, encryptWithLabel } from "ts-mls/crypto/hpke.js";
import { refhash } from "ts-mls/crypto/hash.js";
import { deriveSecret, deriveTreeSecret, expandWithLabel } from "ts-mls/crypto/kdf.js";
import { signWithLabel, verifyWithLabel } from "ts-mls/crypto/signature.js";
import { decodeGroupContext, type GroupContext } from "ts-mls/groupContext.js";
import { verifyGroupInfoConfirmationTag, verifyGroupInfoSignature } from "ts-mls/groupInfo.js";
import { initializeEpoch } from "ts-mls/keySchedule.js";
import { unprotectPrivateMessage } from "ts-mls/messageProtection.js";
import { unprotectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import { encodeProposal } from "ts-mls/proposal.js";
import { encodeCommit } from "ts-mls/commit.js";
import { decodeRatchetTree } from "ts-mls/ratchetTree.js";
import { createSecretTree } from "ts-mls/secretTree.js";
import { createConfirmedHash, createInterimHash } from "ts-mls/transcriptHash.js";
import {
  isLeaf,
  left,
  nodeWidth,
  parent,
  right,
  root,
  sibling,
  toNodeIndex,
} from "ts-mls/treemath.js";
import { decryptGroupInfo, decryptGroupSecrets } from "ts-mls/welcome.js";
import { joinByWelcome } from "../../platform/mls_crypto_join.ts";
import { cipherSuite, SUITE } from "../../platform/mls_crypto_leaf.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

// deno-lint-ignore no-explicit-any
async function vectors(name: string): Promise<any[]> {
  const url = new URL(`../fixtures/mls/${name}.json`, import.meta.url);
  const all = JSON.parse(await Deno.readTextFile(url));
  assert.ok(all.length > 0);
  return all;
}

const suite: CiphersuiteImpl = await cipherSuite(nodeCrypto({ workersMax: 0 }));

function messageOf(text: string) {
  const bytes = hex(text);
  const [message, end] = decodeMlsMessage(bytes, 0)!;
  assert.equal(end, bytes.length);
  return message;
}

Deno.test("MLS vectors: crypto basics", async () => {
  for (const vector of await vectors("crypto_basics")) {
    const {
      ref_hash,
      expand_with_label,
      derive_secret,
      derive_tree_secret,
      sign_with_label,
      encrypt_with_label,
    } = vector;
    const { kdf, hash, signature, hpke } = suite;
    const out = async (result: Promise<Uint8Array>, expected: string) =>
      assert.equal((await result).toHex(), expected);
    await out(refhash(ref_hash.label, hex(ref_hash.value), hash), ref_hash.out);
    const { secret, label, context, length } = expand_with_label;
    await out(
      expandWithLabel(hex(secret), label, hex(context), length, kdf),
      expand_with_label.out,
    );
    await out(deriveSecret(hex(derive_secret.secret), derive_secret.label, kdf), derive_secret.out);
    await out(
      deriveTreeSecret(
        hex(derive_tree_secret.secret),
        derive_tree_secret.label,
        derive_tree_secret.generation,
        derive_tree_secret.length,
        kdf,
      ),
      derive_tree_secret.out,
    );
    const { priv, pub, content } = sign_with_label;
    await out(
      signWithLabel(hex(priv), sign_with_label.label, hex(content), signature),
      sign_with_label.signature,
    );
    assert.ok(
      await verifyWithLabel(
        hex(pub),
        sign_with_label.label,
        hex(content),
        hex(sign_with_label.signature),
        signature,
      ),
    );
    const key = await hpke.importPrivateKey(hex(encrypt_with_label.priv));
    const opened = (enc: Uint8Array, ct: Uint8Array) =>
      decryptWithLabel(
        key,
        encrypt_with_label.label,
        hex(encrypt_with_label.context),
        enc,
        ct,
        hpke,
      );
    await out(
      opened(hex(encrypt_with_label.kem_output), hex(encrypt_with_label.ciphertext)),
      encrypt_with_label.plaintext,
    );
    const ours = await encryptWithLabel(
      await hpke.importPublicKey(hex(encrypt_with_label.pub)),
      encrypt_with_label.label,
      hex(encrypt_with_label.context),
      hex(encrypt_with_label.plaintext),
      hpke,
    );
    await out(opened(ours.enc, ours.ct), encrypt_with_label.plaintext);
  }
});

Deno.test("MLS vectors: tree math", async () => {
  for (const vector of await vectors("tree_math")) {
    const { n_leaves: leaves, n_nodes: nodes } = vector;
    assert.equal(nodeWidth(leaves), nodes);
    assert.equal(root(leaves), vector.root);
    for (let i = 0; i < nodes; i++) {
      const index = toNodeIndex(i);
      if (!isLeaf(index)) {
        assert.equal(left(index), vector.left[i]);
        assert.equal(right(index), vector.right[i]);
      }
      if (i !== vector.root) {
        assert.equal(parent(index, leaves), vector.parent[i]);
        assert.equal(sibling(index, leaves), vector.sibling[i]);
      }
    }
  }
});

Deno.test("MLS vectors: key schedule", async () => {
  for (const vector of await vectors("key_schedule")) {
    let initSecret = hex(vector.initial_init_secret);
    for (const epoch of vector.epochs) {
      const [context] = decodeGroupContext(hex(epoch.group_context), 0)!;
      const secrets = await initializeEpoch(
        initSecret,
        hex(epoch.commit_secret),
        context,
        hex(epoch.psk_secret),
        suite.kdf,
      );
      const { keySchedule } = secrets;
      const got = {
        joiner_secret: secrets.joinerSecret,
        welcome_secret: secrets.welcomeSecret,
        encryption_secret: secrets.encryptionSecret,
        init_secret: keySchedule.initSecret,
        sender_data_secret: keySchedule.senderDataSecret,
        exporter_secret: keySchedule.exporterSecret,
        external_secret: keySchedule.externalSecret,
        confirmation_key: keySchedule.confirmationKey,
        membership_key: keySchedule.membershipKey,
        resumption_psk: keySchedule.resumptionPsk,
        epoch_authenticator: keySchedule.epochAuthenticator,
      };
      for (const [name, value] of Object.entries(got)) {
        assert.equal(value.toHex(), epoch[name], name);
      }
      const { label, context: exported, length, secret } = epoch.exporter;
      assert.equal(
        (await mlsExporter(keySchedule.exporterSecret, label, hex(exported), length, suite))
          .toHex(),
        secret,
      );
      initSecret = new Uint8Array(keySchedule.initSecret);
    }
  }
});

Deno.test("MLS vectors: transcript hashes", async () => {
  for (const vector of await vectors("transcript_hashes")) {
    const [content] = decodeAuthenticatedContent(hex(vector.authenticated_content), 0)!;
    assert.ok(content.auth.contentType === "commit" && content.content.contentType === "commit");
    const confirmed = await createConfirmedHash(
      hex(vector.interim_transcript_hash_before),
      {
        wireformat: content.wireformat,
        content: content.content,
        signature: content.auth.signature,
      },
      suite.hash,
    );
    assert.equal(confirmed.toHex(), vector.confirmed_transcript_hash_after);
    const interim = await createInterimHash(confirmed, content.auth.confirmationTag, suite.hash);
    assert.equal(interim.toHex(), vector.interim_transcript_hash_after);
    assert.ok(
      await suite.hash.verifyMac(
        hex(vector.confirmation_key),
        content.auth.confirmationTag,
        confirmed,
      ),
    );
  }
});

Deno.test("MLS vectors: message protection", async () => {
  for (const vector of await vectors("message_protection")) {
    const context: GroupContext = {
      version: "mls10",
      cipherSuite: SUITE,
      groupId: hex(vector.group_id),
      epoch: BigInt(vector.epoch),
      treeHash: hex(vector.tree_hash),
      confirmedTranscriptHash: hex(vector.confirmed_transcript_hash),
      extensions: [],
    };
    // The sender is leaf 1 of 2; only its signature key is asked for, and that is handed over.
    const tree = [undefined, undefined, { nodeType: "leaf" }] as unknown as RatchetTree;
    const opened = async (text: string) => {
      const message = messageOf(text);
      assert.ok(message.wireformat === "mls_private_message");
      const result = await unprotectPrivateMessage(
        hex(vector.sender_data_secret),
        message.privateMessage,
        await createSecretTree(2, hex(vector.encryption_secret), suite.kdf),
        tree,
        context,
        defaultClientConfig.keyRetentionConfig,
        suite,
        hex(vector.signature_pub),
      );
      return result.content.content;
    };
    const verified = async (text: string) => {
      const message = messageOf(text);
      assert.ok(message.wireformat === "mls_public_message");
      const result = await unprotectPublicMessage(
        hex(vector.membership_key),
        context,
        tree,
        message.publicMessage,
        suite,
        hex(vector.signature_pub),
      );
      return result.content;
    };
    for (
      const content of [await opened(vector.proposal_priv), await verified(vector.proposal_pub)]
    ) {
      assert.ok(content.contentType === "proposal");
      assert.equal(encodeProposal(content.proposal).toHex(), vector.proposal);
    }
    for (const content of [await opened(vector.commit_priv), await verified(vector.commit_pub)]) {
      assert.ok(content.contentType === "commit");
      assert.equal(encodeCommit(content.commit).toHex(), vector.commit);
    }
    const content = await opened(vector.application_priv);
    assert.ok(content.contentType === "application");
    assert.equal(content.applicationData.toHex(), vector.application);
  }
});

Deno.test("MLS vectors: welcome", async () => {
  for (const vector of await vectors("welcome")) {
    const [welcome, packaged] = [messageOf(vector.welcome), messageOf(vector.key_package)];
    assert.ok(welcome.wireformat === "mls_welcome" && packaged.wireformat === "mls_key_package");
    const reference = await makeKeyPackageRef(packaged.keyPackage, suite.hash);
    const key = await suite.hpke.importPrivateKey(hex(vector.init_priv));
    const secrets = await decryptGroupSecrets(key, reference, welcome.welcome, suite.hpke);
    const noPsk = new Uint8Array(suite.kdf.size);
    const { joinerSecret } = secrets!;
    const info = await decryptGroupInfo(welcome.welcome, joinerSecret, noPsk, suite);
    assert.ok(await verifyGroupInfoSignature(info!, hex(vector.signer_pub), suite.signature));
    assert.ok(await verifyGroupInfoConfirmationTag(info!, joinerSecret, noPsk, suite));
  }
});

// deno-lint-ignore no-explicit-any
async function joined(vector: any) {
  const [welcome, packaged] = [messageOf(vector.welcome), messageOf(vector.key_package)];
  assert.ok(welcome.wireformat === "mls_welcome" && packaged.wireformat === "mls_key_package");
  const psks = Object.fromEntries(
    vector.external_psks.map((
      { psk_id, psk }: { psk_id: string; psk: string },
    ) => [hex(psk_id).toBase64(), hex(psk)]),
  );
  const state = await joinByWelcome({
    welcome: welcome.welcome,
    keyPackage: packaged.keyPackage,
    privateKeys: {
      initPrivateKey: hex(vector.init_priv),
      hpkePrivateKey: hex(vector.encryption_priv),
      signaturePrivateKey: hex(vector.signature_priv),
    },
    suite,
    config: defaultClientConfig,
    pskIndex: makePskIndex(undefined, psks),
    ...(vector.ratchet_tree === null
      ? {}
      : { tree: decodeRatchetTree(hex(vector.ratchet_tree), 0)![0] }),
  });
  assert.equal(
    state.keySchedule.epochAuthenticator.toHex(),
    vector.initial_epoch_authenticator,
  );
  return { state, psks };
}

Deno.test("MLS vectors: a passive client joins, by our own joining", async () => {
  for (const vector of await vectors("passive_client_welcome")) await joined(vector);
});

Deno.test("MLS vectors: a passive client follows commits", async () => {
  for (const vector of await vectors("passive_client_handling_commit")) {
    const start = await joined(vector);
    let state: ClientState = start.state;
    const take = async (text: string) => {
      const message = messageOf(text);
      assert.ok(
        message.wireformat === "mls_private_message" || message.wireformat === "mls_public_message",
      );
      const psks = makePskIndex(state, start.psks);
      state = (await processMessage(message, state, psks, acceptAll, suite)).newState;
    };
    for (const epoch of vector.epochs) {
      for (const proposal of epoch.proposals) await take(proposal);
      await take(epoch.commit);
      assert.equal(state.keySchedule.epochAuthenticator.toHex(), epoch.epoch_authenticator);
    }
  }
});
