import assert from "node:assert/strict";
import { join } from "node:path";
import { DEFAULT_WALK_LIMITS, walk } from "../../../cli/ingest/walk.ts";

const options = { limits: { ...DEFAULT_WALK_LIMITS, fileBytesMax: 100 }, hidden: false };

function withFolder(files: Record<string, string>, check: (folder: string) => void): void {
  const folder = join(Deno.makeTempDirSync(), "docs");
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      Deno.mkdirSync(join(path, ".."), { recursive: true });
      Deno.writeTextFileSync(path, content);
    }
    check(folder);
  } finally {
    Deno.removeSync(join(folder, ".."), { recursive: true });
  }
}

function names(folder: string, chosen = options) {
  const found = [...walk(folder, chosen)];
  return {
    files: found.flatMap((entry) => entry.type === "file" ? [entry.name] : []),
    skipped: found.flatMap((entry) =>
      entry.type === "skipped" ? [`${entry.path.slice(folder.length + 1)} ${entry.reason}`] : []
    ),
  };
}

Deno.test("walking a folder finds files by name and says what it left out", () => {
  const files = {
    "b.md": "b",
    "a/c.md": "c",
    ".hidden": "x",
    "node_modules/m.js": "x",
    "big.bin": "x".repeat(101),
    ".gitignore": "*.log\n",
    "a/debug.log": "x",
    "a/.gitignore": "!debug.log\nc.md\n",
  };
  withFolder(files, (folder) => {
    assert.deepEqual(names(folder), {
      files: ["docs/a/debug.log", "docs/b.md"],
      skipped: [
        ".gitignore hidden",
        ".hidden hidden",
        "a/.gitignore hidden",
        "a/c.md ignored",
        "big.bin tooLarge",
        "node_modules ignored",
      ],
    });
  });
});

Deno.test("symbolic links are not followed, so a loop ends", () => {
  withFolder({ "a/b.md": "b" }, (folder) => {
    Deno.symlinkSync(folder, join(folder, "a", "loop"));
    assert.deepEqual(names(folder), { files: ["docs/a/b.md"], skipped: ["a/loop symbolicLink"] });
  });
});

Deno.test("a single file is found by its own name, and too many files are cut with a reason", () => {
  withFolder({ "a.md": "a", "b.md": "b" }, (folder) => {
    assert.deepEqual(names(join(folder, "a.md")).files, ["a.md"]);
    const limited = { ...options, limits: { ...options.limits, filesMax: 1 } };
    assert.deepEqual(names(folder, limited), { files: ["docs/a.md"], skipped: ["b.md tooMany"] });
  });
});

Deno.test("hidden files come along when asked for", () => {
  withFolder({ ".note.md": "a" }, (folder) => {
    assert.deepEqual(names(folder, { ...options, hidden: true }).files, ["docs/.note.md"]);
  });
});
