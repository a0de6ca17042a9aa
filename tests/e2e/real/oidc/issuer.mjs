// oidc-provider with as little of our own as it takes: issuer.mjs MODULES FOLDER
// FOLDER holds settings.json, key.pem and cert.pem; endpoints.json appears there when it serves.
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, folder] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(path.join(modules, 'oidc-provider', 'lib', 'index.js')));
const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
const settings = JSON.parse(read('settings.json'));
const server = https.createServer({ key: read('key.pem'), cert: read('cert.pem') });

// Who signs in is whom they say they are: the name that is typed in is the address.
const findAccount = (_, id) => ({
  accountId: id,
  claims: () => ({ sub: id, email: id, email_verified: true }),
});

const say = (...words) => console.log(new Date().toISOString(), ...words);

function serve() {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: settings.clients,
    scopes: ['openid', 'offline_access', settings.scope],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    features: {
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: true },
    },
    rotateRefreshToken: true,
    ttl: { AccessToken: settings.lifetime },
    cookies: { keys: [settings.cookie_key] },
    findAccount,
  });
  for (const event of ['grant.error', 'authorization.error', 'introspection.error', 'revocation.error', 'server_error',
    'device_authorization.error']) {
    provider.on(event, (ctx, error) => say(event, error.message, error.error_detail ?? ''));
  }
  provider.on('grant.success', (ctx) => say('grant.success', ctx.oidc.params.grant_type));
  const answer = provider.callback();
  server.on('request', (request, response) => {
    response.on('finish', () => say(request.method, request.url.split('?')[0], response.statusCode));
    answer(request, response);
  });
  fs.writeFileSync(path.join(folder, 'endpoints.new'), JSON.stringify({ issuer }));
  fs.renameSync(path.join(folder, 'endpoints.new'), path.join(folder, 'endpoints.json'));
}

server.listen(0, '127.0.0.1', serve);
process.on('SIGTERM', () => process.exit(0));
