import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { discovery } from '@ambit/api';
import { type EventBus } from '@ambit/events';
import { GrpcChannel } from '@ambit/grpc';
import { writePodStatus } from '@ambit/kube';
import { delay, loadConfig } from '@ambit/runtime';
import { makeTestCa } from '@ambit/testing';
import { createLogger } from '@ambit/telemetry';
import {
  ADDRESS_TYPE as WDS,
  AUTHORIZATION_TYPE as WADS,
  deltaMethod,
  encodeRequest,
  type RequestFields,
  ztunnelNode,
} from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import { SignJWT } from 'jose';
import { controlPlaneConfig } from './config.ts';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-cp-'));
after(() => rmSync(root, { recursive: true, force: true }));
const manifests = join(root, 'manifests');
const status = join(root, 'status');
const ca = makeTestCa();
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const published: unknown[] = [];
const bus: Pick<EventBus, 'publish'> = { publish: (event, payload) => published.push([event, payload]) };
const logLines: string[] = [];
const logger = createLogger({ destination: { write: (line) => logLines.push(line) } });
const node = ztunnelNode({
  instanceIp: '10.0.0.1',
  podName: 'z',
  podNamespace: 'istio-system',
  nodeName: 'node1',
  extraMetadata: {},
});

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

function writeCertificate(name: string): void {
  const leaf = ca.issue(undefined, { dnsNames: [name], ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  replaceFile(join(root, 'key.pem'), leaf.privateKeyPem);
  replaceFile(join(root, 'cert.pem'), leaf.certificateChainPem);
}

function write(name: string, text: string): void {
  replaceFile(join(manifests, name), text);
}

const pod = (name: string, ip: string, labels = '', annotations = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  namespace: shop\n  labels: { ${labels} }\n  annotations: { ${annotations} }\nspec: { serviceAccountName: ${name}, nodeName: node1 }\nstatus: { phase: Running, podIPs: [{ ip: ${ip} }], conditions: [{ type: Ready, status: "True" }] }\n`;
const service = (name: string, ip: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { clusterIP: ${ip}, selector: { app: ${name} }, ports: [{ port: 80 }] }\n`;
const policy = (name: string, app: string, action: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: shop }\nspec: { selector: { matchLabels: { app: ${app} } }, action: ${action}, rules: [{ from: [{ source: { namespaces: [shop] } }] }] }\n`;

async function token(namespace = 'istio-system'): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject(`system:serviceaccount:${namespace}:ztunnel`)
    .setAudience('istio-ca')
    .setExpirationTime('5m')
    .sign(keys.privateKey);
}

async function start(more: Readonly<Record<string, string>> = {}): Promise<RunningControlPlane> {
  const { config } = loadConfig(controlPlaneConfig, {
    AMBIT_GRPC_ADDRESS: '127.0.0.1:0',
    AMBIT_HTTP_ADDRESS: '127.0.0.1',
    AMBIT_HTTP_PORT: '0',
    MONITORING_PORT: '0',
    AMBIT_MANIFEST_DIRS: manifests,
    AMBIT_STATUS_DIR: status,
    AMBIT_STATE_DIR: join(root, 'state'),
    AMBIT_JWKS_FILE: join(root, 'jwks.json'),
    AMBIT_TLS_CERT_FILE: join(root, 'cert.pem'),
    AMBIT_TLS_KEY_FILE: join(root, 'key.pem'),
    PILOT_DEBOUNCE_AFTER: '10ms',
    AMBIT_DRAIN: '10ms',
    ...more,
  });
  return startControlPlane(config, { bus, logger, stopping: new AbortController().signal });
}

/** One scripted stream: what it received, in order. */
class Client implements Disposable {
  readonly responses: discovery.DeltaDiscoveryResponse[] = [];
  readonly #channel: GrpcChannel;
  readonly #stream;
  #changed: () => void = () => undefined;
  error: { code?: number; details?: string } | undefined;

  constructor(port: number, bearer: string, altHostname?: string) {
    this.#channel = new GrpcChannel({
      address: `https://127.0.0.1:${port}`,
      roots: { kind: 'inline', pem: ca.rootsPem },
      token: { kind: 'literal', token: bearer },
      clusterId: 'Kubernetes',
      ...(altHostname === undefined ? {} : { altHostname }),
    });
    this.#stream = this.#channel.bidi(deltaMethod());
    this.#stream.on('data', (bytes: Uint8Array) => {
      const response = fromBinary(discovery.DeltaDiscoveryResponseSchema, bytes);
      this.responses.push(response);
      this.send({ typeUrl: response.typeUrl, nonce: response.nonce });
      this.#changed();
    });
    this.#stream.on('error', (error: { code?: number; details?: string }) => {
      this.error = error;
      this.#changed();
    });
  }

  send(request: RequestFields): void {
    this.#stream.write(encodeRequest(request));
  }

  /** Subscribes to everything, naming what is held already. */
  subscribe(held: ReadonlyMap<string, string> = new Map()): void {
    this.send({ node, typeUrl: WDS, initialVersions: held });
    this.send({ typeUrl: WADS });
  }

  async until(condition: () => boolean, timeoutMs = 60_000): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      assert.ok(!signal.aborted || condition(), `nothing came in time; so far: ${JSON.stringify(this.summary())}`);
    }
  }

  /** Waits for more responses; gives them in short form: `wds +name -name`. */
  async next(count: number): Promise<string[]> {
    const start = this.#read;
    this.#read += count;
    await this.until(() => this.responses.length >= start + count);
    return this.summary().slice(start, start + count);
  }
  #read = 0;

  summary(): string[] {
    return this.responses.map(({ typeUrl, resources, removedResources }) =>
      [
        typeUrl === WDS ? 'wds' : 'wads',
        ...resources.map(({ name }) => `+${name}`).toSorted(),
        ...removedResources.map((name) => `-${name}`).toSorted(),
      ].join(' '),
    );
  }

  versions(): Map<string, string> {
    return new Map(
      this.responses
        .filter(({ typeUrl }) => typeUrl === WDS)
        .flatMap(({ resources }) => resources.map(({ name, version }) => [name, version] as const)),
    );
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#channel.close();
  }
}

