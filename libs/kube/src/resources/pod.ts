import { isIpLiteral } from '../ip-literal.ts';
import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** A port a container declares. Only its name and number matter: it is what a named targetPort refers to. */
export interface ContainerPort {
  readonly name: string | undefined;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

/** The part of a container that has a meaning in the mesh. */
export interface Container {
  readonly name: string;
  /** Only set on init containers that go on running (sidecars of Kubernetes). */
  readonly restartPolicy: string | undefined;
  readonly ports: readonly ContainerPort[];
}

export const podPhases = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const;
export type PodPhase = (typeof podPhases)[number];

/** A pod, its manifest and its status merged. */
export interface Pod extends ResourceBase<'Pod'> {
  readonly spec: {
    readonly nodeName: string;
    /** `default` when the manifest has none, as the API server fills in. */
    readonly serviceAccountName: string;
    readonly hostNetwork: boolean;
    readonly containers: readonly Container[];
    readonly initContainers: readonly Container[];
  };
  readonly status: {
    readonly phase: PodPhase;
    /** Canonical text, first is the primary one. */
    readonly podIPs: readonly string[];
    /** Condition `Ready` is `True`. */
    readonly isReady: boolean;
  };
}

// Kubernetes 1.36, core/v1 PodSpec, Container and PodStatus: fields without a meaning for the mesh.
const otherSpecFields =
  `activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks
  ephemeralContainers hostAliases hostIPC hostPID hostUsers hostname hostnameOverride imagePullSecrets nodeSelector os overhead
  preemptionPolicy priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName
  schedulerName schedulingGates securityContext serviceAccount setHostnameAsFQDN shareProcessNamespace subdomain
  terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes workloadRef`.split(/\s+/);
const otherContainerFields =
  `args command env envFrom image imagePullPolicy lifecycle livenessProbe readinessProbe resizePolicy
  resources restartPolicyRules securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy
  tty volumeDevices volumeMounts workingDir`.split(/\s+/);
const otherStatusFields = `containerStatuses ephemeralContainerStatuses extendedResourceClaimStatus hostIP hostIPs
  initContainerStatuses message nominatedNodeName observedGeneration qosClass reason resize resourceClaimStatuses startTime
  allocatedResources resources`.split(/\s+/);

export function readPod(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Pod {
  const spec = reader.requiredObject('spec', readSpec);
  const status = reader.object('status', readStatus);
  return {
    kind: 'Pod',
    metadata,
    origin,
    spec: spec ?? { nodeName: '', serviceAccountName: '', hostNetwork: false, containers: [], initContainers: [] },
    status: status ?? { phase: 'Pending', podIPs: [], isReady: false },
  };
}

function readSpec(reader: ObjectReader): Pod['spec'] {
  reader.ignore(...otherSpecFields);
  return {
    nodeName: reader.string('nodeName') ?? '',
    serviceAccountName: reader.string('serviceAccountName') ?? 'default',
    hostNetwork: reader.boolean('hostNetwork') ?? false,
    containers: reader.objects('containers', readContainer),
    initContainers: reader.objects('initContainers', readContainer),
  };
}

function readContainer(reader: ObjectReader): Container {
  reader.ignore(...otherContainerFields);
  return {
    name: reader.requiredString('name'),
    restartPolicy: reader.string('restartPolicy'),
    ports: reader.objects('ports', (port) => {
      port.ignore('hostIP', 'hostPort');
      return {
        name: port.string('name'),
        containerPort: port.requiredPort('containerPort'),
        protocol: port.choice('protocol', ['TCP', 'UDP', 'SCTP']) ?? 'TCP',
      };
    }),
  };
}

function readStatus(reader: ObjectReader): Pod['status'] {
  reader.ignore(...otherStatusFields);
  const single = reader.string('podIP');
  const many = reader.objects('podIPs', (entry) => entry.requiredString('ip'));
  const podIPs = many.length > 0 ? many : single === undefined || single === '' ? [] : [single];
  for (const ip of podIPs) {
    if (!isIpLiteral(ip))
      reader.error(many.length > 0 ? 'podIPs' : 'podIP', `holds "${ip}", which is not an IP address`);
  }
  const conditions = reader.objects('conditions', (condition) => {
    condition.ignore('lastProbeTime', 'lastTransitionTime', 'message', 'reason', 'observedGeneration');
    return { type: condition.requiredString('type'), status: condition.requiredString('status') };
  });
  return {
    phase: reader.choice('phase', podPhases) ?? 'Pending',
    podIPs,
    isReady: conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  };
}
