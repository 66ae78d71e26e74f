/** `submind learn data`: brings pictures to learn from, and shows which are there. Works without a running node. */
import { object, or } from "@optique/core/constructs";
import { map, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { basename, resolve } from "node:path";
import {
  type ImageSet,
  type ImageSplit,
  readImageSet,
  SET_NAME,
} from "../../learning/data/image_set.ts";
import { mnistTask, optionsForSet, PICTURES_MIN } from "../../learning/tasks/mnist.ts";
import { lockFile } from "../../platform/file_lock.ts";
import { type Action, type CommandContext, dataDirectoryOf, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { type FoundSet, readImageFolder } from "../learning_data/image_folder.ts";
import { imageFolder, keepImageSet, keptImageSets, type KeptSet } from "../learning_data/keep.ts";
import {
  canUsePackages,
  DataError,
  mnistPackageFolder,
  readMnistFolder,
} from "../learning_data/mnist.ts";
import { startProgress } from "../output/progress.ts";
import { formatTable } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command, to stand below `learn`. */
export function learnDataCommand(texts: Texts) {
  const { help, options } = texts.learnData;
  const folder = (name: `--${string}`, description: string) =>
    option(name, path({ metavar: "FOLDER", type: "directory" }), {
      description: plain(description),
    });
  const fetch = object({
    set: argument(choice(["mnist"], { metavar: "SET" }), { description: plain(options.set) }),
    from: optional(folder("--from", options.from)),
  });
  const take = object({
    idx: folder("--idx", options.idx),
    name: optional(
      option("--name", string({ metavar: "NAME" }), { description: plain(options.name) }),
    ),
  });
  return command(
    "data",
    or(
      command("fetch", map(fetch, ({ from }): Action => (context) => runFetch(context, from)), {
        brief: plain(help.fetch),
      }),
      command("import", map(take, (found): Action => (context) => runImport(context, found)), {
        brief: plain(help.import),
      }),
      map(object({}), (): Action => runList),
    ),
    { brief: plain(help.data) },
  );
}

async function runList(context: CommandContext) {
  const texts = context.texts.learnData;
  const sets = await keptImageSets(imageFolder(dataDirectoryOf(context)));
  context.output.result({ sets: sets.map(viewOf) }, () => {
    if (sets.length === 0) return texts.none;
    const count = (number: number) => formatCount(number, context.language);
    return formatTable(
      context.output.terminal,
      [texts.set, texts.training, texts.test, texts.size, texts.classes],
      sets.map((set) => [
        set.name,
        count(set.training),
        count(set.test),
        texts.sizeOf(set.rows, set.columns, set.channels),
        count(set.classes),
      ]),
    );
  });
  return EXIT.ok;
}

async function runFetch(context: CommandContext, from: string | undefined) {
  const texts = context.texts.learnData;
  if (from === undefined && !canUsePackages()) {
    throw new CliError(texts.noPackages, {
      code: "unavailable",
      exitCode: EXIT.refused,
      hint: texts.fromHint,
    });
  }
  const progress = startProgress(context.output, context.clock, texts.fetching);
  try {
    const source = from === undefined ? await mnistPackageFolder() : resolve(from);
    const files = await readMnistFolder(
      source,
      (done, total, name) => progress.update(done, total, name),
    );
    const half = (split: ImageSplit): Promise<ImageSet> => {
      const [images, labels] = [`${split}-images-idx3-ubyte`, `${split}-labels-idx1-ubyte`];
      return readImageSet(
        { images: files.get(images)!, labels: files.get(labels)! },
        { images, labels },
      );
    };
    const sets = { training: await half("train"), test: await half("t10k") };
    return done(context, await keepHere(context, "mnist", sets));
  } catch (error) {
    throw problemOf(context, error, { missing: texts.fromHint, damaged: texts.damagedHint });
  } finally {
    progress.stop();
  }
}

async function runImport(
  context: CommandContext,
  { idx, name: given }: { readonly idx: string; readonly name: string | undefined },
) {
  const texts = context.texts.learnData;
  const name = given ?? nameOfFolder(idx);
  if (!SET_NAME.test(name) || name === "mnist") {
    throw new CliError(texts.badName(name), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: texts.badNameHint,
    });
  }
  try {
    const found = await readImageFolder(resolve(idx));
    checkLearnable(name, found);
    return done(context, await keepHere(context, name, found));
  } catch (error) {
    throw problemOf(context, error, { missing: texts.importHint, damaged: texts.importHint });
  }
}

/** Writes a set where this device's tasks look for it. One command at a time: two that bring a set of one name would mix its halves. */
async function keepHere(
  context: CommandContext,
  name: string,
  set: Parameters<typeof keepImageSet>[2],
): Promise<KeptSet> {
  const folder = imageFolder(dataDirectoryOf(context));
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const locked = await lockFile(`${folder}.lock`);
  if (locked.type === "busy") {
    throw new CliError(context.texts.learnData.busy(locked.pid ?? 0), {
      code: "busy",
      exitCode: EXIT.refused,
    });
  }
  try {
    return await keepImageSet(folder, name, set);
  } finally {
    locked.lock.release();
  }
}

/** Throws a `DataError` when no model takes pictures of this size. */
function checkLearnable(name: string, { training, classes }: FoundSet): void {
  try {
    mnistTask.network({ ...optionsForSet(name, training, classes), model: "softmax" });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new DataError("unfit", `Cannot learn from these pictures: ${cause.message}`, { cause });
  }
}

/** "Fashion MNIST" as a set may be called: fashion-mnist. */
function nameOfFolder(folder: string): string {
  return basename(resolve(folder)).toLowerCase().normalize("NFKD")
    .replaceAll(/\p{M}/gu, "").replaceAll(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+/, "").slice(0, 32)
    .replace(/-+$/, "");
}

function done(context: CommandContext, set: KeptSet) {
  const texts = context.texts.learnData;
  const view = viewOf(set);
  const count = (number: number) => formatCount(number, context.language);
  context.output.result({ ok: true, ...view }, () => {
    const kept = texts.kept(set.name, count(set.training), count(set.test), set.folder);
    if (set.name === "mnist") return kept;
    const options = Object.entries(view.options).map(([name, value]) =>
      `--option ${name}=${value}`
    );
    return `${kept}\n${texts.learnWith(options.join(" "))}`;
  });
  if (set.training < PICTURES_MIN) context.output.note(texts.tooFew(PICTURES_MIN));
  return EXIT.ok;
}

/** A set with the options by which the task learns it. */
function viewOf(set: KeptSet) {
  return { ...set, options: optionsForSet(set.name, set, set.classes) };
}

function problemOf(
  { texts }: CommandContext,
  error: unknown,
  hints: { readonly missing: string; readonly damaged: string },
): unknown {
  if (!(error instanceof DataError)) return error;
  return new CliError(texts.learnRuns.told(error.message), {
    code: error.code,
    exitCode: EXIT.refused,
    hint: error.code === "damaged" ? hints.damaged : hints.missing,
    cause: error,
  });
}
