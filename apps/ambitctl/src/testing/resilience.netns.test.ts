/** Sessions, rate limits and the way out, live: real control plane, node proxies, tunnels and waypoint; curl from pods. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeTestCa, type TestCa } from '@ambit/testing';
import { podManifest, ProofLab } from './proof-lab.ts';

const callers = ['proof/a', 'proof/b'] as const;
const backends = ['proof/web-1', 'proof/web-2', 'proof/counter', 'far/outside'] as const;
const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const outsideHost = 'outside.door.far.svc.cluster.local';

const base = `apiVersion: v1
kind: Namespace
metadata: { name: proof, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint } }
---
apiVersion: v1
kind: Namespace
metadata: { name: far }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: proof, name: waypoint }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: proof, name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: proof, name: limited }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: proof, name: counted }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: proof, name: counter, labels: { istio.io/use-waypoint: none } }
spec: { selector: { app: counter }, ports: [{ name: grpc, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { namespace: far, name: door }
spec: { clusterIP: None, selector: { app: outside }, ports: [{ name: https, port: 8080 }] }
`;

const session = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { namespace: proof, name: web }
spec:
  parentRefs: [{ group: '', kind: Service, name: web, port: 80 }]
  rules:
    - sessionPersistence: { sessionName: sid }
      backendRefs: [{ name: web, port: 80 }]
`;

const limits = `apiVersion: ambit.dev/v1alpha1
kind: RateLimitPolicy
metadata: { namespace: proof, name: limited }
spec:
  targetRefs: [{ group: '', kind: Service, name: limited }]
  tellClients: true
  limits: [{ name: each, requests: 5, interval: 1h, per: [SourcePrincipal] }]
---
apiVersion: ambit.dev/v1alpha1
kind: RateLimitPolicy
metadata: { namespace: proof, name: counted }
spec:
  targetRefs: [{ group: '', kind: Service, name: counted }]
  service: { name: counter, port: 80, timeout: 2s, onFailure: Refuse }
  limits: [{ name: total, requests: 7, interval: 1h, scope: Global }]
`;

const onlyReads = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: proof, name: only-reads }
spec:
  targetRefs: [{ group: '', kind: Service, name: web }]
  action: DENY
  rules: [{ to: [{ operation: { notMethods: [GET] } }] }]
`;

function wayOut(secrets: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: proof, name: partner, labels: { istio.io/use-waypoint: waypoint } }
spec:
  hosts: [partner.example.test]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  endpoints: [{ address: ${outsideHost} }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { namespace: proof, name: partner }
spec:
  host: partner.example.test
  trafficPolicy: { tls: { mode: MUTUAL, credentialName: partner, sni: partner.example.test, subjectAltNames: [partner.example.test] } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: proof, name: doors, labels: { istio.io/use-waypoint: waypoint } }
spec:
  hosts: ['*.door.far.svc.cluster.local']
  location: MESH_EXTERNAL
  resolution: DYNAMIC_DNS
  ports:
    - { number: 80, name: http, protocol: HTTP, targetPort: 8080 }
    - { number: 443, name: tls, protocol: TLS, targetPort: 8080 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { namespace: proof, name: doors }
spec:
  host: '*.door.far.svc.cluster.local'
  trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: { mode: SIMPLE, credentialName: partner } }] }
---
${secrets}`;
}

const indented = (pem: string): string => pem.trimEnd().replaceAll('\n', '\n    ');

/** A client certificate and the roots to trust, both of one CA. */
function partnerSecret(issuer: TestCa): string {
  const client = issuer.issue('spiffe://partner.test/client', { purposes: ['clientAuth'] });
  return `apiVersion: v1
kind: Secret
metadata: { namespace: proof, name: partner }
type: kubernetes.io/tls
stringData:
  tls.crt: |
    ${indented(client.certificateChainPem)}
  tls.key: |
    ${indented(client.privateKeyPem)}
  ca.crt: |
    ${indented(issuer.rootsPem)}
`;
}

/** What the partner says of the connection that reached it. */
interface SeenConnection {
  readonly serverName: string;
  readonly client: string;
  readonly isTrusted: boolean;
}

function seenBy(body: string): SeenConnection {
  const seen: SeenConnection = JSON.parse(body);
  return seen;
}

