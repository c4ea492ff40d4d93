import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readPolicyStatus, type RouteParentStatus } from './parent-ref.ts';

/** TLS between a gateway or waypoint and backends. */
export interface BackendTLSPolicy extends ResourceBase<'BackendTLSPolicy'> {
  readonly spec: {
    readonly targets: readonly {
      readonly group: string;
      readonly kind: string;
      readonly name: string;
      /** Name of a port. */
      readonly sectionName: string | undefined;
    }[];
    readonly caCertificates: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
    /** `System`, or something not known here. */
    readonly wellKnownCaCertificates: string | undefined;
    readonly hostname: string;
    readonly subjectAltNames: readonly { readonly type: string; readonly value: string }[];
  };
  readonly status: { readonly parents: readonly RouteParentStatus[] };
}

export function readBackendTLSPolicy(reader: ObjectReader, metadata: ObjectMeta, origin: Location): BackendTLSPolicy {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('options');
    const validation = body.requiredObject('validation', (rules) => ({
      caCertificates: rules.objects('caCertificateRefs', (ref) => ({
        group: ref.string('group') ?? '',
        kind: ref.requiredString('kind'),
        name: ref.requiredString('name'),
      })),
      wellKnownCaCertificates: rules.string('wellKnownCACertificates'),
      hostname: rules.requiredString('hostname'),
      subjectAltNames: rules.objects('subjectAltNames', (name) => ({
        type: name.requiredString('type'),
        value: name.string('hostname') ?? name.string('uri') ?? '',
      })),
    }));
    return { targets: body.objects('targetRefs', readTarget), ...(validation ?? emptyValidation) };
  });
  return {
    kind: 'BackendTLSPolicy',
    metadata,
    origin,
    spec: spec ?? { targets: [], ...emptyValidation },
    status: { parents: readPolicyStatus(reader) },
  };
}

const emptyValidation = {
  caCertificates: [],
  wellKnownCaCertificates: undefined,
  hostname: '',
  subjectAltNames: [],
} as const;

function readTarget(reader: ObjectReader): BackendTLSPolicy['spec']['targets'][number] {
  return {
    group: reader.string('group') ?? '',
    kind: reader.requiredString('kind'),
    name: reader.requiredString('name'),
    sectionName: reader.string('sectionName'),
  };
}
