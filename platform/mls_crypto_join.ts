/**
 * Joining an MLS group by a welcome (RFC 9420, section 12.4.3.1), from ts-mls's own parts. The library's `joinGroup` cannot be used: up to
 * 1.6.4 its check of unmerged leaves wants every ancestor of a leaf to list the same ones, and so refuses the honest tree of most
 * groups that lost a member and then gained one; and it takes leaves for unmerged that are not below the node. Here the check is that of section 12.4.3.1.
 */
import type {
  CiphersuiteImpl,
  ClientConfig,
  ClientState,
  KeyPackage,
  LeafNode,
  LeafNodeCommit,
  LeafNodeUpdate,
  PrivateKeyPackage,
  PskIndex,
  RatchetTree,
  Welcome,
} from "ts-mls";
import { validateLeafNodeUpdateOrCommit } from "ts-mls/clientState.js";
import { ratchetTreeFromExtension, verifyGroupInfoConfirmationTag } from "ts-mls/groupInfo.js";
import { verifyGroupInfoSignature } from "ts-mls/groupInfo.js";
import { makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { deriveKeySchedule } from "ts-mls/keySchedule.js";
import { verifyLeafNodeSignature } from "ts-mls/leafNode.js";
import { verifyParentHashes } from "ts-mls/parentHash.js";
import { pathToRoot } from "ts-mls/pathSecrets.js";
import { mergePrivateKeyPaths, toPrivateKeyPath } from "ts-mls/privateKeyPath.js";
import { accumulatePskSecret } from "ts-mls/pskIndex.js";
import { findLeafIndex } from "ts-mls/ratchetTree.js";
import { createSecretTree } from "ts-mls/secretTree.js";
import { treeHashRoot } from "ts-mls/treeHash.js";
import {
  directPath,
  isLeaf,
  leafToNodeIndex,
  leafWidth,
  toLeafIndex,
  toNodeIndex,
} from "ts-mls/treemath.js";
import { firstCommonAncestor } from "ts-mls/updatePath.js";
import { decryptGroupInfo, decryptGroupSecrets } from "ts-mls/welcome.js";
import { equalBytes } from "../protocols/codec.ts";

/** What joining takes. */
export interface Joining {
  readonly welcome: Welcome;
  readonly keyPackage: KeyPackage;
  readonly privateKeys: PrivateKeyPackage;
  readonly suite: CiphersuiteImpl;
  readonly config: ClientConfig;
  /** Pre-shared keys that the welcome may name; groups of conversations have none. */
  readonly pskIndex: PskIndex;
  /** The tree, where the welcome does not carry it. */
  readonly tree?: RatchetTree;
}

/** The state of the new member. Throws whatever is wrong with the welcome. */
export async function joinByWelcome(joining: Joining): Promise<ClientState> {
  const { welcome, keyPackage, privateKeys, suite, config } = joining;
  const reference = await makeKeyPackageRef(keyPackage, suite.hash);
  const initKey = await suite.hpke.importPrivateKey(privateKeys.initPrivateKey);
  const secrets = await decryptGroupSecrets(initKey, reference, welcome, suite.hpke);
  if (secrets === undefined) throw new Error("the welcome is not for this key package");
  const [pskSecret] = await accumulatePskSecret(
    secrets.psks,
    joining.pskIndex,
    suite,
    new Uint8Array(suite.kdf.size),
  );
  const info = await decryptGroupInfo(welcome, secrets.joinerSecret, pskSecret, suite);
  if (info === undefined) throw new Error("the group info is malformed");
  const { groupContext, signer } = info;
  if (groupContext.cipherSuite !== keyPackage.cipherSuite || groupContext.version !== "mls10") {
    throw new Error("the group has another version or cipher suite");
  }
  const tree = ratchetTreeFromExtension(info) ?? joining.tree;
  if (tree === undefined) throw new Error("the welcome comes without the tree");
  const signerNode = tree[leafToNodeIndex(toLeafIndex(signer))];
  if (signerNode?.nodeType !== "leaf") throw new Error("the signer is no member");
  const { signaturePublicKey } = signerNode.leaf;
  if (!await verifyGroupInfoSignature(info, signaturePublicKey, suite.signature)) {
    throw new Error("the group info is not signed by its signer");
  }
  const problem = await problemOfTree(tree, groupContext, config, suite);
  if (problem !== undefined) throw new Error(problem);
  const ownLeaf = findLeafIndex(tree, keyPackage.leafNode);
  if (ownLeaf === undefined) throw new Error("the tree lacks our leaf");
  const ownKeys = {
    leafIndex: ownLeaf,
    privateKeys: { [leafToNodeIndex(ownLeaf)]: privateKeys.hpkePrivateKey },
  };
  const ancestor = firstCommonAncestor(tree, ownLeaf, toLeafIndex(signer));
  const privatePath = secrets.pathSecret === undefined ? ownKeys : mergePrivateKeyPaths(
    await toPrivateKeyPath(
      await pathToRoot(tree, ancestor, secrets.pathSecret, suite.kdf),
      ownLeaf,
      suite,
    ),
    ownKeys,
  );
  const [keySchedule, encryptionSecret] = await deriveKeySchedule(
    secrets.joinerSecret,
    pskSecret,
    groupContext,
    suite.kdf,
  );
  if (!await verifyGroupInfoConfirmationTag(info, secrets.joinerSecret, pskSecret, suite)) {
    throw new Error("the confirmation tag does not fit");
  }
  const secretTree = await createSecretTree(leafWidth(tree.length), encryptionSecret, suite.kdf);
  encryptionSecret.fill(0);
  secrets.joinerSecret.fill(0);
  return {
    groupContext,
    ratchetTree: tree,
    privatePath,
    signaturePrivateKey: privateKeys.signaturePrivateKey,
    confirmationTag: info.confirmationTag,
    unappliedProposals: {},
    keySchedule,
    secretTree,
    historicalReceiverData: new Map(),
    groupActiveState: { kind: "active" },
    clientConfig: config,
  };
}

async function problemOfTree(
  tree: RatchetTree,
  context: ClientState["groupContext"],
  config: ClientConfig,
  suite: CiphersuiteImpl,
): Promise<string | undefined> {
  // The library hands trees out at their full width; a width that is no power of two would be none.
  const width = leafWidth(tree.length);
  if (tree.length !== 2 * width - 1 || (width & (width - 1)) !== 0) {
    return "the tree has no full width";
  }
  const keys = new Set<string>();
  const signatureKeys = new Set<string>();
  for (const [index, node] of tree.entries()) {
    if (node === undefined) continue;
    if (isLeaf(toNodeIndex(index)) !== (node.nodeType === "leaf")) {
      return "leaves and parents stand in each other's place";
    }
    const key = (node.nodeType === "leaf" ? node.leaf : node.parent).hpkePublicKey.toHex();
    if (keys.has(key)) return "an encryption key stands in two nodes";
    keys.add(key);
    if (node.nodeType === "parent") {
      const problem = problemOfUnmerged(tree, index, node.parent.unmergedLeaves);
      if (problem !== undefined) return problem;
      continue;
    }
    const signatureKey = node.leaf.signaturePublicKey.toHex();
    if (signatureKeys.has(signatureKey)) return "a signature key stands in two leaves";
    signatureKeys.add(signatureKey);
    const problem = await problemOfLeaf(node.leaf, index / 2, context, config, suite);
    if (problem !== undefined) return problem;
  }
  const types = new Set(leavesOf(tree).map((leaf) => leaf.credential.credentialType));
  for (const leaf of leavesOf(tree)) {
    for (const type of types) {
      if (!leaf.capabilities.credentials.includes(type)) {
        return `a member does not support credentials of type ${type}`;
      }
    }
  }
  if (!equalBytes(await treeHashRoot(tree, suite.hash), context.treeHash)) {
    return "the tree is not the one that the group info names";
  }
  return await verifyParentHashes(tree, suite.hash) ? undefined : "a parent hash does not fit";
}

/**
 * "Verify that the entry represents a non-blank leaf node that is a descendant of the parent node. Verify that every non-blank
 * intermediate node between the leaf node and the parent node contains the entry for the leaf node in its `unmerged_leaves`." And they
 * ascend (section 7.8).
 */
function problemOfUnmerged(
  tree: RatchetTree,
  parentIndex: number,
  unmerged: readonly number[],
): string | undefined {
  for (const [i, entry] of unmerged.entries()) {
    if (i > 0 && unmerged[i - 1]! >= entry) return "unmerged leaves do not ascend";
    const leafIndex = leafToNodeIndex(toLeafIndex(entry));
    if (leafIndex >= tree.length || tree[leafIndex]?.nodeType !== "leaf") {
      return "an unmerged leaf is blank";
    }
    const path = directPath(leafIndex, leafWidth(tree.length));
    const place = path.indexOf(toNodeIndex(parentIndex));
    if (place === -1) return "an unmerged leaf is not below its node";
    for (const between of path.slice(0, place)) {
      const node = tree[between];
      if (node?.nodeType === "parent" && !node.parent.unmergedLeaves.includes(entry)) {
        return "a node between an unmerged leaf and its node does not list it";
      }
    }
  }
  return undefined;
}

async function problemOfLeaf(
  leaf: LeafNode,
  leafIndex: number,
  context: ClientState["groupContext"],
  config: ClientConfig,
  suite: CiphersuiteImpl,
): Promise<string | undefined> {
  if (leaf.leafNodeSource !== "key_package") {
    const error = await validateLeafNodeUpdateOrCommit(
      leaf as LeafNodeCommit | LeafNodeUpdate,
      leafIndex,
      context,
      config.authService,
      suite.signature,
    );
    return error?.message;
  }
  if (!await verifyLeafNodeSignature(leaf, context.groupId, leafIndex, suite.signature)) {
    return "a leaf is not signed by its key";
  }
  return await config.authService.validateCredential(leaf.credential, leaf.signaturePublicKey)
    ? undefined
    : "no identity vouches for a leaf";
}

function leavesOf(tree: RatchetTree): readonly LeafNode[] {
  return tree.flatMap((node) => node?.nodeType === "leaf" ? [node.leaf] : []);
}
