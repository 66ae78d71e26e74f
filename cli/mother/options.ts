/** Options that `backup --to` and `restore --from` share. */
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { plain } from "../command.ts";
import type { Texts } from "../texts.ts";

/** Fields of the parsers. */
export function motherOptions({ mother }: Texts) {
  const file = (name: "--token-file" | "--passphrase-file" | "--ca", description: string) =>
    optional(
      option(name, path({ metavar: "FILE", type: "file" }), { description: plain(description) }),
    );
  return {
    tokenFile: file("--token-file", mother.options.tokenFile),
    passphraseFile: file("--passphrase-file", mother.options.passphraseFile),
    ca: file("--ca", mother.options.ca),
    device: optional(
      option("--device", string({ metavar: "NAME" }), {
        description: plain(mother.options.device),
      }),
    ),
  };
}
