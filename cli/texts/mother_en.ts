/** English texts: backups on another node. */

export const enMother = {
  options: {
    to:
      "Another node that keeps backups, like https://mother.example.org:7463. It cannot read them.",
    from: "The node that keeps the backup.",
    tokenFile: "A file with the token that the other node has made for this device.",
    passphraseFile: "A file whose first line is the passphrase or the recovery key.",
    ca: "A certificate (PEM) to trust, if the other node has one of its own making.",
    recoveryKey: "Draw a new recovery key instead of a passphrase, and show it once.",
    device: "Whose backup, when the token is for more than one.",
    version: "Which backup; the newest if left out.",
    list: "Only show what is there.",
  },
  badUrl: (url: string) => `"${url}" is no address of a node.`,
  badUrlHint:
    "Expected https://NAME:PORT. Without TLS (http://) only this machine itself is accepted: the token could be read on the way.",
  noToken: "No token for the other node was given.",
  noTokenHint:
    "On that node: submind token NAME --scope backup. Then here: --token-file FILE, or SUBMIND_BACKUP_TOKEN.",
  badToken:
    "The token does not fit. Make a new one on that node: submind token NAME --scope backup",
  cannotRead: (path: string, cause: string) => `Cannot read "${path}": ${cause}.`,
  unreachableHint:
    "Is it running, does its firewall let this port through, and is its certificate known here (else: --ca FILE)?",
  noDevice: "The token is for more than one device.",
  noDeviceHint: (names: string) => `Say which one with --device: ${names || "there is none yet"}.`,
  askPassphrase: "Passphrase or recovery key (leave empty to have a recovery key made)",
  askKnown: "Passphrase or recovery key of the backups",
  noPassphrase: "No passphrase for the backups was given.",
  noPassphraseHint:
    "Give one with --passphrase-file FILE or SUBMIND_BACKUP_PASSPHRASE, or have a key made with --recovery-key.",
  shortPassphrase: (count: number, min: number) =>
    `The passphrase has ${count} characters, expected at least ${min}.`,
  shortPassphraseHint: "Take several words, or have a key made with --recovery-key.",
  wrongPassphrase: "This is not the passphrase that the backups were made with.",
  wrongPassphraseHint:
    "Nothing was changed. Try another one; for backups under a new key use --recovery-key.",
  badKeyFile: (path: string) => `${path} is damaged.`,
  badKeyFileHint:
    "Remove it, and name the passphrase or the recovery key again: later backups go on as before.",
  recoveryKey:
    "Recovery key. Write it down now: it is shown only once, and without it nobody can restore:",
  preparing: "Copying",
  uploading: "Bringing",
  downloading: "Fetching",
  busy: (pid: number) => `A backup is being made already (process ${pid}).`,
  again: (what: string, seconds: number) => `${what} Trying again in ${seconds} s.`,
  kept: (version: number, size: string, fresh: string, url: string) =>
    `Backup ${version} of ${size} is kept by ${url}; ${fresh} had to be brought.`,
  nothing: (device: string) => `There is no backup of "${device}".`,
  nothingHint: "See what is there with --list, or make one: submind backup --to URL",
  noVersion: (version: number, device: string) => `There is no backup ${version} of "${device}".`,
  versionHead: "Backup",
  timeHead: "Made (claimed)",
  sizeHead: "Size",
  filesHead: "Files",
  byHead: "By device",
  damagedPiece: (name: string, path: string) =>
    `Piece ${name} of "${path}" is not what was backed up: it was damaged or changed.`,
  damagedVersion: (version: number, why: string) =>
    `Backup ${version} is not what a device has made: ${why}.`,
  damagedFile: (path: string) => `"${path}" is not what was backed up, although its pieces are.`,
  damagedHint: "Nothing was restored. Take an older one (--backup N), or another backup.",
};