describe('resilience and the way out in a lab', { skip }, () => {
  let proof: ProofLab;
  let objects = '';
  const folder = mkdtempSync(join(tmpdir(), 'ambit-out-'));
  const ca = makeTestCa();

  before(async () => {
    const server = ca.issue(undefined, { dnsNames: ['partner.example.test', outsideHost] });
    writeFileSync(join(folder, 'cert.pem'), server.certificateChainPem);
    writeFileSync(join(folder, 'key.pem'), server.privateKeyPem);
    writeFileSync(join(folder, 'ca.pem'), ca.rootsPem);
    proof = await ProofLab.open('r', callers);
    objects = [
      base,
      podManifest('proof', 'web-1', 'web', `['$(NODE)', '$(LAB_DIR)/services/echo.ts', web-1]`),
      podManifest('proof', 'web-2', 'web', `['$(NODE)', '$(LAB_DIR)/services/echo.ts', web-2]`),
      podManifest('proof', 'counter', 'counter', `['$(NODE)', '$(LAB_DIR)/services/limit-counter.ts', '7']`),
      podManifest('far', 'outside', 'outside', `['$(NODE)', '$(LAB_DIR)/services/tls-echo.ts', '${folder}']`),
    ].join('---\n');
    proof.lab.manifests.put('resilience.yaml', objects);
    await proof.settled(callers, [...backends, 'proof/waypoint-waypoint']);
  });

  after(async () => {
    await proof[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Status and body of one request, as curl gets them. */
  async function get(
    pod: string,
    url: string,
    ...options: readonly string[]
  ): Promise<{ readonly status: string; readonly body: string }> {
    const command = ['curl', '-sS', '-m', '10', '-w', '\n%{http_code}', ...options, url];
    const { stdout, stderr } = await proof.lab.exec(pod, command);
    const lines = stdout.split('\n');
    return { status: lines.at(-1) ?? '', body: lines.slice(0, -1).join('\n') + stderr };
  }

  async function statuses(pod: string, url: string, count: number): Promise<Readonly<Record<string, number>>> {
    const seen: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { status } = await get(pod, url);
      seen[status] = (seen[status] ?? 0) + 1;
    }
    return seen;
  }

  const podOf = (body: string): string => /"pod":"([^"]+)"/.exec(body)?.[1] ?? body;

  test('requests of a session go to one pod, those without to all', async () => {
    proof.lab.manifests.put('session.yaml', session);
    let cookie = '';
    await proof.lab.waitFor('a session to begin', async () => {
      const { body } = await get('proof/a', 'http://web.proof.svc.cluster.local/', '-D', '-');
      cookie = /^set-cookie: (sid=[^;]+)/im.exec(body)?.[1] ?? '';
      return cookie !== '';
    });
    const own = new Set<string>();
    const all = new Set<string>();
    for (let i = 0; i < 20; i++) {
      own.add(podOf((await get('proof/a', 'http://web.proof.svc.cluster.local/', '-H', `cookie: ${cookie}`)).body));
      all.add(podOf((await get('proof/b', 'http://web.proof.svc.cluster.local/')).body));
    }
    assert.equal(own.size, 1, [...own].join());
    assert.deepEqual([...all].toSorted(), ['web-1', 'web-2']);
  });

  test('each identity has its own tokens, and what is over is answered 429 by the waypoint', async () => {
    proof.lab.manifests.put('limits.yaml', limits);
    await proof.lab.waitFor('the limit to be told', async () =>
      /x-ratelimit-limit: 5, 5;w=3600/i.test(
        (await get('proof/b', 'http://limited.proof.svc.cluster.local/', '-D', '-')).body,
      ),
    );
    assert.deepEqual(await statuses('proof/a', 'http://limited.proof.svc.cluster.local/', 9), { 200: 5, 429: 4 });
    const { body } = await get('proof/a', 'http://limited.proof.svc.cluster.local/', '-D', '-');
    assert.match(body, /x-envoy-ratelimited: true/i);
    assert.match(body, /local_rate_limited/);
    assert.equal((await get('proof/b', 'http://limited.proof.svc.cluster.local/')).status, '200');
  });

  test('a service counts for all identities together; without it requests are refused where the policy says so', async () => {
    let seen: Readonly<Record<string, number>> = {};
    await proof.lab.waitFor('the service to be asked', async () => {
      const { status } = await get('proof/b', 'http://counted.proof.svc.cluster.local/');
      seen = { ...seen, [status]: (seen[status] ?? 0) + 1 };
      return status === '429';
    });
    // Requests before the policy was in force are not counted, nor is one that came before the service was known.
    assert.ok((seen['200'] ?? 0) >= 7, JSON.stringify(seen));
    assert.equal((await get('proof/a', 'http://counted.proof.svc.cluster.local/')).status, '429');
  });

  test('pods of a service with an HTTP policy refuse who comes past the waypoint, on the ports of the service', async () => {
    const address = proof.lab.pod('proof/web-1').address.v4;
    const past = (pod: string) => get(pod, `http://${address}:8080/`, '-X', 'PUT', '-m', '3');
    const strangers = ['proof/b', 'far/outside'];
    for (const pod of strangers) assert.equal((await past(pod)).status, '200', 'nobody has said anything yet');
    proof.lab.manifests.put('only-reads.yaml', onlyReads);
    for (const pod of strangers) {
      await proof.lab.waitFor(`${pod} to be refused`, async () => (await past(pod)).status === '000');
    }
    assert.equal((await get('proof/b', 'http://web.proof.svc.cluster.local/')).status, '200');
    assert.equal((await get('proof/b', 'http://web.proof.svc.cluster.local/', '-X', 'PUT')).status, '403');
    assert.equal((await get('proof/b', 'http://limited.proof.svc.cluster.local/')).status, '200');
    for (const pod of strangers) {
      const other = await get(pod, `http://${address}:9000/`, '--http0.9', '-m', '2');
      assert.match(other.body, /web-1 sees/, 'other ports stay as they are');
    }
    const isAllowed = objects.replace('name: web }', 'name: web, labels: { ambit.dev/past-waypoint: allow } }');
    proof.lab.manifests.put('resilience.yaml', isAllowed);
    for (const pod of strangers) {
      await proof.lab.waitFor(`${pod} to be let past`, async () => (await past(pod)).status === '200');
    }
  });

  test('an outside server is reached with TLS, a client certificate and its own name, plainly asked for', async () => {
    proof.lab.manifests.put('way-out.yaml', wayOut(partnerSecret(ca)));
    let answer = { status: '', body: '' };
    await proof.lab.waitFor('the partner to answer', async () => {
      answer = await get('proof/a', 'http://partner.example.test/');
      return answer.status === '200';
    });
    const { serverName, client, isTrusted } = seenBy(answer.body);
    assert.deepEqual(
      [serverName, client, isTrusted],
      ['partner.example.test', 'URI:spiffe://partner.test/client', true],
    );
  });

  test('a host behind a wildcard is found by its name; others are not', async () => {
    let answer = { status: '', body: '' };
    await proof.lab.waitFor('the door to open', async () => {
      answer = await get('proof/a', `http://${outsideHost}/`);
      return answer.status === '200';
    });
    assert.equal(seenBy(answer.body).serverName, outsideHost);
    const other = await get('proof/a', `http://${outsideHost}/`, '-H', 'host: elsewhere.example.com');
    assert.equal(other.status, '404');
  });

  test('a host behind a wildcard is found by the server name of TLS that passes through; others are not', async () => {
    const roots = ['--cacert', join(folder, 'ca.pem')];
    const answer = await get('proof/a', `https://${outsideHost}/`, ...roots);
    assert.equal(answer.status, '200', answer.body);
    assert.deepEqual([seenBy(answer.body).serverName, seenBy(answer.body).isTrusted], [outsideHost, false]);
    const around = ['--connect-to', `elsewhere.example.com:443:${outsideHost}:443`];
    assert.equal((await get('proof/a', 'https://elsewhere.example.com/', ...roots, ...around)).status, '000');
  });

  test('a server that the roots do not vouch for gets nothing', async () => {
    const other = makeTestCa();
    proof.lab.manifests.put('way-out.yaml', wayOut(partnerSecret(other)));
    await proof.lab.waitFor(
      'the partner to be refused',
      async () => (await get('proof/a', 'http://partner.example.test/')).status === '503',
    );
  });
});
