import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { eventually, makeTestCa, type Netns, NetnsSet, netnsSkipReason } from '@ambit/testing';
import { SignJWT } from 'jose';

const binary = process.env['AMBIT_BENCH_ZTUNNEL'];
const skip = binary === undefined ? 'set AMBIT_BENCH_ZTUNNEL to a ztunnel of Istio' : netnsSkipReason();

interface Dump {
  readonly workloads: readonly {
    readonly uid: string;
    readonly protocol: string;
    readonly authorizationPolicies?: readonly string[];
  }[];
  readonly services: readonly {
    readonly namespace: string;
    readonly hostname: string;
    readonly vips: readonly string[];
  }[];
  readonly policies: readonly { readonly namespace: string; readonly name: string; readonly scope: string }[];
}

/**
 * A child that is ended with the test; its output is shown when the test fails. Of this process's environment it sees the
 * search path only: settings of the test run are none of its own, and it would refuse to start with them.
 */
class Started implements AsyncDisposable {
  readonly #child: ChildProcess;
  output = '';

  constructor(netns: Netns, env: Readonly<Record<string, string>>, ...command: string[]) {
    const settings = Object.entries({ PATH: process.env['PATH'] ?? '', ...env }).map(
      ([key, value]) => `${key}=${value}`,
    );
    this.#child = netns.spawn('env', '-i', ...settings, ...command);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.output = (this.output + bytes.toString()).slice(-4_000)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Body of a page served inside; throws when the answer is no success. */
function get(netns: Netns, url: string): string {
  const script = `const r = await fetch(${JSON.stringify(url)}); if (!r.ok) throw new Error(r.status); process.stdout.write(await r.text());`;
  return netns.run(process.execPath, '--input-type=module', '-e', script);
}

/** An attempt that throws is made again. */
function until<T>(what: string, attempt: () => T | undefined, started: readonly Started[]): Promise<T> {
  let last: unknown;
  return eventually(
    () => `${what}: ${String(last)}\n${started.map(({ output }) => output).join('\n')}`,
    () => {
      try {
        return attempt();
      } catch (error) {
        last = error;
        return undefined;
      }
    },
  );
}

/** Every golden case in a namespace of its own. */
function corpus(): string {
  return globSync(join(import.meta.dirname, '../testdata/*.in.yaml'))
    .toSorted()
    .map((file) => readFileSync(file, 'utf8').replaceAll(/\bshop\b/g, `shop-${basename(file, '.in.yaml')}`))
    .join('---\n');
}

test('Istio’s ztunnel accepts everything that is sent, and follows changes', { skip }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-cp-interop-'));
  using namespaces = new NetnsSet('cp');
  const netns = namespaces.create('peer');
  try {
    const ca = makeTestCa();
    const leaf = ca.issue(undefined, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject('system:serviceaccount:istio-system:ztunnel')
      .setAudience('istio-ca')
      .setExpirationTime('5m')
      .sign(keys.privateKey);
    const files = {
      'key.pem': leaf.privateKeyPem,
      'cert.pem': leaf.certificateChainPem,
      'root.pem': ca.rootsPem,
      token,
      'jwks.json': JSON.stringify({ keys: [keys.publicKey.export({ format: 'jwk' })] }),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
    mkdirSync(join(root, 'manifests'));
    await using control = new Started(
      netns,
      {
        LOG_LEVEL: 'error',
        AMBIT_GRPC_ADDRESS: '127.0.0.1:15012',
        AMBIT_MANIFEST_DIRS: join(root, 'manifests'),
        AMBIT_JWKS_FILE: join(root, 'jwks.json'),
        AMBIT_TLS_CERT_FILE: join(root, 'cert.pem'),
        AMBIT_TLS_KEY_FILE: join(root, 'key.pem'),
      },
      process.execPath,
      join(import.meta.dirname, 'main.ts'),
    );
    await until(
      'control plane ready',
      () => (get(netns, 'http://127.0.0.1:8080/ready') === 'ready\n' ? true : undefined),
      [control],
    );
    // Some cases are broken on purpose; a control plane that starts with them would serve nobody.
    writeFileSync(join(root, 'manifests', 'corpus.yaml'), corpus());
    await using ztunnel = new Started(
      netns,
      {
        XDS_ADDRESS: 'https://127.0.0.1:15012',
        XDS_ROOT_CA: join(root, 'root.pem'),
        AUTH_TOKEN: join(root, 'token'),
        CA_ADDRESS: 'https://127.0.0.1:15013',
        CA_ROOT_CA: join(root, 'root.pem'),
        ENABLE_PROXY: 'false',
        ISTIO_META_DNS_CAPTURE: 'true',
        NODE_NAME: 'node1',
        POD_NAME: 'ztunnel-x',
        POD_NAMESPACE: 'istio-system',
        INSTANCE_IP: '127.0.0.1',
        RUST_LOG: 'info',
      },
      binary ?? '',
    );
    const dump = (): Dump => JSON.parse(get(netns, 'http://127.0.0.1:15000/config_dump')) as Dump;
    const first = await until('full configuration', () => (dump().workloads.length > 0 ? dump() : undefined), [
      control,
      ztunnel,
    ]);
    const ours = JSON.parse(get(netns, 'http://127.0.0.1:8080/debug/config')) as {
      workloads: { uid: string }[];
      services: { namespace: string; hostname: string }[];
      policies: { namespace: string; name: string }[];
    };
    assert.deepEqual(first.workloads.map(({ uid }) => uid).toSorted(), ours.workloads.map(({ uid }) => uid).toSorted());
    assert.deepEqual(
      first.services.map((item) => `${item.namespace}/${item.hostname}`).toSorted(),
      ours.services.map((item) => `${item.namespace}/${item.hostname}`).toSorted(),
    );
    assert.deepEqual(
      first.policies.map((item) => `${item.namespace}/${item.name}`).toSorted(),
      ours.policies.map((item) => `${item.namespace}/${item.name}`).toSorted(),
    );
    assert.doesNotMatch(get(netns, 'http://127.0.0.1:15014/metrics'), /pilot_total_xds_rejects\{/);

    const added =
      'apiVersion: v1\nkind: Pod\nmetadata: { name: late, namespace: extra, annotations: { ambient.istio.io/redirection: enabled } }\nspec: {}\nstatus: { phase: Running, podIPs: [{ ip: 10.77.0.1 }] }\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: strict, namespace: extra }\nspec: { mtls: { mode: STRICT } }\n';
    writeFileSync(join(root, 'manifests', '.late'), added);
    renameSync(join(root, 'manifests', '.late'), join(root, 'manifests', 'late.yaml'));
    const late = await until(
      'added pod',
      () => dump().workloads.find(({ uid }) => uid === 'Kubernetes//Pod/extra/late'),
      [control, ztunnel],
    );
    assert.equal(late.protocol, 'HBONE');
    assert.deepEqual(late.authorizationPolicies, ['istio-system/istio_converted_static_strict']);
    rmSync(join(root, 'manifests', 'late.yaml'));
    await until('removed pod', () => (dump().workloads.every(({ uid }) => uid !== late.uid) ? true : undefined), [
      control,
      ztunnel,
    ]);
    assert.doesNotMatch(get(netns, 'http://127.0.0.1:15014/metrics'), /pilot_total_xds_rejects\{/);
    assert.doesNotMatch(ztunnel.output, /NACK|reject|unknown policy/i);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
