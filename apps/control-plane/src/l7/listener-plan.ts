/** What the listeners of an ingress gateway are, and what is wrong with them. Pure. Spec: l7.md sections 1.1 and 1.2. */
import type { Gateway, GatewayListener } from '@ambit/kube';
import { gatewayGroup } from '@ambit/kube';
import { anyCipher, type CipherChoice, cipherChoice } from './cipher-suites.ts';
import { commonHost } from './host-names.ts';
import {
  isCertificate,
  type KeyPairPem,
  keyPairOf,
  type MaterialView,
  rootsOf,
  type TrustPem,
} from './key-material.ts';
import { type JudgedSet, type ListenerOwner, type OwnedListener, ownedListeners } from './listener-owner.ts';

/** How a listener can be wrong; reasons as the Gateway API names them. */
export interface ListenerProblem {
  readonly condition: 'Accepted' | 'ResolvedRefs' | 'Conflicted';
  readonly reason: string;
  readonly message: string;
}

/** How a listener terminates TLS. */
export interface ListenerCertificates extends TrustPem {
  readonly keyPairs: readonly KeyPairPem[];
  /** `required`, `optional` or not asked for. */
  readonly clients: 'none' | 'required' | 'optional';
}

export interface PlannedListener {
  readonly owner: ListenerOwner;
  readonly listener: GatewayListener;
  /** Kinds of routes that may attach. */
  readonly kinds: readonly string[];
  /** Undefined for listeners that do not terminate TLS. */
  readonly certificates: ListenerCertificates | undefined;
  readonly ciphers: CipherChoice;
  readonly problems: readonly ListenerProblem[];
  /** False: nothing is served here. */
  readonly isServed: boolean;
  /** Another listener that ends TLS on this port has host names in common: clients may keep a connection that is not for them. */
  readonly overlaps: boolean;
}

/** Listeners in order of precedence; of two that cannot stand side by side the first is served. */
export function planListeners(
  gateway: Gateway,
  sets: readonly JudgedSet[],
  view: MaterialView,
): readonly PlannedListener[] {
  const planned: PlannedListener[] = [];
  for (const owned of ownedListeners(gateway, sets)) {
    const conflict = conflictOf(owned.listener, planned);
    planned.push(planListener(gateway, owned, conflict, view));
  }
  return planned.map((one) => ({ ...one, overlaps: planned.some((other) => overlap(one, other)) }));
}

function overlap(one: PlannedListener, other: PlannedListener): boolean {
  const [a, b] = [one.listener, other.listener];
  return (
    one !== other &&
    [a, b].every(({ protocol }) => protocol === 'HTTPS') &&
    a.port === b.port &&
    [one, other].every(({ isServed }) => isServed) &&
    commonHost((a.hostname ?? '').toLowerCase(), (b.hostname ?? '').toLowerCase()) !== undefined
  );
}

function planListener(
  gateway: Gateway,
  { owner, listener }: OwnedListener,
  conflict: ListenerProblem | undefined,
  view: MaterialView,
): PlannedListener {
  const problems: ListenerProblem[] = conflict === undefined ? [] : [conflict];
  const ofProtocol = kindsOf(listener);
  if (ofProtocol === undefined) {
    const message = `protocol ${listener.protocol} is not supported; use HTTP, HTTPS, TLS or TCP, with a tls block where it belongs`;
    problems.push({ condition: 'Accepted', reason: 'UnsupportedProtocol', message });
    const none = { kinds: [], certificates: undefined, ciphers: anyCipher };
    return { owner, listener, ...none, problems, isServed: false, overlaps: false };
  }
  const kinds = allowedKinds(listener, ofProtocol, problems);
  const terminates =
    listener.protocol === 'HTTPS' || (listener.protocol === 'TLS' && listener.tls?.mode === 'Terminate');
  const certificates = terminates ? certificatesOf(gateway, { owner, listener }, view, problems) : undefined;
  const isServed = conflict === undefined && (!terminates || (certificates?.keyPairs.length ?? 0) > 0);
  const ciphers = terminates ? cipherChoice(listener.tls?.options[cipherOption]) : anyCipher;
  return { owner, listener, kinds, certificates, ciphers, problems, isServed, overlaps: false };
}

/** Undefined for a protocol, or a combination with a tls block, that is not served. */
function kindsOf({ protocol, tls }: GatewayListener): readonly string[] | undefined {
  switch (protocol) {
    case 'HTTP':
      return tls === undefined ? ['HTTPRoute', 'GRPCRoute'] : undefined;
    case 'HTTPS':
      return tls?.mode === 'Terminate' ? ['HTTPRoute', 'GRPCRoute'] : undefined;
    case 'TLS':
      if (tls?.mode === 'Passthrough') return ['TLSRoute'];
      return tls?.mode === 'Terminate' ? ['TLSRoute', 'TCPRoute'] : undefined;
    case 'TCP':
      return tls === undefined ? ['TCPRoute'] : undefined;
    default:
      return undefined;
  }
}

