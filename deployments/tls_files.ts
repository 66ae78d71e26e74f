/** Reads the certificate and key of the gateway, and says clearly what is wrong with them before anything listens. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { errorText } from "../platform/error_text.ts";

/** Thrown when the TLS files cannot be used; `hint` says what to do. */
export class TlsFilesError extends Error {
  override readonly name = "TlsFilesError";
  constructor(message: string, readonly hint: string, options?: ErrorOptions) {
    super(message, options);
  }
}

export interface TlsFiles {
  /** PEM: the certificate, then those that lead to its authority. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

/**
 * The TLS files that the settings name; null when they name none.
 *
 * @throws {TlsFilesError} when a file cannot be read, is not PEM of its kind, or the key is not that of the certificate
 */
export async function readTlsFiles(
  settings: { readonly tlsCertificate: string; readonly tlsKey: string },
): Promise<TlsFiles | null> {
  const { tlsCertificate, tlsKey } = settings;
  if (tlsCertificate === "") return null;
  const certificate = await read("gateway.tlsCertificate", tlsCertificate);
  const key = await read("gateway.tlsKey", tlsKey);
  const parsed = parse(tlsCertificate, "a PEM certificate", () => new X509Certificate(certificate));
  const privateKey = parse(
    tlsKey,
    "a PEM private key without a password",
    () => createPrivateKey(key),
  );
  if (!parsed.checkPrivateKey(privateKey)) {
    throw new TlsFilesError(
      `Cannot use "${tlsKey}": it is not the key of the certificate in "${tlsCertificate}"`,
      "Name the key that was made together with the certificate.",
    );
  }
  return { certificate, key };
}

async function read(setting: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = errorText(error);
    throw new TlsFilesError(
      `Cannot read ${setting} "${path}": ${reason}`,
      "Check the path, and that the user who runs the node may read the file.",
      { cause: error },
    );
  }
}

function parse<T>(path: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new TlsFilesError(
      `Cannot use "${path}": it is not ${expected}`,
      'It begins with "-----BEGIN …-----"; convert other forms with openssl.',
      { cause: error },
    );
  }
}
