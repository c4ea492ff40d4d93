/** Runs the example lab's attack programs in its pods. Orders go to their input, so that no key lies in a file. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertificateSigner, encodePem, selfSignAuthority } from '@ambit/identity';
import { FABRIC_ADDRESS } from '../../lab/address-plan.ts';
import type { Lab } from '../../lab/lab.ts';
import { PORTS } from '../../lab/process-plan.ts';

/** A certificate with its key. */
export interface Credentials {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

const ATTACK_TIMEOUT_MS = 60_000;
const HOUR_MS = 3_600_000;

export function attackFile(lab: Lab, name: string): string {
  return join(lab.description.directory, 'attacks', name);
}

/** Runs one of `lab/attacks` in a pod; gives the findings it printed, whose shape the caller knows from the program. */
export async function attack<Findings>(lab: Lab, pod: string, program: string, order: unknown): Promise<Findings> {
  const { code, stdout, stderr } = await lab.exec(pod, [process.execPath, attackFile(lab, program)], {
    stdin: JSON.stringify(order),
    timeoutMs: ATTACK_TIMEOUT_MS,
  });
  if (code !== 0)
    throw new Error(`${program} in ${pod} ended with code ${code}: ${stderr.trim().split('\n').slice(-3).join(' ')}`);
  const findings: Findings = JSON.parse(stdout);
  return findings;
}

export interface CaAnswer {
  readonly credentials?: Credentials;
  /** gRPC status. */
  readonly refusal?: string;
  readonly message?: string;
}

/** Asks the CA from a pod, with any token, for any identity. */
export function askCa(
  lab: Lab,
  pod: string,
  token: string,
  identity: string,
  isImpersonating: boolean,
): Promise<CaAnswer> {
  return attack(lab, pod, 'ask-ca.ts', {
    address: `https://${FABRIC_ADDRESS.v4}:${PORTS.ca}`,
    rootsFile: join(lab.paths.caDirectory, 'root-cert.pem'),
    token,
    identity,
    isImpersonating,
  });
}

/** The token file of a pod or of a node's proxy, as somebody who reads files that are not theirs would. */
export function stealToken(lab: Lab, name: string): string {
  return readFileSync(lab.paths.token(name), 'utf8').trim();
}

/** The token of a pod with another subject written over its own; the signature is the old one. */
export function forgeToken(token: string, serviceAccount: string): string {
  const [head = '', body = '', signature = ''] = token.split('.');
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(body, 'base64url').toString());
  return [
    head,
    Buffer.from(JSON.stringify({ ...claims, sub: `system:serviceaccount:${serviceAccount}` })).toString('base64url'),
    signature,
  ].join('.');
}

/** The certificate that the CA gives to the holder of a pod's token. @throws Error when it does not. */
export async function credentialsOf(lab: Lab, from: string, pod: string): Promise<Credentials> {
  const [namespace = '', name = ''] = pod.split('/');
  const { credentials, message } = await askCa(
    lab,
    from,
    stealToken(lab, `pod.${namespace}.${name}`),
    identityOf(lab, pod),
    false,
  );
  if (!credentials) throw new Error(`the CA gave no certificate to ${pod}: ${message ?? ''}`);
  return credentials;
}

export function identityOf(lab: Lab, pod: string): string {
  const { metadata, spec } = lab.pod(pod).pod;
  return `spiffe://cluster.local/ns/${metadata.namespace}/sa/${spec.serviceAccountName}`;
}

/** A certificate for any identity, from a CA that nobody but the attacker trusts. */
export function selfMadeCredentials(identity: string): Credentials {
  const validity = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS };
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authority = selfSignAuthority(
    { publicKey: root.publicKey, organization: 'cluster.local', ...validity },
    root.privateKey,
  );
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = new CertificateSigner(authority, root.privateKey).issueLeaf({
    publicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
    altNames: { uris: [identity] },
    ...validity,
  });
  return {
    certificateChainPem: encodePem('CERTIFICATE', leaf.der),
    privateKeyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}
