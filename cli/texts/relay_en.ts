/** English texts of `submind relay`. */
export const enRelay = {
  relay: {
    help: {
      relay: "Make and look after a relay: NATS hubs that connect several homes.",
      init: "Write the files of a relay: configurations, keys, containers.",
      streams: "Make the stream of mail on a running relay, or give it new limits.",
      key: "Print the key by which this device logs in to brokers.",
    },
    options: {
      sites: "Names of the homes to connect, separated by commas: home,office.",
      hubs: "Host names of the hubs, one or three, separated by commas.",
      devices: "Keys of devices that connect without a home in between (submind relay key).",
      out: "The folder to write; it must be new or empty.",
      noTls: "Without TLS: for labs only.",
      server: "A hub: tls://a.example.org:4222.",
      credentials: "The file admin.seed of the relay.",
      replicas: "How many hubs keep each message.",
      authority: "PEM file of the authority that signed the hub's certificate.",
    },
    written: (count: number, folder: string) =>
      `${count} files written to ${folder}. README.md there tells how to go on.`,
    streamMade: (replicas: number) => `The stream of mail is made, ${replicas} replicas.`,
    streamUpdated: (replicas: number) =>
      `The stream of mail has these limits now, ${replicas} replicas.`,
    noIdentity: (folder: string) => `There is no device in ${folder} yet.`,
    noIdentityHint: "Start it once: submind up",
  },
};
