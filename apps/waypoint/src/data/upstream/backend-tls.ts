/** TLS that the proxy begins towards a backend: the certificate it wants to see, and who it must be of. Spec: contract l7 3.4. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { type ByteChannel, type EventLoop, io, secureChannel, type TlsContext, type TlsSession } from '@ambit/net';
import { toAmbitError } from '@ambit/runtime';

import type { BackendTls } from '../../config/traffic-policy.ts';
import type { ConnectFailure } from '../../request/upstream.ts';
import type { ChannelReceiver } from './endpoint-channel.ts';
import type { RevocableChannels } from './revocable-channel.ts';

/** Contexts by the policy they were made for; policies are compiled anew when they change. */
const made = new WeakMap<BackendTls, Map<string, TlsContext>>();
let systemRoots: string | undefined;

export interface BackendTlsOptions {
  readonly tls: BackendTls;
  /** Of the request, for a policy that names no server. */
  readonly requestHost: string;
  readonly alpn: readonly string[];
  readonly timeoutMs: number;
  /** What would be asked of the backend now. */
  current(): BackendTls;
  readonly watched: RevocableChannels;
}

/** The name a backend is asked for by, and has to prove unless the policy lists others. */
export function backendServerName({ serverName }: BackendTls, requestHost: string): string {
  return (serverName ?? requestHost).toLowerCase();
}

/** Puts TLS on a channel that is connected, and owns it from now on. Tells `receiver` as a dial would. */
export function beginBackendTls(
  loop: EventLoop,
  channel: ByteChannel,
  localAddress: string,
  options: BackendTlsOptions,
  receiver: ChannelReceiver,
): void {
  const { tls, requestHost, alpn, timeoutMs } = options;
  const serverName = backendServerName(tls, requestHost);
  const context = contextOf(tls, alpn);
  if (typeof context === 'string') {
    channel.close();
    receiver.onChannelFailed(tlsFailure(context));
    return;
  }
  const named = isIP(serverName) === 0 && serverName !== '' ? { serverName } : {};
  secureChannel(
    loop,
    channel,
    { context, role: 'client', timeoutMs, ...named },
    {
      onSecured: (secured, session) => {
        const problem = tls.skipsVerification ? undefined : checkedIdentity(session, tls, serverName);
        if (problem === undefined) {
          const channel = tls.skipsVerification
            ? secured
            : options.watched.watch(secured, () => isRevoked(session, options.current(), alpn));
          return receiver.onChannel(channel, localAddress);
        }
        secured.close();
        receiver.onChannelFailed(tlsFailure(problem));
      },
      onSecureFailed: (reason) => receiver.onChannelFailed(tlsFailure(reason)),
    },
  );
}

/** By the lists of the mesh, and by those that the policy has now. */
function isRevoked(session: TlsSession, tls: BackendTls, alpn: readonly string[]): boolean {
  const context = contextOf(tls, alpn);
  // Material that cannot be used lets no connection begin; nothing is known of those there are.
  return io.tlsRevoked(session, typeof context === 'string' ? undefined : context) === 1;
}

/** As Envoy begins it, so that users' eyes find it. */
function tlsFailure(reason: string): ConnectFailure {
  return { kind: 'refused', transportReason: `TLS_error: ${reason}` };
}

/** A context, or why there is none: then every connection fails. */
function contextOf(tls: BackendTls, alpn: readonly string[]): TlsContext | string {
  const key = alpn.join();
  const known = made.get(tls)?.get(key);
  if (known !== undefined) return known;
  const { roots, revocationsPem, clientCertificate, skipsVerification } = tls;
  const rootsPem = rootsOf(roots);
  if (rootsPem === '' && !skipsVerification) return 'the roots to verify the backend with cannot be had';
  try {
    const context = io.edgeTlsContext(
      {
        alpn,
        rootsPem,
        skipsVerification,
        checksRevocation: true,
        revocationsPem,
        ...(clientCertificate === undefined ? {} : { certificate: clientCertificate }),
      },
      'client',
    );
    made.set(tls, (made.get(tls) ?? new Map<string, TlsContext>()).set(key, context));
    return context;
  } catch (error) {
    return toAmbitError(error).message;
  }
}

function rootsOf(roots: BackendTls['roots']): string {
  switch (roots.kind) {
    case 'pem':
      return roots.pem;
    case 'system':
      systemRoots ??= getCACertificates('default').join('\n');
      return systemRoots;
    case 'none':
      return '';
  }
}

/** What a stranger's certificate holds must not end the process. */
function checkedIdentity(session: TlsSession, tls: BackendTls, serverName: string): string | undefined {
  try {
    return identityProblem(session, tls, serverName);
  } catch {
    return "the backend's certificate cannot be read";
  }
}

/** The chain is verified already. */
function identityProblem(session: TlsSession, { subjectAltNames }: BackendTls, serverName: string): string | undefined {
  const leaf = new X509Certificate(io.tlsPeerCertificate(session));
  const wanted = subjectAltNames.length > 0 ? subjectAltNames : [serverName];
  const uris = io.tlsPeerUriSans(session);
  for (const name of wanted) {
    if (name === '') continue;
    if (uris.includes(name)) return undefined;
    if (isIP(name) !== 0 ? leaf.checkIP(name) !== undefined : isNameOf(leaf, name)) return undefined;
  }
  return `the backend's certificate is not of ${wanted.join(' or ')}`;
}

/** By alternative names only: a subject's common name proves nothing any more. */
function isNameOf(leaf: X509Certificate, name: string): boolean {
  return /^[A-Za-z0-9_.-]+$/.test(name) && leaf.checkHost(name, { subject: 'never' }) !== undefined;
}
