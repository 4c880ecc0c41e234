// A real OpenID provider on loopback, by TLS: `node provider.mjs CERTIFICATE_AND_KEY.pem`.
//
// Tells on stdout, a JSON object a line: {"port": n} once it listens, {"kids": [...]} after each
// rotation.  A line on stdin is an order: `rotate` signs with a new key and still lists the old
// ones, `forget` lists the newest alone, `retire` ends it.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const pem = readFileSync(process.argv[2]);
const server = createServer({ key: pem, cert: pem });
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const issuer = `https://localhost:${port}`;

let keys = [];
let answer = null;

function newKey() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    ...privateKey.export({ format: "jwk" }),
    kid: `key-${keys.length + 1}`,
    use: "sig",
    alg: "ES256",
  };
}

function configuration() {
  return {
    jwks: { keys },
    clients: [
      {
        client_id: "agent",
        client_secret: "a-secret-of-the-agents-own",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      },
    ],
    scopes: ["mcp.read", "mcp.write"],
    extraTokenClaims: () => ({ groups: ["readers"] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: "mcp.read mcp.write",
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  };
}

function serve() {
  answer = new Provider(issuer, configuration()).callback();
  console.log(JSON.stringify({ kids: keys.map((key) => key.kid) }));
}

server.on("request", (request, response) => answer(request, response));
keys = [newKey()];
serve();
console.log(JSON.stringify({ port }));

for await (const order of createInterface({ input: process.stdin })) {
  if (order === "rotate") keys = [newKey(), ...keys];
  if (order === "forget") keys = keys.slice(0, 1);
  if (order === "retire") break;
  serve();
}
process.exit(0);
