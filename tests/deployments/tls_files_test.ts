import assert from "node:assert/strict";
import { join } from "node:path";
import { readTlsFiles, TlsFilesError } from "../../deployments/tls_files.ts";

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, stderr: "piped" }).output();
  assert(success, new TextDecoder().decode(stderr));
}

async function withFolder(test: (path: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test((name) => join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function certificate(path: (name: string) => string, name: string): Promise<void> {
  const subject = ["-subj", "/CN=localhost", "-days", "2"];
  const files = ["-keyout", path(`${name}.key`), "-out", path(`${name}.pem`)];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  await openssl("req", "-x509", "-nodes", ...curve, ...subject, ...files);
}

Deno.test("a certificate and its key are read; none are none", () =>
  withFolder(async (path) => {
    assert.equal(await readTlsFiles({ tlsCertificate: "", tlsKey: "" }), null);
    await certificate(path, "a");
    const files = await readTlsFiles({ tlsCertificate: path("a.pem"), tlsKey: path("a.key") });
    assert.match(files?.certificate ?? "", /^-----BEGIN CERTIFICATE/);
    assert.match(files?.key ?? "", /^-----BEGIN .*PRIVATE KEY/);
  }));

Deno.test("unusable TLS files are named, with what to do", () =>
  withFolder(async (path) => {
    await certificate(path, "a");
    await certificate(path, "b");
    const attempt = (tlsCertificate: string, tlsKey: string) =>
      assert.rejects(readTlsFiles({ tlsCertificate, tlsKey }), (error) => {
        assert(error instanceof TlsFilesError);
        assert(error.hint.length > 10);
        messages.push(error.message);
        return true;
      });
    const messages: string[] = [];
    await attempt(path("none.pem"), path("a.key"));
    await attempt(path("a.key"), path("a.key"));
    await attempt(path("a.pem"), path("a.pem"));
    await attempt(path("a.pem"), path("b.key"));
    const [missing, notCertificate, notKey, foreign] = messages;
    assert.match(missing ?? "", /gateway\.tlsCertificate ".*none\.pem"/);
    assert.match(notCertificate ?? "", /a\.key": it is not a PEM certificate/);
    assert.match(notKey ?? "", /a\.pem": it is not a PEM private key/);
    assert.match(foreign ?? "", /b\.key": it is not the key of the certificate/);
  }));
