/** What a mesh of containers reads from files: manifests, tokens and the keys that verify them, who runs where. */
import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The user of images that do not need root. */
const MESH_USER = 1337;

/** A folder of the machine that containers mount; removed at the end. */
export class MeshFiles implements Disposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'ambit-mesh-'));
  readonly #key: KeyObject;

  constructor() {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = pair.privateKey;
    // The containers' user is another one, and mkdtemp keeps everybody out.
    chownSync(this.root, MESH_USER, MESH_USER);
    chmodSync(this.root, 0o755);
    for (const folder of ['keys', 'manifests', 'config', 'bus']) {
      mkdirSync(join(this.root, folder));
      chownSync(join(this.root, folder), MESH_USER, MESH_USER);
    }
    const key = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'ES256', use: 'sig' };
    this.write('config/jwks.json', JSON.stringify({ keys: [key] }));
  }

  /** Readers see the old file or the new one. */
  write(path: string, text: string): void {
    const file = join(this.root, path);
    writeFileSync(`${file}.new`, text);
    chownSync(`${file}.new`, MESH_USER, MESH_USER);
    renameSync(`${file}.new`, file);
  }

  remove(path: string): void {
    rmSync(join(this.root, path));
  }

  folder(name: 'keys' | 'manifests' | 'config' | 'bus'): string {
    return join(this.root, name);
  }

  /** A token of `namespace/account` for a pod on a node, signed as the CA expects it, or by a stranger. */
  token(account: string, node: string, signer: KeyObject = this.#key): string {
    const [namespace = '', serviceAccount = ''] = account.split('/');
    const nowSec = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'https://docker.test',
      aud: ['istio-ca'],
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      iat: nowSec,
      exp: nowSec + 3600,
      'kubernetes.io': {
        namespace,
        serviceaccount: { name: serviceAccount },
        pod: { name: `${serviceAccount}-${node}`, uid: randomUUID() },
        node: { name: node },
      },
    };
    const unsigned = `${encode({ alg: 'ES256', kid: 'test', typ: 'JWT' })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(unsigned), { key: signer, dsaEncoding: 'ieee-p1363' });
    return `${unsigned}.${signature.toString('base64url')}`;
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
