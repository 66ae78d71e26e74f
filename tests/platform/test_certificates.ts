/** Certificates for servers of tests. */
import assert from "node:assert/strict";
import { join } from "node:path";

/** An authority and a certificate of it for "localhost", by OpenSSL. */
export async function certificates(folder: string): Promise<void> {
  const openssl = async (line: string) => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args: line.split(" "),
      cwd: folder,
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  await openssl(`req -x509 ${key} -days 2 -subj /CN=test-authority -keyout ca.key -out ca.pem`);
  await Deno.writeTextFile(
    join(folder, "extensions"),
    "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
  );
  await openssl(`req ${key} -subj /CN=localhost -keyout key.pem -out request.pem`);
  await openssl(
    "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem",
  );
}
