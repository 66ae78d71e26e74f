/** The identity file: made once, kept safe, never overwritten. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { IDENTITY_FILE, IdentityError, openIdentity } from "../../platform/identity.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";

async function inFolder(check: (directory: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await check(join(root, "keys"));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const refusal = (reason: string, pattern: RegExp) => (error: unknown) =>
  error instanceof IdentityError && error.reason === reason && pattern.test(error.message);

Deno.test("the identity is made at the first start and the same ever after", () =>
  inFolder(async (directory) => {
    const first = await openIdentity({ directory });
    const second = await openIdentity({ directory });
    assert.deepEqual(first.publicKey, second.publicKey);
    const message = new Uint8Array([1, 2, 3]);
    const signed = { publicKey: first.publicKey, message, signature: second.sign(message) };
    assert.equal(nodeCrypto().verify(signed), true);
    assert.equal((await Deno.stat(directory)).mode! & 0o777, 0o700);
    assert.equal((await Deno.stat(join(directory, IDENTITY_FILE))).mode! & 0o777, 0o600);
    const names = [...Deno.readDirSync(directory)].map((entry) => entry.name);
    assert.deepEqual(names, [IDENTITY_FILE]);
  }));

Deno.test("eight first starts at once end with one identity", () =>
  inFolder(async (directory) => {
    const all = await Promise.all(Array.from({ length: 8 }, () => openIdentity({ directory })));
    assert.equal(new Set(all.map((signer) => signer.publicKey.toHex())).size, 1);
  }));

Deno.test("OpenSSL's PEM form is what is written and read", () =>
  inFolder(async (directory) => {
    await Deno.mkdir(directory);
    const path = join(directory, IDENTITY_FILE);
    // RFC 8410, section 10.3; its public key is given in 10.1.
    const pem = "-----BEGIN PRIVATE KEY-----\n" +
      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n" +
      "-----END PRIVATE KEY-----\n";
    await Deno.writeTextFile(path, pem, { mode: 0o600 });
    const signer = await openIdentity({ directory });
    assert.equal(signer.publicKey.toBase64(), "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
  }));

Deno.test("a key file that others can read is refused with the way to mend it", () =>
  inFolder(async (directory) => {
    await openIdentity({ directory });
    const path = join(directory, IDENTITY_FILE);
    for (const mode of [0o640, 0o604, 0o660]) {
      await Deno.chmod(path, mode);
      await assert.rejects(openIdentity({ directory }), refusal("exposed", /chmod 600/));
    }
    await Deno.chmod(path, 0o600);
    await openIdentity({ directory });
  }));

Deno.test("a damaged or foreign key file is refused and left as it is", () =>
  inFolder(async (directory) => {
    await Deno.mkdir(directory);
    const path = join(directory, IDENTITY_FILE);
    const { generateKeyPairSync } = await import("node:crypto");
    const foreign = generateKeyPairSync("x25519").privateKey
      .export({ format: "pem", type: "pkcs8" }) as string;
    for (const content of ["", "nonsense", foreign, "x".repeat(5_000)]) {
      await Deno.writeTextFile(path, content, { mode: 0o600 });
      await assert.rejects(openIdentity({ directory }), refusal("corrupt", /left as it is/));
      assert.equal(await Deno.readTextFile(path), content);
    }
  }));

Deno.test("a link in place of the key file is refused", () =>
  inFolder(async (directory) => {
    await Deno.mkdir(directory);
    await Deno.symlink("/dev/null", join(directory, IDENTITY_FILE));
    await assert.rejects(openIdentity({ directory }), refusal("unreadable", /plain file/));
  }));
