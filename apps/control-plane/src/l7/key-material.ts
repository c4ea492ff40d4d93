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

/** PEM of a certificate chain and its key. */
export interface KeyPairPem {
  readonly chainPem: string;
  readonly keyPem: string;
  /** Roots that stand beside the key; empty when there are none. */
  readonly rootsPem: string;
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
  if (secret === undefined)
    return missing('InvalidCertificateRef', `there is no Secret ${key} of type kubernetes.io/tls`);
  const { certificateChainPem: chainPem = '', privateKeyPem: keyPem = '', rootsPem = '' } = secret;
  return isKeyPair(chainPem, keyPem)
    ? { kind: 'found', value: { chainPem, keyPem, rootsPem } }
    : missing('InvalidCertificateRef', `Secret ${key} holds no certificate with its key under tls.crt and tls.key`);
}

/** Trust roots of a reference. */
export function rootsOf(
  reference: ObjectReference,
  from: { readonly kind: string; readonly namespace: string },
  view: MaterialView,
): Material<string> {
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
  const rootsPem = kind === 'ConfigMap' ? view.configMap(key)?.rootsPem : view.secret(key)?.rootsPem;
  return rootsPem !== undefined && isCertificate(rootsPem)
    ? { kind: 'found', value: rootsPem }
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
