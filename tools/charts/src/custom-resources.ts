/** The kinds of Istio that an ambient mesh understands, and Ambit's own, as CustomResourceDefinitions. */
import { stringify } from 'yaml';
import { status } from './attachment-schemas.ts';
import { serviceEntry, workloadEntry, workloadGroup } from './entry-schemas.ts';
import { rateLimitPolicy } from './rate-limit-schema.ts';
import { destinationRule, virtualService } from './routing-schemas.ts';
import type { Schema } from './schema.ts';
import { authorizationPolicy, peerAuthentication, requestAuthentication } from './security-schemas.ts';
import { telemetry } from './telemetry-schema.ts';

interface Column {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
}

interface CustomKind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortName?: string;
  /** Served versions; the first is the one that is stored. Istio serves the same, so stored objects stay readable. */
  readonly versions: readonly string[];
  readonly spec: Schema;
  readonly isSpecRequired?: boolean;
  readonly columns: readonly Column[];
}

const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

function column(name: string, field: string): Column {
  return { name, type: 'string', jsonPath: `.spec.${field}` };
}

const SECURITY = { group: 'security.istio.io', versions: ['v1', 'v1beta1'] };
const NETWORKING = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'] };

const KINDS: readonly CustomKind[] = [
  {
    ...SECURITY,
    kind: 'AuthorizationPolicy',
    plural: 'authorizationpolicies',
    shortName: 'ap',
    spec: authorizationPolicy,
    columns: [column('Action', 'action'), AGE],
  },
  {
    ...SECURITY,
    kind: 'PeerAuthentication',
    plural: 'peerauthentications',
    shortName: 'pa',
    spec: peerAuthentication,
    columns: [column('Mode', 'mtls.mode'), AGE],
  },
  {
    ...SECURITY,
    kind: 'RequestAuthentication',
    plural: 'requestauthentications',
    shortName: 'ra',
    spec: requestAuthentication,
    columns: [AGE],
  },
  {
    ...NETWORKING,
    kind: 'ServiceEntry',
    plural: 'serviceentries',
    shortName: 'se',
    spec: serviceEntry,
    isSpecRequired: true,
    columns: [column('Hosts', 'hosts'), column('Location', 'location'), column('Resolution', 'resolution'), AGE],
  },
  {
    ...NETWORKING,
    kind: 'WorkloadEntry',
    plural: 'workloadentries',
    shortName: 'we',
    spec: workloadEntry,
    isSpecRequired: true,
    columns: [AGE, column('Address', 'address')],
  },
  {
    ...NETWORKING,
    kind: 'WorkloadGroup',
    plural: 'workloadgroups',
    shortName: 'wg',
    spec: workloadGroup,
    isSpecRequired: true,
    columns: [AGE],
  },
  {
    ...NETWORKING,
    kind: 'VirtualService',
    plural: 'virtualservices',
    shortName: 'vs',
    spec: virtualService,
    columns: [column('Gateways', 'gateways'), column('Hosts', 'hosts'), AGE],
  },
  {
    ...NETWORKING,
    kind: 'DestinationRule',
    plural: 'destinationrules',
    shortName: 'dr',
    spec: destinationRule,
    columns: [column('Host', 'host'), AGE],
  },
  {
    group: 'telemetry.istio.io',
    versions: ['v1alpha1', 'v1'],
    kind: 'Telemetry',
    plural: 'telemetries',
    shortName: 'telemetry',
    spec: telemetry,
    columns: [AGE],
  },
  {
    group: 'ambit.dev',
    versions: ['v1alpha1'],
    kind: 'RateLimitPolicy',
    plural: 'ratelimitpolicies',
    spec: rateLimitPolicy,
    isSpecRequired: true,
    columns: [AGE],
  },
];

/** File name to text, for `charts/ambit-crds/definitions`. They can be applied by kubectl as they are. */
export function definitionFiles(): ReadonlyMap<string, string> {
  return new Map(
    KINDS.map((kind) => {
      const header = '# Made by tools/charts; change tools/charts/src/*-schema*.ts.\n';
      return [`${kind.plural}.yaml`, header + stringify(definition(kind), { lineWidth: 0 })];
    }),
  );
}

function definition(kind: CustomKind): object {
  // One alias for all versions; within it each part is written out, as readers bound how often an alias may be used.
  const openAPIV3Schema: unknown = JSON.parse(
    JSON.stringify({
      type: 'object',
      properties: { spec: kind.spec, status },
      ...(kind.isSpecRequired === true ? { required: ['spec'] } : {}),
    }),
  );
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${kind.group}` },
    spec: {
      group: kind.group,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        categories: [...(kind.group.endsWith('istio.io') ? ['istio-io'] : []), kind.group.replaceAll('.', '-')],
        ...(kind.shortName === undefined ? {} : { shortNames: [kind.shortName] }),
      },
      versions: kind.versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        additionalPrinterColumns: kind.columns,
        subresources: { status: {} },
        schema: { openAPIV3Schema },
      })),
    },
  };
}
