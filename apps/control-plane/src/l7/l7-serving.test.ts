/** What a waypoint in a lab is served from a folder, over a real stream. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { discovery, proxy } from '@ambit/api';
import { GrpcChannel } from '@ambit/grpc';
import { loadConfig } from '@ambit/runtime';
import { createLogger } from '@ambit/telemetry';
import { eventually, makeTestCa } from '@ambit/testing';
import { ADDRESS_TYPE, deltaMethod, DESTINATION_TYPE, encodeRequest, gatewayNode, PROXY_TYPE } from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import { SignJWT } from 'jose';
import { controlPlaneConfig } from '../config.ts';
import { startControlPlane } from '../control-plane.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-l7-'));
after(() => rmSync(root, { recursive: true, force: true }));
const ca = makeTestCa();
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const route = (path: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: web }]
  rules: [{ name: r, matches: [{ path: { value: ${path} } }], backendRefs: [{ name: web, port: 80 }] }]
`;
const base = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ value: 10.96.0.9 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { istio.io/use-waypoint: waypoint } }
spec: { clusterIP: 10.96.1.1, selector: { app: web }, ports: [{ name: http, port: 80 }] }
`;

function write(name: string, text: string): void {
  mkdirSync(join(root, 'manifests'), { recursive: true });
  writeFileSync(join(root, `${name}.tmp`), text);
  renameSync(join(root, `${name}.tmp`), join(root, name));
}

/** A stream of one service account that asks for some names of the private types. */
class Stream implements Disposable {
  readonly responses: discovery.DeltaDiscoveryResponse[] = [];
  readonly #channel: GrpcChannel;
  readonly #stream;

  private constructor(port: number, token: string) {
    this.#channel = new GrpcChannel({
      address: `https://127.0.0.1:${port}`,
      roots: { kind: 'inline', pem: ca.rootsPem },
      token: { kind: 'literal', token },
      clusterId: 'Kubernetes',
    });
    this.#stream = this.#channel.bidi(deltaMethod());
    this.#stream.on('error', () => undefined);
    this.#stream.on('data', (bytes: Uint8Array) => {
      const response = fromBinary(discovery.DeltaDiscoveryResponseSchema, bytes);
      this.responses.push(response);
      this.#stream.write(encodeRequest({ typeUrl: response.typeUrl, nonce: response.nonce }));
    });
  }

  static async open(port: number, serviceAccount: string): Promise<Stream> {
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject(`system:serviceaccount:shop:${serviceAccount}`)
      .setAudience('istio-ca')
      .setExpirationTime('5m')
      .sign(keys.privateKey);
    const stream = new Stream(port, token);
    const node = gatewayNode({
      kind: 'waypoint',
      gateway: 'waypoint',
      serviceAccount,
      instanceIp: '10.0.0.9',
      podName: 'waypoint-0',
      podNamespace: 'shop',
      nodeName: 'n1',
      extraMetadata: {},
    });
    stream.#stream.write(encodeRequest({ node, typeUrl: PROXY_TYPE, subscribe: ['shop/waypoint'] }));
    const destination = 'shop/waypoint/shop/web.shop.svc.cluster.local';
    stream.#stream.write(encodeRequest({ typeUrl: DESTINATION_TYPE, subscribe: [destination] }));
    stream.#stream.write(encodeRequest({ typeUrl: ADDRESS_TYPE }));
    return stream;
  }

  /** Waits for a condition on what came. */
  async until(condition: () => boolean): Promise<void> {
    await eventually(condition.toString(), condition);
  }

  /** Types of which something was sent. */
  get types(): ReadonlySet<string> {
    return new Set(this.responses.filter(({ resources }) => resources.length > 0).map(({ typeUrl }) => typeUrl));
  }

  get isAnswered(): boolean {
    return new Set(this.responses.map(({ typeUrl }) => typeUrl)).size === 3;
  }

  /** Prefixes of the routes of port 80, of each version that came. */
  get paths(): readonly (readonly (string | undefined)[])[] {
    const versions = this.responses.filter(({ typeUrl }) => typeUrl === DESTINATION_TYPE);
    return versions.flatMap(({ resources }) =>
      resources.map(({ resource }) => {
        const { ports } = fromBinary(proxy.DestinationSchema, resource?.value ?? new Uint8Array());
        return (ports[0]?.httpRoutes ?? []).map(({ matches }) => String(matches[0]?.path?.kind.value));
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#channel.close();
  }
}

test('a waypoint gets its configuration and each change of it, and no other account does', async () => {
  write('manifests/base.yaml', base);
  write('manifests/route.yaml', route('/one'));
  const jwk = { ...keys.publicKey.export({ format: 'jwk' }), alg: 'ES256' };
  write('jwks.json', JSON.stringify({ keys: [jwk] }));
  const leaf = ca.issue(undefined, {
    dnsNames: ['istiod.istio-system.svc'],
    ipAddresses: ['127.0.0.1'],
    purposes: ['serverAuth'],
  });
  write('cert.pem', leaf.certificateChainPem);
  write('key.pem', leaf.privateKeyPem);
  const { config } = loadConfig(controlPlaneConfig, {
    AMBIT_GRPC_ADDRESS: '127.0.0.1:0',
    AMBIT_HTTP_ADDRESS: '127.0.0.1',
    AMBIT_HTTP_PORT: '0',
    MONITORING_PORT: '0',
    AMBIT_MANIFEST_DIRS: join(root, 'manifests'),
    AMBIT_JWKS_FILE: join(root, 'jwks.json'),
    AMBIT_TLS_CERT_FILE: join(root, 'cert.pem'),
    AMBIT_TLS_KEY_FILE: join(root, 'key.pem'),
    PILOT_DEBOUNCE_AFTER: '10ms',
    AMBIT_DRAIN: '10ms',
  });
  const logger = createLogger({ destination: { write: () => undefined } });
  const stopping = new AbortController().signal;
  await using controlPlane = await startControlPlane(config, { bus: { publish: () => undefined }, logger, stopping });

  using waypoint = await Stream.open(controlPlane.port, 'waypoint');
  using other = await Stream.open(controlPlane.port, 'web');
  await waypoint.until(() => waypoint.isAnswered && other.isAnswered);
  assert.deepEqual(waypoint.types, new Set([ADDRESS_TYPE, DESTINATION_TYPE, PROXY_TYPE]));
  assert.deepEqual(other.types, new Set([ADDRESS_TYPE]));

  write('manifests/route.yaml', route('/two'));
  await waypoint.until(() => waypoint.paths.length > 1);
  assert.deepEqual(waypoint.paths, [['/one'], ['/two']]);
  const proxies = waypoint.responses.filter(({ typeUrl }) => typeUrl === PROXY_TYPE);
  assert.equal(proxies.length, 1, 'what did not change is not sent again');
  assert.deepEqual(other.types, new Set([ADDRESS_TYPE]));
});