beforeEach(() => {
  mkdirSync(manifests, { recursive: true });
  writeFileSync(join(root, 'jwks.json'), JSON.stringify({ keys: [keys.publicKey.export({ format: 'jwk' })] }));
  writeCertificate('control-plane.test');
  published.length = 0;
  logLines.length = 0;
});
afterEach(() => {
  for (const directory of [manifests, status, join(root, 'state')]) rmSync(directory, { recursive: true, force: true });
});

const webUid = 'Kubernetes//Pod/shop/web';
const webService = 'shop/web.shop.svc.cluster.local';

test('an edit of the folder reaches a client as a delta, the policy before the workload that names it', async () => {
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}`);
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', `wds +${webUid} +${webService}`]);
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  assert.deepEqual(await client.next(2), ['wads +shop/deny', `wds +${webUid}`]);
  rmSync(join(manifests, 'policy.yaml'));
  assert.deepEqual(await client.next(2), [`wds +${webUid}`, 'wads -shop/deny']);
  assert.deepEqual(published.map((entry) => JSON.stringify(entry)).slice(-1), [
    '["config.published",{"generation":3,"changed":1,"removed":1,"replica":"control-plane"}]',
  ]);
});

test('discovery selectors leave namespaces out until their labels say otherwise; an empty list leaves out none', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  const namespace = (stage: string): string =>
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { stage: ${stage} } }\n`;
  write('namespace.yaml', namespace('test'));
  const selectors = '[{"matchLabels":{"stage":"live"}},{"matchExpressions":[{"key":"mesh","operator":"Exists"}]}]';
  await using running = await start({ AMBIT_DISCOVERY_SELECTORS: selectors });
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', 'wds']);
  write('namespace.yaml', namespace('live'));
  assert.deepEqual(await client.next(1), [`wds +${webUid}`]);
  write('namespace.yaml', namespace('test'));
  assert.deepEqual(await client.next(1), [`wds -${webUid}`]);
  await using everything = await start({ AMBIT_DISCOVERY_SELECTORS: '[]', AMBIT_STATE_DIR: join(root, 'other') });
  using other = new Client(everything.port, await token());
  other.subscribe();
  assert.deepEqual((await other.next(2)).toSorted(), ['wads', `wds +${webUid}`]);
});

test('deleting a service re-sends the workloads that lost it, deleting a pod gives just its UID', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  write('service.yaml', service('web', '10.96.0.1'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  rmSync(join(manifests, 'service.yaml'));
  assert.deepEqual(await client.next(1), [`wds +${webUid} -${webService}`]);
  rmSync(join(manifests, 'web.yaml'));
  assert.deepEqual(await client.next(1), [`wds -${webUid}`]);
});

test('a change that alters nothing that is sent pushes nothing; the next real one comes alone', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  write('web.yaml', `# a comment\n${pod('web', '10.0.0.2', 'app: web', 'unrelated: annotation')}`);
  write('other.yaml', 'apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: web, namespace: shop }\n');
  write('api.yaml', pod('api', '10.0.0.3'));
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/api']);
});

