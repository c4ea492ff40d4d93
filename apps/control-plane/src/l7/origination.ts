/** TLS that a DestinationRule asks for between a proxy and a backend. Spec: l7.md section 3.4, tls. */
import { traffic } from '@ambit/api';
import type { ClientTlsSpec, Secret } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { isCertificate, isKeyPair, trustOf } from './key-material.ts';

/** Secrets of the proxy's namespace. */
export type CredentialFinder = (name: string) => Secret | undefined;

/**
 * The tunnel is mutual TLS already; other modes add TLS inside it. What names files cannot be had, nor what names a Secret that is
 * not there: connections fail then, rather than go without. `subjectAltNames`: those of the service, where the rule has none.
 */
export function originatedTls(
  tls: ClientTlsSpec | undefined,
  credential: CredentialFinder,
  subjectAltNames: readonly string[],
): traffic.BackendTls | undefined {
  if (tls === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return undefined;
  const names = tls.subjectAltNames.length > 0 ? tls.subjectAltNames : subjectAltNames;
  const common = { serverName: tls.sni ?? '', subjectAltNames: [...names] };
  const failing = create(traffic.BackendTlsSchema, common);
  if (tls.namesFiles) return failing;
  const { credentialName } = tls;
  if (credentialName === undefined) {
    if (tls.mode === 'MUTUAL') return failing;
    return create(traffic.BackendTlsSchema, {
      ...common,
      useSystemRoots: true,
      insecureSkipVerify: tls.insecureSkipVerify,
    });
  }
  const own = credential(credentialName);
  const { rootsPem, revocationsPem } = trustOf(own, credential(`${credentialName}-cacert`));
  const { certificateChainPem: chainPem = '', privateKeyPem: keyPem = '' } = own ?? {};
  const isMutual = tls.mode === 'MUTUAL';
  if (isMutual && !isKeyPair(chainPem, keyPem)) return failing;
  const hasRoots = isCertificate(rootsPem);
  // A Secret for SIMPLE is there for its roots; without them it says nothing of whom to trust.
  if (!hasRoots && !tls.insecureSkipVerify) {
    if (!isMutual || rootsPem !== '') return failing;
  }
  return create(traffic.BackendTlsSchema, {
    ...common,
    rootsPem: bytes(hasRoots ? rootsPem : ''),
    revocationsPem: bytes(hasRoots ? revocationsPem : ''),
    useSystemRoots: !hasRoots,
    insecureSkipVerify: tls.insecureSkipVerify,
    ...(isMutual ? { clientCertificateChainPem: bytes(chainPem), clientPrivateKeyPem: bytes(keyPem) } : {}),
  });
}

function bytes(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem, 'utf8'));
}
