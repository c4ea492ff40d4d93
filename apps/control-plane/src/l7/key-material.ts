/** Certificates, keys and roots that listeners refer to. Spec: l7.md section 1.1, TLS. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ConfigMap, ObjectReference, Secret } from '@ambit/kube';

/** Why material cannot be had. Nothing in it tells what exists in a namespace that nobody may refer to. */
export interface MaterialProblem {
  readonly reason: 'RefNotPermitted' | 'InvalidCertificateRef' | 'InvalidCACertificateRef' | 'InvalidCACertificateKind';
  readonly message: string;
}

export type Material<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'missing'; readonly problem: MaterialProblem };

/** Whom to trust. */
export interface TrustPem {
  /** Empty when there are none. */
  readonly rootsPem: string;
  /** Revocation lists that stand beside the roots; empty when there are none. */
  readonly revocationsPem: string;
}

/** PEM of a certificate chain and its key, with the trust that stands beside them. */
export interface KeyPairPem extends TrustPem {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** Where material is looked up. */
export interface MaterialView {
  secret(key: string): Secret | undefined;
  configMap(key: string): ConfigMap | undefined;
  /** True when objects of this kind and namespace may refer to the object. */
  isGranted(
    from: { readonly kind: string; readonly namespace: string },
    to: ObjectReference & { readonly namespace: string },
  ): boolean;
}

/** The key pair of a reference. A missing grant is told before anything else. */
export function keyPairOf(
  reference: ObjectReference,
  from: { readonly kind: string; readonly namespace: string },
  view: MaterialView,
): Material<KeyPairPem> {
  const { group, kind, name } = reference;
  const namespace = reference.namespace ?? from.namespace;
  const key = `${namespace}/${name}`;
  if ((group !== '' && group !== 'core') || kind !== 'Secret') {
    return missing('InvalidCertificateRef', `a certificate cannot be of kind ${kind}; use Secret`);
  }
  if (namespace !== from.namespace && !view.isGranted(from, { ...reference, namespace })) {
    const message = `Secret ${key} may not be referred to from namespace ${from.namespace}; a ReferenceGrant there would allow it`;
    return missing('RefNotPermitted', message);
  }
  const secret = view.secret(key);
  if (secret === undefined) return missing('InvalidCertificateRef', `there is no Secret ${key} for certificates`);
  const { certificateChainPem: chainPem = '', privateKeyPem: keyPem = '' } = secret;
  const apart = { ...reference, name: `${name}-cacert`, namespace };
  const mayReadApart = namespace === from.namespace || view.isGranted(from, apart);
  const trust = trustOf(secret, mayReadApart ? view.secret(`${key}-cacert`) : undefined);
  return isKeyPair(chainPem, keyPem)
    ? { kind: 'found', value: { chainPem, keyPem, ...trust } }
    : missing('InvalidCertificateRef', `Secret ${key} holds no certificate with its key under tls.crt and tls.key`);
}

/** Roots beside the key, or as Istio has it in a Secret of their own, with the lists of the same Secret. */
export function trustOf(
  beside: Pick<Secret, 'rootsPem' | 'revocationsPem'> | undefined,
  apart: Pick<Secret, 'rootsPem' | 'revocationsPem'> | undefined,
): TrustPem {
  const { rootsPem = '', revocationsPem = '' } = (beside?.rootsPem === undefined ? apart : beside) ?? {};
  return { rootsPem, revocationsPem };
}

/** Trust roots of a reference. */
export function rootsOf(
  reference: ObjectReference,
  from: { readonly kind: string; readonly namespace: string },
  view: MaterialView,
): Material<TrustPem> {
  const { group, kind, name } = reference;
  const namespace = reference.namespace ?? from.namespace;
  const key = `${namespace}/${name}`;
  if ((group !== '' && group !== 'core') || (kind !== 'ConfigMap' && kind !== 'Secret')) {
    return missing('InvalidCACertificateKind', `roots cannot be of kind ${kind}; use ConfigMap`);
  }
  if (namespace !== from.namespace && !view.isGranted(from, { ...reference, namespace })) {
    const message = `${kind} ${key} may not be referred to from namespace ${from.namespace}; a ReferenceGrant there would allow it`;
    return missing('RefNotPermitted', message);
  }
  const trust = trustOf(kind === 'ConfigMap' ? view.configMap(key) : view.secret(key), undefined);
  return isCertificate(trust.rootsPem)
    ? { kind: 'found', value: trust }
    : missing('InvalidCACertificateRef', `${kind} ${key} holds no certificate under ca.crt`);
}

function missing(reason: MaterialProblem['reason'], message: string): Extract<Material<never>, { kind: 'missing' }> {
  return { kind: 'missing', problem: { reason, message } };
}

/** True for a certificate with its own key. */
export function isKeyPair(chainPem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/** True for PEM that begins with a certificate. */
export function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
