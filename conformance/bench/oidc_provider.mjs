// oidc-provider as `conformance/bench/peers` measures it: read from the environment, on a loopback port, in this process' memory.
// BENCH_PORT, and BENCH_SETTINGS: a JSON file with `jwks`, `clients`, `resource` and `cookies`.
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const port = Number(process.env.BENCH_PORT);
const { jwks, clients, resource, cookies } = JSON.parse(readFileSync(process.env.BENCH_SETTINGS, 'utf8'));

// What the package's own adapter for development does not do: keep more than 1,000 things, and not walk through all tokens of a grant for each new one.
const kept = new Map();
const byUid = new Map();
const byGrant = new Map();

class Memory {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    kept.set(this.key(id), payload);
    if (payload.uid) byUid.set(payload.uid, id);
    if (payload.grantId) {
      if (!byGrant.has(payload.grantId)) byGrant.set(payload.grantId, []);
      byGrant.get(payload.grantId).push(this.key(id));
    }
  }

  async find(id) {
    const found = kept.get(this.key(id));
    return found && !(found.exp && found.exp < Date.now() / 1000) ? found : undefined;
  }

  async findByUid(uid) {
    return this.find(byUid.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    kept.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    kept.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of byGrant.get(grantId) ?? []) kept.delete(key);
    byGrant.delete(grantId);
  }
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Memory,
  jwks,
  clients,
  cookies: { keys: cookies },
  scopes: ['openid', 'offline_access', 'reports:read'],
  rotateRefreshToken: true,
  // The pages that the package brings: its clients' first refresh token comes from a sign-in, as everybody's.
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params?.grant_type === 'client_credentials' ? resource : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'reports:read', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 86400, IdToken: 3600, Interaction: 3600, RefreshToken: 86400, Session: 86400 },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

const server = provider.listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