function allowedKinds(
  { allowedKinds: written }: GatewayListener,
  ofProtocol: readonly string[],
  problems: ListenerProblem[],
): readonly string[] {
  if (written.length === 0) return ofProtocol;
  const isKnown = ({ group, kind }: { readonly group: string; readonly kind: string }): boolean =>
    group === gatewayGroup && ofProtocol.includes(kind);
  const unknown = written.filter((kind) => !isKnown(kind));
  if (unknown.length > 0) {
    const message = `routes of kind ${unknown.map(({ kind }) => kind).join(', ')} cannot attach to this listener`;
    problems.push({ condition: 'ResolvedRefs', reason: 'InvalidRouteKinds', message });
  }
  return written.filter(isKnown).map(({ kind }) => kind);
}

const cipherOption = 'gateway.istio.io/tls-cipher-suites';
const terminateMode = 'gateway.istio.io/tls-terminate-mode';
const knownModes: ReadonlySet<string> = new Set(['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL']);

/** Of several references the good ones are used. */
function certificatesOf(
  gateway: Gateway,
  { owner, listener }: OwnedListener,
  view: MaterialView,
  problems: ListenerProblem[],
): ListenerCertificates {
  const references = listener.tls?.certificates ?? [];
  if (references.length === 0) {
    const message = 'certificateRefs names no Secret with a certificate';
    problems.push({ condition: 'ResolvedRefs', reason: 'InvalidCertificateRef', message });
  }
  const keyPairs = references.flatMap((reference) => {
    const found = keyPairOf(reference, owner, view);
    if (found.kind === 'found') return [found.value];
    problems.push({ condition: 'ResolvedRefs', ...found.problem });
    return [];
  });
  const mode = listener.tls?.options[terminateMode];
  if (mode !== undefined && !knownModes.has(mode)) {
    // Whoever wrote it may have meant that clients have to prove who they are.
    const message = `${terminateMode} ${mode} is not known here; use MUTUAL or OPTIONAL_MUTUAL, or leave it out`;
    problems.push({ condition: 'Accepted', reason: 'UnsupportedValue', message });
    return { keyPairs: [], clients: 'required', ...nobody };
  }
  if (mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL') {
    const trust = joinTrust(keyPairs);
    const clients = mode === 'MUTUAL' ? 'required' : 'optional';
    if (keyPairs.length === 0 || isCertificate(trust.rootsPem)) return { keyPairs, clients, ...trust };
    const message = `${terminateMode} is ${mode}, but there is no certificate under ca.crt beside the key nor in a Secret named like it and -cacert`;
    problems.push({ condition: 'ResolvedRefs', reason: 'InvalidCACertificateRef', message });
    return { keyPairs: [], clients, ...nobody };
  }
  const { common, perPort } = gateway.spec.clientValidation;
  const ofPort = perPort.find(({ port }) => port === listener.port);
  const validation = ofPort === undefined ? common : ofPort.validation;
  if (validation === undefined || listener.protocol !== 'HTTPS') return { keyPairs, clients: 'none', ...nobody };
  const roots = validation.roots.flatMap((reference) => {
    const found = rootsOf(reference, { kind: 'Gateway', namespace: gateway.metadata.namespace }, view);
    if (found.kind === 'found') return [found.value];
    problems.push({ condition: 'ResolvedRefs', ...found.problem });
    return [];
  });
  if (roots.length === 0) {
    const message = 'no roots for client certificates can be had';
    problems.push({ condition: 'Accepted', reason: 'NoValidCACertificate', message });
    return { keyPairs: [], clients: 'required', ...nobody };
  }
  const clients = validation.mode === 'AllowInsecureFallback' ? 'optional' : 'required';
  return { keyPairs, clients, ...joinTrust(roots) };
}

const nobody: TrustPem = { rootsPem: '', revocationsPem: '' };

function joinTrust(parts: readonly TrustPem[]): TrustPem {
  const joined = (texts: readonly string[]): string => texts.filter((text) => text !== '').join('\n');
  return {
    rootsPem: joined(parts.map(({ rootsPem }) => rootsPem)),
    revocationsPem: joined(parts.map(({ revocationsPem }) => revocationsPem)),
  };
}

/** Listeners share a port when they can be told apart by host name, and are of one family. */
function conflictOf(listener: GatewayListener, before: readonly PlannedListener[]): ListenerProblem | undefined {
  const samePort = before.filter(({ listener: other, isServed }) => other.port === listener.port && isServed);
  const [first] = samePort;
  if (first === undefined) return undefined;
  const refuse = (reason: string, other: GatewayListener): ListenerProblem => ({
    condition: 'Conflicted',
    reason,
    message: `listener ${other.name} has port ${listener.port} already`,
  });
  const family = familyOf(listener);
  const stranger = samePort.find(({ listener: other }) => familyOf(other) !== family);
  if (stranger !== undefined || family === 'TCP') return refuse('ProtocolConflict', (stranger ?? first).listener);
  const host = (listener.hostname ?? '').toLowerCase();
  const twin = samePort.find(({ listener: other }) => (other.hostname ?? '').toLowerCase() === host);
  return twin === undefined ? undefined : refuse('HostnameConflict', twin.listener);
}

function familyOf({ protocol }: GatewayListener): string {
  // All of them begin with a server name, which tells them apart.
  return protocol === 'HTTPS' ? 'TLS' : protocol;
}
