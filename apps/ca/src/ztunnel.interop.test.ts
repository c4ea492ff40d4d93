import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, type Netns, NetnsSet, makeTestCa, netnsSkipReason } from '@ambit/testing';
import { TokenIssuer } from './testing/token-issuer.ts';

const binary = process.env['AMBIT_BENCH_ZTUNNEL'] ?? '';
const skip = existsSync(binary) ? netnsSkipReason() : 'needs AMBIT_BENCH_ZTUNNEL, the path of a Rust ztunnel';

const workload = (name: string, ip: string): string => `
- uid: c//v1/Pod/shop/${name}
  name: ${name}
  namespace: shop
  serviceAccount: ${name}
  trustDomain: cluster.local
  workloadIps: ["${ip}"]
  protocol: HBONE
  node: node1
  network: ""
  services: {}`;

interface DumpedCertificate {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly { readonly pem: string; readonly serialNumber: string }[];
  readonly rootCerts: readonly { readonly pem: string }[];
}

/** A Rust ztunnel and our CA in one namespace, with files both read. */
class Peer implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ambit-ca-interop-'));
  readonly #namespaces = new NetnsSet('ca');
  readonly #netns: Netns = this.#namespaces.create('node1');
  readonly #processes: ChildProcess[] = [];
  #output = '';

  write(name: string, text: string): string {
    writeFileSync(join(this.folder, name), text);
    return join(this.folder, name);
  }

  start(settings: Readonly<Record<string, string>>, ...command: readonly string[]): void {
    const env = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const child = this.#netns.spawn('env', '-i', ...env, ...command);
    this.#processes.push(child);
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (this.#output += String(chunk)));
  }

  /** Asks until `accept` gives a value; fails with the processes' output. */
  until<T>(url: string, accept: (body: string) => T | undefined): Promise<T> {
    let body = '';
    return eventually(
      () => `an acceptable answer of ${url}: ${body.slice(0, 4000)}\n${this.#output.slice(-4000)}`,
      () => {
        try {
          body = this.#netns.run('curl', '-s', '-m', '2', url);
        } catch {
          body = ''; // Not listening yet.
        }
        return body === '' ? undefined : accept(body);
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    this.#namespaces[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}

function certificatesOf(body: string): readonly DumpedCertificate[] {
  const dump: { readonly certificates?: readonly DumpedCertificate[] } = JSON.parse(body);
  return dump.certificates ?? [];
}

for (const [name, ca] of [
  ['a self-signed root', makeTestCa()],
  ['an intermediate and a bundle of two roots', makeTestCa({ intermediate: true })],
] as const) {
  test(
    `a Rust ztunnel gets certificates from this CA, which signs with ${name}`,
    { skip, timeout: 60_000 },
    async () => {
      await using peer = new Peer();
      const bundle = name.includes('two') ? ca.rootsPem + makeTestCa().rootsPem : ca.rootsPem;
      const issuer = new TokenIssuer();
      const cart = 'spiffe://cluster.local/ns/shop/sa/cart';
      const web = 'spiffe://cluster.local/ns/shop/sa/web';
      const roots = peer.write('root-cert.pem', bundle);
      peer.write('ca-cert.pem', ca.signingCertificatePem);
      peer.write('ca-key.pem', ca.signingKeyPem);
      peer.write('cert-chain.pem', ca.intermediatesPem);
      peer.start(
        {
          AMBIT_GRPC_ADDRESS: '127.0.0.1:15013',
          ROOT_CA_DIR: peer.folder,
          AMBIT_JWKS_FILE: peer.write('jwks.json', issuer.jwks),
          AMBIT_ASSIGNMENTS_FILE: peer.write('assignments.json', JSON.stringify({ node1: [cart] })),
        },
        process.execPath,
        join(import.meta.dirname, 'main.ts'),
      );
      await peer.until('http://127.0.0.1:15015/ready', (body) => (body === 'ready\n' ? true : undefined));
      peer.start(
        {
          PROXY_MODE: 'shared',
          NODE_NAME: 'node1',
          XDS_ADDRESS: '',
          LOCAL_XDS_PATH: peer.write(
            'local.yaml',
            `workloads:${workload('cart', '10.9.0.2')}${workload('web', '10.9.0.3')}\n`,
          ),
          CA_ADDRESS: 'https://127.0.0.1:15013',
          CA_ROOT_CA: roots,
          AUTH_TOKEN: peer.write('token', issuer.issue('istio-system/ztunnel', 'node1')),
          INPOD_UDS: join(peer.folder, 'none.sock'),
        },
        binary,
      );
      const find = (identity: string, state: RegExp) => (body: string) =>
        certificatesOf(body).find((entry) => entry.identity === identity && state.test(entry.state));
      const held = await peer.until('http://localhost:15000/config_dump', find(cart, /^Available/));
      const leaf = new X509Certificate(Buffer.from(held.certChain[0]?.pem ?? '', 'base64'));
      assert.equal(leaf.subjectAltName, `URI:${cart}`);
      assert.equal(held.certChain.length, name.includes('intermediate') ? 2 : 1);
      assert.equal(held.rootCerts.length, name.includes('two') ? 2 : 1);

      const refused = await peer.until('http://localhost:15000/config_dump', find(web, /^Unavailable/));
      assert.match(refused.state, /request impersonation authentication failure/);
      peer.write('assignments.json', JSON.stringify({ node1: [cart, web] }));
      await peer.until('http://localhost:15000/config_dump', find(web, /^Available/));
    },
  );
}
