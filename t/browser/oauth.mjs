// A real OAuth client: revokes a token and asks whether tokens are active, and
// prints what it was told, as JSON.
//
//     node oauth.mjs PACKAGES URL CLIENT SECRET TOKEN ...

import { pathToFileURL } from 'node:url';

const [packages, url, client_id, secret, ...tokens] = process.argv.slice(2);
const oauth = await import(
  pathToFileURL(`${packages}/node_modules/oauth4webapi/build/index.js`));

const server = {
  issuer: url,
  revocation_endpoint: `${url}/oauth/revoke`,
  introspection_endpoint: `${url}/oauth/introspect`,
};
const client = { client_id };
const auth = oauth.ClientSecretBasic(secret);
const options = { [oauth.allowInsecureRequests]: true };

async function introspect(token) {
  const response = await oauth.introspectionRequest(server, client, auth, token,
                                                    options);
  return oauth.processIntrospectionResponse(server, client, response);
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.error ?? error.code ?? String(error),
             status: error.status ?? error.cause?.status };
  }
}

const told = [];
for (const token of tokens) {
  const before = await attempt(() => introspect(token));
  const revoked = await attempt(async () => {
    const response = await oauth.revocationRequest(server, client, auth, token,
      { ...options, additionalParameters: { token_type_hint: 'access_token' } });
    await oauth.processRevocationResponse(response);
    return 'revoked';
  });
  const after = await attempt(() => introspect(token));
  told.push({ before, revoked, after });
}
console.log(JSON.stringify(told));
