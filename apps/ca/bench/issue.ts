/**
 * Certificates a second inside the CA, without gRPC: verify the request's signature, write, sign, encode.
 * One thread, so the result is for one core. Run: `node apps/ca/bench/issue.ts [seconds]`.
 */
import { availableParallelism, cpus } from 'node:os';
import { generateKeyPairSync } from 'node:crypto';
import { createKeyAndCsr, encodePem, makeSpiffeId, readCsr, selfSignAuthority } from '@ambit/identity';
import { systemClock } from '@ambit/runtime';
import { CertificateAuthority } from '../src/issue/certificate-authority.ts';
import { makeSelfSigned } from '../src/keys/self-signed.ts';
import { type MaterialPem, checkMaterial } from '../src/keys/signing-material.ts';

const seconds = Number(process.argv[2] ?? 3);
const identity = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'bench', serviceAccount: 'workload' });
const requests = Array.from({ length: 64 }, () => createKeyAndCsr(identity).csrPem);

function rsaMaterial(): MaterialPem {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = Date.now();
  const template = { publicKey, organization: 'bench', notBeforeMs: now, notAfterMs: now + 86_400_000 };
  const pem = encodePem('CERTIFICATE', selfSignAuthority(template, privateKey).der);
  const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { signingCertificate: pem, signingKey, roots: pem, chain: '' };
}

function measure(name: string, material: MaterialPem): void {
  const authority = new CertificateAuthority(checkMaterial(material, Date.now()), systemClock);
  const issue = (count: number): void => {
    const csr = readCsr(requests[count % requests.length] ?? '');
    authority.issue({
      publicKeyInfo: csr.publicKeyInfo,
      altNames: { uris: [identity] },
      commonName: '',
      ttlMs: 86_400_000,
    });
  };
  for (let count = 0; count < 500; count += 1) issue(count);
  const start = process.cpuUsage();
  const endMs = performance.now() + seconds * 1000;
  let issued = 0;
  while (performance.now() < endMs) issue(issued++);
  const { user, system } = process.cpuUsage(start);
  const perSecond = Math.round(issued / seconds);
  const perCoreSecond = Math.round(issued / ((user + system) / 1e6));
  process.stdout.write(`${name}: ${perSecond} certificates/s, ${perCoreSecond} per CPU second\n`);
}

process.stdout.write(
  `node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores\n`,
);
measure('P-256 signer', makeSelfSigned('bench', Date.now()));
measure('RSA 2048 signer', rsaMaterial());
