/** What a waypoint in a lab is served from a folder, over a real stream. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '@ambit/runtime';
import { createLogger } from '@ambit/telemetry';
import { eventually, makeTestCa } from '@ambit/testing';
import { ADDRESS_TYPE, DESTINATION_TYPE, PROXY_TYPE } from '@ambit/xds';
import { SignJWT } from 'jose';
import { controlPlaneConfig } from '../config.ts';
import { startControlPlane } from '../control-plane.ts';
import { WaypointProbe } from '../testing/waypoint-probe.ts';

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

/** A stream of one service account that asks for the waypoint's own types and for addresses. */
async function open(port: number, serviceAccount: string): Promise<WaypointProbe> {
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject(`system:serviceaccount:shop:${serviceAccount}`)
    .setAudience('istio-ca')
    .setExpirationTime('5m')
    .sign(keys.privateKey);
  const place = { namespace: 'shop', serviceAccount, nodeName: 'n1', instanceIp: '10.0.0.9' };
  const probe = new WaypointProbe({ port, rootsPem: ca.rootsPem, token }, place).subscribe();
  probe.send({ typeUrl: ADDRESS_TYPE });
  return probe;
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

  using waypoint = await open(controlPlane.port, 'waypoint');
  using other = await open(controlPlane.port, 'web');
  await eventually('all types are answered', () => waypoint.answered.size === 3 && other.answered.size === 3);
  assert.deepEqual(waypoint.types, new Set([ADDRESS_TYPE, DESTINATION_TYPE, PROXY_TYPE]));
  assert.deepEqual(other.types, new Set([ADDRESS_TYPE]));

  write('manifests/route.yaml', route('/two'));
  await eventually('the changed route', () => waypoint.paths.length > 1);
  assert.deepEqual(waypoint.paths, [['/one'], ['/two']]);
  const proxies = waypoint.responses.filter(({ typeUrl }) => typeUrl === PROXY_TYPE);
  assert.equal(proxies.length, 1, 'what did not change is not sent again');
  assert.deepEqual(other.types, new Set([ADDRESS_TYPE]));
});
