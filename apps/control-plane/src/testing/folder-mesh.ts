/** A control plane that reads a folder, as a process of its own would run, and clients with scripted streams. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach } from 'node:test';
import { type EventBus } from '@ambit/events';
import { loadConfig } from '@ambit/runtime';
import { makeTestCa, type TestCa } from '@ambit/testing';
import { createLogger } from '@ambit/telemetry';
import { ADDRESS_TYPE as WDS, AUTHORIZATION_TYPE as WADS, ztunnelNode } from '@ambit/xds';
import { SignJWT } from 'jose';
import { controlPlaneConfig } from '../config.ts';
import { type RunningControlPlane, startControlPlane } from '../control-plane.ts';
import { DeltaProbe } from './delta-probe.ts';

export const root: string = mkdtempSync(join(tmpdir(), 'ambit-cp-'));

after(() => rmSync(root, { recursive: true, force: true }));

/** The folder that is watched. */
export const manifests: string = join(root, 'manifests');

export const status: string = join(root, 'status');

export const ca: TestCa = makeTestCa();

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const published: unknown[] = [];

const bus: Pick<EventBus, 'publish'> = { publish: (event, payload) => published.push([event, payload]) };

export const logLines: string[] = [];

const logger = createLogger({ destination: { write: (line) => logLines.push(line) } });

/** Who the clients say they are. */
export const node: ReturnType<typeof ztunnelNode> = ztunnelNode({
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

/** Replaces the serving certificate. */
export function writeCertificate(name: string): void {
  const leaf = ca.issue(undefined, { dnsNames: [name], ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  replaceFile(join(root, 'key.pem'), leaf.privateKeyPem);
  replaceFile(join(root, 'cert.pem'), leaf.certificateChainPem);
}

/** Writes a manifest at once. */
export function write(name: string, text: string): void {
  replaceFile(join(manifests, name), text);
}

export const pod = (name: string, ip: string, labels = '', annotations = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  namespace: shop\n  labels: { ${labels} }\n  annotations: { ${annotations} }\nspec: { serviceAccountName: ${name}, nodeName: node1 }\nstatus: { phase: Running, podIPs: [{ ip: ${ip} }], conditions: [{ type: Ready, status: "True" }] }\n`;

export const service = (name: string, ip: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { clusterIP: ${ip}, selector: { app: ${name} }, ports: [{ port: 80 }] }\n`;

export const policy = (name: string, app: string, action: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: shop }\nspec: { selector: { matchLabels: { app: ${app} } }, action: ${action}, rules: [{ from: [{ source: { namespaces: [shop] } }] }] }\n`;

/** Of the node proxy in a namespace. */
export async function token(namespace = 'istio-system'): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject(`system:serviceaccount:${namespace}:ztunnel`)
    .setAudience('istio-ca')
    .setExpirationTime('5m')
    .sign(keys.privateKey);
}

/** Starts it with good settings, and what a test asks for besides. */
export async function start(more: Readonly<Record<string, string>> = {}): Promise<RunningControlPlane> {
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
export class Client extends DeltaProbe {
  #changed: () => void = () => undefined;
  #read = 0;

  constructor(port: number, token: string, altHostname?: string) {
    super({ port, rootsPem: ca.rootsPem, token, ...(altHostname === undefined ? {} : { altHostname }) });
  }

  protected override onNews(): void {
    this.#changed();
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

export const webUid = 'Kubernetes//Pod/shop/web';

export const webService = 'shop/web.shop.svc.cluster.local';
