/** Signing certificates from an issuer: the API server is real, the issuer's controller is the test's own. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CertificateSigner, decodePem, encodePem, parseCertificate, readCsr } from '@ambit/identity';
import { type ApiKind, isPlainObject, rawKinds } from '@ambit/kube';
import { eventually, makeTestCa } from '@ambit/testing';
import { CaCluster } from '../testing/ca-cluster.ts';
import { parseIssuerReference } from './issuer-reference.ts';

const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const options = { skip: kubeconfig === '' ? 'AMBIT_TEST_KUBECONFIG names no cluster' : false, timeout: 600_000 };
const requests: ApiKind = {
  group: 'cert-manager.io',
  version: 'v1',
  kind: 'CertificateRequest',
  plural: 'certificaterequests',
  namespaced: true,
};
const upstream = parseIssuerReference('cert-manager:mesh');
const dayMs = 86_400_000;
let cluster: CaCluster;
/** A cluster with a cert-manager of its own is left alone. */
let isTaken = false;
const definition = { kind: rawKinds.CustomResourceDefinition, name: 'certificaterequests.cert-manager.io' };

before(async () => {
  if (kubeconfig === '') return;
  cluster = await CaCluster.open(kubeconfig);
  isTaken = (await cluster.client.get(definition)) !== undefined;
  if (isTaken) return;
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } };
  await cluster.client.create(rawKinds.CustomResourceDefinition, {
    metadata: { name: definition.name },
    spec: {
      group: requests.group,
      scope: 'Namespaced',
      names: { plural: requests.plural, singular: 'certificaterequest', kind: requests.kind },
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} }, schema }],
    },
  });
  await eventually('the resource is served', async () =>
    cluster.client.list(requests, { namespace: cluster.namespace }).then(
      () => true,
      () => false,
    ),
  );
});

after(async () => {
  if (kubeconfig === '') return;
  if (!isTaken) await cluster.client.delete(definition);
  await cluster[Symbol.asyncDispose]();
});

/** Signs what it is asked to with the keys of a test CA, as cert-manager's CA issuer does; or refuses everything. */
class IssuerController implements AsyncDisposable {
  readonly specs: Readonly<Record<string, unknown>>[] = [];
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  constructor(ca: ReturnType<typeof makeTestCa> | undefined) {
    this.#running = this.#run(ca);
  }

  async #run(ca: ReturnType<typeof makeTestCa> | undefined): Promise<void> {
    while (!this.#ending.signal.aborted) {
      for (const object of await cluster.client.list(requests, { namespace: cluster.namespace })) {
        const { metadata, spec, status } = object;
        if (!isPlainObject(metadata) || !isPlainObject(spec) || status !== undefined) continue;
        this.specs.push(spec);
        const ref = { kind: requests, namespace: cluster.namespace, name: String(metadata['name']) };
        await cluster.client.patch(ref, { status: this.#judge(ca, spec) }, { subresource: 'status' });
      }
      await pause(10);
    }
  }

  #judge(ca: ReturnType<typeof makeTestCa> | undefined, spec: Readonly<Record<string, unknown>>): object {
    if (ca === undefined) {
      return { conditions: [{ type: 'Denied', status: 'True', reason: 'Policy', message: 'not for you' }] };
    }
    const csr = readCsr(Buffer.from(String(spec['request']), 'base64').toString());
    const [der = new Uint8Array()] = decodePem('CERTIFICATE', ca.signingCertificatePem, 1);
    const signer = new CertificateSigner(parseCertificate(der), createPrivateKey(ca.signingKeyPem));
    const { der: issued } = signer.issueAuthority({
      publicKey: createPublicKey({ key: Buffer.from(csr.publicKeyInfo), format: 'der', type: 'spki' }),
      organization: 'mesh',
      commonName: csr.commonName,
      notBeforeMs: Date.now() - 60_000,
      notAfterMs: Date.now() + 30 * dayMs,
    });
    const encoded = (pem: string): string => Buffer.from(pem).toString('base64');
    return {
      conditions: [{ type: 'Ready', status: 'True', reason: 'Issued', message: 'signed' }],
      certificate: encoded(encodePem('CERTIFICATE', issued) + ca.intermediatesPem),
      ca: encoded(ca.rootsPem),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }
}

test('an issuer that refuses, and one that is not there, stop the start with what to do', options, async (t) => {
  if (isTaken) return t.skip('the cluster has a cert-manager');
  {
    await using _refusing = new IssuerController(undefined);
    await assert.rejects(cluster.startCa({ upstream }), { message: /Issuer mesh refused .*: Policy not for you/ });
  }
  await assert.rejects(cluster.startCa({ upstream, upstreamTimeoutMs: 300 }), {
    message: /did not sign within 0\.3 s .*is cert-manager running/,
  });
  assert.deepEqual(await cluster.client.list(requests, { namespace: cluster.namespace }), []);
});

test(
  'a self-made root is exchanged for the issuer, and the issuer is asked again before the end',
  options,
  async () => {
    const ca = makeTestCa({ intermediate: true });
    const rotationStepMs = 300;
    const before = await cluster.startCa({ rotationStepMs });
    const selfMade = before.authority.material.signingRoot;
    await eventually('roots are published', async () => (await cluster.publishedRoots(cluster.namespace)) !== '');
    await before[Symbol.asyncDispose]();

    await using issuer = new IssuerController(ca);
    await using one = await cluster.startCa({ upstream, rotationStepMs });
    await using two = await cluster.startCa({ upstream, rotationStepMs });
    assert.equal(one.authority.material.signingRoot, selfMade);
    await eventually('both replicas sign below the root of the issuer and trust nothing else', () =>
      [one, two].every(({ authority }) => authority.material.rootsPem === ca.rootsPem),
    );
    const { intermediatesPem } = one.authority.material;
    assert.deepEqual([intermediatesPem.length, intermediatesPem[1]], [2, ca.intermediatesPem]);
    assert.deepEqual(two.authority.material.intermediatesPem, intermediatesPem);
    assert.equal(issuer.specs.length, 1);
    const { request: _request, ...spec } = issuer.specs[0] ?? {};
    assert.deepEqual(spec, {
      issuerRef: { group: 'cert-manager.io', kind: 'Issuer', name: 'mesh' },
      isCA: true,
      usages: ['digital signature', 'cert sign', 'crl sign'],
      duration: `${(90 * dayMs) / 1000}s`,
    });

    const secret = cluster.secret('ambit-ca-intermediate');
    await cluster.client.patch(secret, { metadata: { annotations: { 'ambit.io/rotate-root': 'now' } } });
    await eventually('a new certificate is in use on both replicas', () =>
      [one, two].every(({ authority }) => authority.material.intermediatesPem[0] !== intermediatesPem[0]),
    );
    assert.equal(one.authority.material.rootsPem, ca.rootsPem);
    await eventually(
      'nothing is left of the requests',
      async () => (await cluster.client.list(requests, { namespace: cluster.namespace })).length === 0,
    );
  },
);
