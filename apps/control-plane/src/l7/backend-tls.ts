/** BackendTLSPolicy: TLS between a proxy and the endpoints of a service. Spec: l7.md section 1.8. */
import { traffic } from '@ambit/api';
import type { Index } from '@ambit/collections';
import { type BackendTLSPolicy, isOfItsGroup } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { compareAge } from '../derive/age-order.ts';
import type { KeyPairPem } from './key-material.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';

/** Finds the policy that holds for a port. */
export class BackendTlsFinder {
  readonly #byTarget: Index<BackendTLSPolicy>;
  readonly #objects: MeshObjects;

  constructor(objects: MeshObjects) {
    this.#objects = objects;
    this.#byTarget = objects.BackendTLSPolicy.index('by-target', ({ spec, metadata }) => [
      ...new Set(spec.targets.filter(isOfItsGroup).map(({ kind, name }) => `${kind}/${metadata.namespace}/${name}`)),
    ]);
  }

  /**
   * A policy for the port's name counts before one for all ports; of several the oldest. `own` is what the backend is shown.
   */
  tlsOf(
    reads: MeshReads,
    service: { readonly source: string; readonly namespace: string; readonly name: string },
    port: string | undefined,
    own: KeyPairPem | undefined,
  ): traffic.BackendTls | undefined {
    const { source, namespace, name } = service;
    const found = reads
      .lookup(this.#byTarget, `${source}/${namespace}/${name}`)
      .filter(({ metadata }) => metadata.annotations['istio.io/ignore-policy-attachment'] !== 'true')
      .toSorted((a, b) => compareAge(a.metadata, b.metadata));
    const names = (policy: BackendTLSPolicy, section: string | undefined): boolean =>
      policy.spec.targets.some(
        (target) =>
          target.kind === source && target.name === name && target.sectionName === section && isOfItsGroup(target),
      );
    const ofPort = port === undefined ? undefined : found.find((policy) => names(policy, port));
    const policy = ofPort ?? found.find((candidate) => names(candidate, undefined));
    return policy === undefined ? undefined : backendTls(policy, this.#roots(reads, policy), own);
  }

  /** PEM of the roots that can be had; only those of the own namespace can be named. */
  #roots(reads: MeshReads, { spec, metadata }: BackendTLSPolicy): string {
    const found = spec.caCertificates.flatMap(({ group, kind, name }) => {
      const isConfigMap = (group === '' || group === 'core') && kind === 'ConfigMap';
      const pem = isConfigMap
        ? reads.get(this.#objects.ConfigMap, `${metadata.namespace}/${name}`)?.rootsPem
        : undefined;
      return pem === undefined ? [] : [pem];
    });
    return found.join('\n');
  }
}

/** Roots that cannot be had leave nothing to trust: connections fail rather than go in the clear. */
function backendTls({ spec }: BackendTLSPolicy, rootsPem: string, own: KeyPairPem | undefined): traffic.BackendTls {
  const bytes = (pem: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(pem, 'utf8'));
  return create(traffic.BackendTlsSchema, {
    serverName: spec.hostname,
    subjectAltNames: spec.subjectAltNames.map(({ value }) => value),
    rootsPem: bytes(rootsPem),
    useSystemRoots: spec.wellKnownCaCertificates === 'System' && spec.caCertificates.length === 0,
    ...(own === undefined
      ? {}
      : { clientCertificateChainPem: bytes(own.chainPem), clientPrivateKeyPem: bytes(own.keyPem) }),
  });
}