test('the annotation in the status folder turns a workload to HBONE', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  writePodStatus(status, 'shop', 'web', 'cni', { annotations: { 'ambient.istio.io/redirection': 'enabled' } });
  assert.deepEqual(await client.next(1), [`wds +${webUid}`]);
  const config: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/config`)).json();
  assert.match(JSON.stringify(config), /"tunnelProtocol":"HBONE"/);
});

test('a client that reconnects with its versions, also to a restarted server, gets only what changed and what is gone', async () => {
  write(
    'web.yaml',
    `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}---\n${pod('gone', '10.0.0.4')}`,
  );
  let held: Map<string, string>;
  {
    await using running = await start();
    using client = new Client(running.port, await token());
    client.subscribe();
    await client.next(2);
    held = client.versions();
    assert.equal(held.size, 3);
    using again = new Client(running.port, await token());
    again.subscribe(held);
    assert.deepEqual((await again.next(2)).toSorted(), ['wads', 'wds']);
  }
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.2')}`);
  await using restarted = await start();
  using client = new Client(restarted.port, await token());
  client.subscribe(held);
  assert.deepEqual((await client.next(2)).toSorted(), ['wads', `wds +${webService} -Kubernetes//Pod/shop/gone`]);
});

test('trap 3: a reconnect that names 60,000 resources, more than 4 MiB of them, is answered in one message', async () => {
  const held = new Map(
    Array.from({ length: 60_000 }, (_, i) => [`Kubernetes//Pod/a-namespace-of-some-length/deployment-${i}`, `${i}`]),
  );
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe(held);
  await client.until(() => client.responses.length >= 2, 60_000);
  const removed = client.responses.map(({ removedResources }) => removedResources.length).toSorted((a, b) => a - b);
  assert.deepEqual(removed, [0, 60_000]);
});

test('trap 7: an on-demand client finds a service by its address, with its endpoints, and is told what does not exist', async () => {
  write(
    'web.yaml',
    `${pod('web', '10.0.0.2', 'app: web')}---\n${service('web', '10.96.0.1')}---\n${pod('api', '10.0.0.3').replace('node1', 'node2')}`,
  );
  await using running = await start();
  using client = new Client(running.port, await token());
  client.send({ node, typeUrl: WDS, subscribe: ['*'], unsubscribe: ['*'] });
  client.send({ typeUrl: WADS });
  assert.deepEqual(
    (await client.next(2)).toSorted(),
    ['wads', `wds +${webUid}`],
    'workloads of the own node come unasked',
  );
  client.send({ typeUrl: WDS, subscribe: ['/10.96.0.1'] });
  const [found = ''] = await client.next(1);
  assert.match(found, new RegExp(`\\+${webService.replaceAll('.', '\\.')}`));
  client.send({ typeUrl: WDS, subscribe: ['/10.0.0.3', '/10.9.9.9'] });
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/api -/10.9.9.9']);
  assert.deepEqual(client.responses.at(-1)?.resources[0]?.aliases, ['/10.0.0.3']);
});

test('trap 42: callers without a good token, or of another namespace than their node says, are refused', async () => {
  await using running = await start();
  using nobody = new Client(running.port, 'a.b.c');
  nobody.subscribe();
  await nobody.until(() => nobody.error !== undefined);
  assert.deepEqual([nobody.error?.code, nobody.error?.details], [16, 'authentication failure']);
  using stranger = new Client(running.port, await token('shop'));
  stranger.subscribe();
  await stranger.until(() => stranger.error !== undefined);
  assert.equal(stranger.error?.code, 7);
});

