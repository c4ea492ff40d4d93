/** TLS that a gateway's listener ends: its certificates, and what is learned of clients. Spec: contract l7 2.4. */
import { createHash, X509Certificate } from 'node:crypto';
import { parseSpiffeId, spiffeIdParts } from '@ambit/identity';
import { io, type TlsContext, type TlsSession } from '@ambit/net';
import { type PeerIdentity, peerIdentity } from '@ambit/policy';

import type { ListenerTls } from '../../config/server.ts';
import type { ClientCertificateFacts } from '../../request/downstream-facts.ts';

interface Certificate {
  readonly context: TlsContext;
  readonly leaf: X509Certificate;
}

/** By what is spoken inside; configuration is compiled anew when it changes. */
const made = new WeakMap<ListenerTls, Map<string, readonly Certificate[]>>();

/** The context whose certificate names the server; the first if none does. Throws NetError for material that cannot be used. */
export function listenerContext(tls: ListenerTls, alpn: readonly string[], serverName: string): TlsContext {
  const key = alpn.join();
  const known = made.get(tls) ?? new Map<string, readonly Certificate[]>();
  let certificates = known.get(key);
  if (certificates === undefined) {
    certificates = tls.keyPairs.map((pair) => makeCertificate(tls, pair, alpn));
    made.set(tls, known.set(key, certificates));
  }
  const named = certificates.find(({ leaf }) => serverName !== '' && leaf.checkHost(serverName) !== undefined);
  const chosen = named ?? certificates[0];
  if (chosen === undefined) throw new TypeError('a listener without certificates');
  return chosen.context;
}

function makeCertificate(
  tls: ListenerTls,
  pair: ListenerTls['keyPairs'][number],
  alpn: readonly string[],
): Certificate {
  const { clientCertificate, clientRootsPem: rootsPem, clientRevocationsPem: revocationsPem } = tls;
  const isAsked = clientCertificate !== 'not-asked';
  const context = io.edgeTlsContext(
    {
      certificate: pair,
      clientCertificate: isAsked ? clientCertificate : 'none',
      minVersion: tls.minVersion,
      oldCipherSuites: tls.cipherSuites,
      alpn,
      checksRevocation: true,
      ...(isAsked ? { rootsPem, revocationsPem } : {}),
    },
    'server',
  );
  return { context, leaf: new X509Certificate(pair.chainPem) };
}

/** What a certificate proves; undefined for none, or one that leads to none of the roots. */
export function clientOf(
  session: TlsSession,
  trustDomains: readonly string[],
): { readonly certificate: ClientCertificateFacts; readonly peer: PeerIdentity | undefined } | undefined {
  if (io.tlsVerified(session) !== 1) return undefined;
  const der = io.tlsPeerCertificate(session);
  const leaf = new X509Certificate(der);
  // Node says undefined where there is none, whatever its types say.
  const { subject, subjectAltName }: { subject?: string; subjectAltName?: string | undefined } = leaf;
  const uris = io.tlsPeerUriSans(session);
  const certificate: ClientCertificateFacts = {
    sha256Hex: createHash('sha256').update(der).digest('hex'),
    pem: leaf.toString(),
    subject: (subject ?? '').split('\n').toReversed().join(','),
    uris,
    dnsNames: [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,]+)/g)].map(([, name = '']) => name),
  };
  return { certificate, peer: identityOf(uris, trustDomains) };
}

/** The first URI name that is an identity of one of the trust domains: stricter than a prefix. */
export function identityOf(uriSans: readonly string[], trustDomains: readonly string[]): PeerIdentity | undefined {
  for (const san of uriSans) {
    const id = parseSpiffeId(san);
    if (id === undefined) continue;
    const { trustDomain, namespace, serviceAccount } = spiffeIdParts(id);
    if (trustDomains.includes(trustDomain)) return peerIdentity(trustDomain, namespace, serviceAccount);
  }
  return undefined;
}
