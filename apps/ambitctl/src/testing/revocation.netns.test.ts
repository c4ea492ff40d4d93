/** A waypoint and revoked clients, live: the lab's CA, its node proxies, and a list written beside the CA's keys. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeRevocationList } from '@ambit/testing';
import { podManifest, ProofLab } from './proof-lab.ts';

const callers = ['proof/good', 'proof/bad'] as const;
const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const url = 'http://web.proof.svc.cluster.local/';

const base = `apiVersion: v1
kind: Namespace
metadata: { name: proof, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint } }
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
`;

interface CertificateDump {
  readonly certificates: readonly {
    readonly identity: string;
    readonly certChain: readonly { readonly serialNumber: string }[];
  }[];
}

describe('revocation lists at a waypoint in a lab', { skip }, () => {
  let proof: ProofLab;

  before(async () => {
    proof = await ProofLab.open('v', callers);
    const web = podManifest('proof', 'web', 'web', `['$(NODE)', '$(LAB_DIR)/services/echo.ts', web]`);
    proof.lab.manifests.put('revocation.yaml', [base, web].join('---\n'));
    await proof.settled(callers, ['proof/web', 'proof/waypoint-waypoint']);
  });

  after(() => proof[Symbol.asyncDispose]());

  async function status(pod: string): Promise<string> {
    const argv = ['curl', '-s', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', url];
    return (await proof.lab.exec(pod, argv)).stdout;
  }

  async function serialOf(identity: string): Promise<string> {
    const { body } = await proof.lab.http('node1', 15_000, '/config_dump');
    const { certificates }: CertificateDump = JSON.parse(body);
    const serial = certificates.find((one) => one.identity === identity)?.certChain[0]?.serialNumber;
    assert.ok(serial !== undefined, `no certificate of ${identity}`);
    return serial;
  }

  /** As an operator does it: whole, beside the keys. */
  function publish(serials: readonly string[]): void {
    const folder = proof.lab.paths.caDirectory;
    const authority = {
      signingCertificatePem: readFileSync(join(folder, 'ca-cert.pem'), 'utf8'),
      signingKeyPem: readFileSync(join(folder, 'ca-key.pem'), 'utf8'),
    };
    const list = makeRevocationList(
      authority,
      serials.map((serialNumber) => ({ serialNumber })),
    );
    const path = join(folder, 'ca-crl.pem');
    writeFileSync(`${path}.new`, list);
    renameSync(`${path}.new`, path);
  }

  test('a client that is revoked is not served any more, others are, and a new list lets it back in', async () => {
    for (const caller of callers)
      await proof.lab.waitFor(`${caller} to be served`, async () => (await status(caller)) === '200');
    const serial = await serialOf('spiffe://cluster.local/ns/proof/sa/bad');
    publish([serial]);
    await proof.lab.waitFor('the revoked client to be refused', async () => (await status('proof/bad')) === '000');
    assert.equal(await status('proof/good'), '200');
    publish([]);
    await proof.lab.waitFor('the client to be served again', async () => (await status('proof/bad')) === '200');
  });
});