test('broken YAML changes nothing for clients and is reported by file and line', async () => {
  write('web.yaml', pod('web', '10.0.0.2', 'app: web'));
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  write('policy.yaml', policy('deny', 'web', 'DENNY'));
  write('web.yaml', `${pod('web', '10.0.0.2', 'app: web')}---\n[`);
  write('twin.yaml', pod('web2', '10.0.0.2'));
  assert.deepEqual(await client.next(1), ['wds +Kubernetes//Pod/shop/web2']);
  const reports: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/reports`)).json();
  assert.ok(Array.isArray(reports));
  const texts = reports.map((report: { text: string }) => report.text.replaceAll(`${manifests}/`, ''));
  assert.match(
    texts[0] ?? '',
    /^policy\.yaml:4:\d+: error: spec\.action must be one of ALLOW, DENY, AUDIT, CUSTOM, not "DENNY"; did you mean DENY\?; the last good version of this object stays in force$/,
  );
  assert.match(
    texts[1] ?? '',
    /^twin\.yaml:1:1: warning: Pod shop\/web2 has address 10\.0\.0\.2, which Pod shop\/web \(web\.yaml:1:1\) has too/,
  );
  assert.match(texts[2] ?? '', /^web\.yaml:\d+:\d+: error: this is not valid YAML: /);
  assert.equal(logLines.filter((line) => line.includes('DENNY')).length, 1, 'each report is logged once');
});

test('a start with a broken policy serves nobody until it is mended, so that no client loses it', async () => {
  write('policy.yaml', policy('deny', 'web', 'DENNY'));
  const starting = start();
  let isServing = false;
  void starting.then(() => (isServing = true));
  const deadline = AbortSignal.timeout(10_000);
  while (!logLines.some((line) => line.includes('xDS is not served'))) await delay(10, { signal: deadline });
  assert.equal(isServing, false);
  write('policy.yaml', policy('deny', 'web', 'DENY'));
  await using running = await starting;
  using client = new Client(running.port, await token());
  client.subscribe();
  assert.ok((await client.next(2)).includes('wads +shop/deny'));
});

test('readiness, metrics and the table of connections can be read', async () => {
  write('web.yaml', pod('web', '10.0.0.2'));
  await using running = await start();
  using client = new Client(running.port, await token());
  client.subscribe();
  await client.next(2);
  client.send({
    typeUrl: WDS,
    nonce: client.responses.find(({ typeUrl }) => typeUrl === WDS)?.nonce ?? '',
    error: 'no thanks',
  });
  write('api.yaml', pod('api', '10.0.0.3'));
  await client.next(1);
  const text = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  assert.equal(await text(running.httpPort, '/ready'), 'ready\n');
  const metrics = await text(running.metricsPort, '/metrics');
  for (const line of [
    'pilot_xds{version="0.1.0"} 1',
    'pilot_xds_pushes{type="wads"} 1',
    'pilot_xds_pushes{type="wds"} 2',
    'pilot_total_xds_rejects{type="wds"} 1',
    'ambit_workloads 2',
    'pilot_services 0',
    'pilot_push_triggers{type="endpoint"} 1',
    'pilot_virt_services 0',
    'pilot_total_xds_internal_errors 0',
    'istiod_managed_clusters 1',
    'ambit_xds_slow_streams 0',
    'ambit_xds_pinned_bytes 0',
    'ambit_xds_sending_bytes 0',
  ]) {
    assert.ok(metrics.includes(`\n${line}\n`), `${line} in\n${metrics}`);
  }
  for (const name of [
    'pilot_debounce_time',
    'pilot_proxy_queue_time',
    'pilot_xds_push_time',
    'pilot_proxy_convergence_time',
  ]) {
    assert.match(metrics, new RegExp(`^${name}_count [1-9]`, 'm'));
  }
  const syncz: unknown = JSON.parse(await text(running.httpPort, '/debug/syncz'));
  assert.match(JSON.stringify(syncz), /"node":"ztunnel~10\.0\.0\.1~z\.istio-system~.*"pushes":2,.*"rejections":1/);
});

test('a new serving certificate is used for new connections without a restart', async () => {
  await using running = await start();
  using before = new Client(running.port, await token(), 'control-plane.test');
  before.subscribe();
  await before.next(2);
  writeCertificate('renewed.test');
  const deadline = Date.now() + 5000;
  for (;;) {
    const names = await peerNames(running.port);
    if (names.includes('renewed.test')) break;
    assert.ok(Date.now() < deadline, `still ${names}`);
  }
  write('web.yaml', pod('web', '10.0.0.2'));
  assert.deepEqual(await before.next(1), [`wds +${webUid}`], 'the connection from before goes on');
});

async function peerNames(port: number): Promise<string> {
  const { connect } = await import('node:tls');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: '127.0.0.1', port, ca: ca.rootsPem, ALPNProtocols: ['h2'] }, () => {
    resolve(socket.getPeerCertificate().subjectaltname ?? '');
    socket.destroy();
  });
  socket.on('error', reject);
  return promise;
}

test('addresses allocated to a ServiceEntry are the same after a restart', async () => {
  const entry = (name: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: ${name}, namespace: shop }\nspec: { hosts: [${name}.example], resolution: DNS, ports: [{ number: 80, name: http }] }\n`;
  const addressOf = async (running: RunningControlPlane): Promise<string> => {
    const config: unknown = await (await fetch(`http://127.0.0.1:${running.httpPort}/debug/config`)).json();
    return /"hostname":"m\.example","addresses":\[\{"address":"([^"]+)"/.exec(JSON.stringify(config))?.[1] ?? '';
  };
  write('m.yaml', entry('m'));
  {
    await using running = await start();
    assert.equal(await addressOf(running), '240.240.0.1');
  }
  write('a.yaml', entry('a'));
  await using restarted = await start();
  assert.equal(await addressOf(restarted), '240.240.0.1');
});
