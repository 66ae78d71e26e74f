/** What the documents name exists: files, headings, tasks, commands. */
import assert from "node:assert/strict";
import { basename, dirname, join, normalize, relative } from "node:path";
import { parse } from "@optique/core/parser";
import { fromMarkdown } from "mdast-util-from-markdown";
import { programParser } from "../cli/program.ts";
import { textsOf } from "../cli/texts.ts";
import { run } from "./cli/fake_world.ts";

type Node = ReturnType<typeof fromMarkdown> | ReturnType<typeof fromMarkdown>["children"][number];

interface Document {
  /** From the root of the repository. */
  readonly path: string;
  /** Targets of links and images. */
  readonly links: readonly string[];
  /** Code within a line of text. */
  readonly inline: readonly string[];
  /** Blocks of code. */
  readonly blocks: readonly string[];
  /** What a link may name behind "#". */
  readonly anchors: ReadonlySet<string>;
}

const ROOT = normalize(join(import.meta.dirname!, ".."));

/** Files of the places that test vectors come from, and files that a command writes. */
const ELSEWHERE = new Set([
  "deployments/coturn/turnserver.conf",
  "relay/README.md",
  "tests/box.c",
  "tests/vectors/cacophony.txt",
  "tests/vectors/snow.txt",
]);

const files = [...walk(".")];
const names = new Set(files.map((path) => basename(path)));
const documents = files.filter((path) => path.endsWith(".md")).map(read);
/** Folders at the root, which is where the paths begin that documents name. */
const FOLDERS = [...new Set(files.filter((path) => path.includes("/")).map(topFolder))].join("|");

function topFolder(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

function* walk(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, folder))) {
    if (/^(\.|node_modules$)/.test(name)) continue;
    const path = folder === "." ? name : `${folder}/${name}`;
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}

function read(path: string): Document {
  const text = Deno.readTextFileSync(join(ROOT, path));
  const links: string[] = [];
  const inline: string[] = [];
  const blocks: string[] = [];
  const anchors = new Set<string>();
  const visit = (node: Node) => {
    if (node.type === "link" || node.type === "image" || node.type === "definition") {
      links.push(node.url);
    }
    if (node.type === "inlineCode") inline.push(node.value);
    if (node.type === "code") blocks.push(node.value);
    if (node.type === "heading") anchors.add(anchorOf(textOf(node), anchors));
    if ("children" in node) { for (const child of node.children) visit(child); }
  };
  visit(fromMarkdown(text));
  return { path, links, inline, blocks, anchors };
}

function textOf(node: Node): string {
  if ("value" in node) return node.value;
  return "children" in node ? node.children.map(textOf).join("") : "";
}

/** As GitHub makes them: lower case, no punctuation, hyphens for spaces, a number behind what is there already. */
function anchorOf(heading: string, taken: ReadonlySet<string>): string {
  const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");
  let anchor = plain;
  for (let number = 1; taken.has(anchor); number++) anchor = `${plain}-${number}`;
  return anchor;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}

/** Whether a document may mean an existing file by this path: from the root, from docs/ or from its own folder. */
function isThere(document: Document, path: string): boolean {
  if (path.includes("*")) {
    const pattern = new RegExp(`^${path.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}$`);
    return files.some((file) => pattern.test(file));
  }
  return [".", "docs", dirname(document.path)].some((folder) => exists(join(folder, path)));
}

Deno.test("every link in a document leads to a file, and to a heading where it names one", () => {
  const wrong = documents.flatMap((document) =>
    document.links.flatMap((url) => {
      if (/^[a-z]+:/.test(url)) return [];
      const [target = "", anchor] = decodeURI(url).split("#");
      const path = target === ""
        ? document.path
        : relative(ROOT, join(ROOT, dirname(document.path), target));
      if (!exists(path)) return [`${document.path}: ${url}`];
      const found = documents.find((one) => one.path === path);
      return anchor === undefined || found?.anchors.has(anchor) ? [] : [`${document.path}: ${url}`];
    })
  );
  assert.deepEqual(wrong, []);
});

Deno.test("every file that a document names exists", () => {
  const inFolder = new RegExp(`(?<![\\w./~<>@-])(?:${FOLDERS})/[\\w./*-]*[\\w/*]`, "g");
  const wrong = documents.flatMap((document) =>
    [...document.inline, ...document.blocks].flatMap((code) => {
      const paths = [...code.matchAll(inFolder)].map(([path]) => path);
      const bare = /^[\w-]+\.(ts|py|as|md)$/.test(code);
      const page = /^[\w./-]+\.md$/.test(code);
      return [
        ...paths.filter((path) => !isThere(document, path)),
        ...(bare && !names.has(code) ? [code] : []),
        ...(page && !bare && paths.length === 0 && !isThere(document, code) ? [code] : []),
      ].filter((path) => !ELSEWHERE.has(path)).map((path) => `${document.path}: ${path}`);
    })
  );
  assert.deepEqual(wrong, []);
});

Deno.test("every task that a document or a comment names is in deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const sources = files.filter((path) =>
    /\.(md|ts|yaml|service)$|Dockerfile$/.test(path) &&
    path !== relative(ROOT, import.meta.filename!)
  );
  const wrong = sources.flatMap((path) =>
    [
      ...Deno.readTextFileSync(join(ROOT, path)).matchAll(
        /\bdeno(?:@[\d.]+)? task (?:--quiet |--cwd \S+ )*([a-z][\w:]*)/g,
      ),
    ].filter(([, task]) => !Object.hasOwn(tasks, task!)).map(([line]) => `${path}: ${line}`)
  );
  assert.deepEqual(wrong, []);
});

/** The words of a line as a shell takes them, up to a comment, a pipe or a redirection. */
function wordsOf(line: string): readonly string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)];
  const end = words.findIndex(([, , , bare]) => bare !== undefined && /^([#<>|]|&&)/.test(bare));
  return words.slice(0, end < 0 ? words.length : end).map(([, double, single, bare]) =>
    double ?? single ?? bare!
  );
}

Deno.test("every command line that a document shows is one that the program takes", () => {
  const parser = programParser(textsOf("en"));
  const lines = documents.flatMap(({ path, blocks }) =>
    blocks.flatMap((block) =>
      [...block.replaceAll("\\\n", " ").matchAll(/^(?:\$ )?submind ((?!demo:)[^$\n]*)$/gm)]
        .map(([, line]) => ({ path, line: line! }))
    )
  );
  assert.ok(lines.length > 40, `${lines.length} lines`);
  const wrong = lines.filter(({ line }) => !parse(parser, wordsOf(line)).success);
  assert.deepEqual(wrong.map(({ path, line }) => `${path}: submind ${line}`), []);
});

Deno.test("every command that a document names has a help text", async () => {
  const named = new Map(documents.flatMap(({ path, inline }) =>
    inline.flatMap((code) => {
      const [, command] = /^submind ((?:[a-z]+(?: |$))+)/.exec(code) ?? [];
      return command === undefined ? [] : [[command.trim(), path]];
    })
  ));
  assert.ok(named.size > 30, `${named.size} commands`);
  const wrong: string[] = [];
  for (const [command, path] of named) {
    const { exitCode } = await run([...command.split(" "), "--help"]);
    if (exitCode !== 0) wrong.push(`${path}: submind ${command}`);
  }
  assert.deepEqual(wrong, []);
});
