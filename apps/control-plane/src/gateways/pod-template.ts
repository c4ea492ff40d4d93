/** The pod of a gateway's proxy: no rights, a read-only root, its own token. Spec: control-plane.md section 4.5. */
import type { PlainObject } from '@ambit/kube';
import type { DeploymentSettings } from './deployment-settings.ts';
import type { ManagedClass } from './managed-class.ts';

/** What the pod is called by, and by whom. */
export interface PodFacts {
  readonly gateway: string;
  readonly workload: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const ports = { metrics: 15_020, status: 15_021 } as const;

export function podTemplate(facts: PodFacts, role: ManagedClass['role'], settings: DeploymentSettings): PlainObject {
  return {
    metadata: {
      labels: {
        ...facts.labels,
        'sidecar.istio.io/inject': 'false',
        'istio.io/dataplane-mode': 'none',
        'service.istio.io/canonical-name': facts.workload,
        'service.istio.io/canonical-revision': 'latest',
      },
      annotations: {
        ...facts.annotations,
        'prometheus.io/path': '/stats/prometheus',
        'prometheus.io/port': String(ports.metrics),
        'prometheus.io/scrape': 'true',
      },
    },
    spec: {
      serviceAccountName: facts.serviceAccount,
      // The variables of Services named ambit-... would look like misspelt settings.
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 30,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1337,
        runAsGroup: 1337,
        fsGroup: 1337,
        seccompProfile: { type: 'RuntimeDefault' },
        // A gateway listens where its users say, on 80 too, without being root.
        ...(role === 'gateway' ? { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] } : {}),
      },
      ...(settings.pullSecrets.length === 0
        ? {}
        : { imagePullSecrets: settings.pullSecrets.map((name) => ({ name })) }),
      containers: [container(facts, role, settings)],
      volumes: [
        { name: 'trust', configMap: { name: 'istio-ca-root-cert' } },
        {
          name: 'token',
          projected: {
            sources: [
              { serviceAccountToken: { audience: 'istio-ca', expirationSeconds: 43_200, path: 'istio-token' } },
            ],
          },
        },
        // Written by the CA into every namespace; without one nobody is revoked.
        { name: 'crl', configMap: { name: 'istio-ca-crl', optional: true } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  };
}

function container(facts: PodFacts, role: ManagedClass['role'], settings: DeploymentSettings): PlainObject {
  const probe = { httpGet: { path: '/healthz/ready', port: ports.status } };
  return {
    name: 'istio-proxy',
    image: settings.image,
    imagePullPolicy: settings.pullPolicy,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 1337,
      runAsGroup: 1337,
      capabilities: { drop: ['ALL'] },
    },
    ports: [
      { name: 'metrics', containerPort: ports.metrics, protocol: 'TCP' },
      { name: 'status-port', containerPort: ports.status, protocol: 'TCP' },
    ],
    startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 30 },
    readinessProbe: { ...probe, periodSeconds: 15, failureThreshold: 4 },
    env: [
      { name: 'AMBIT_GATEWAY', value: facts.gateway },
      { name: 'AMBIT_PROXY_ROLE', value: role },
      { name: 'XDS_ADDRESS', value: settings.xdsAddress },
      { name: 'CA_ADDRESS', value: settings.caAddress },
      { name: 'AUTH_TOKEN', value: '/var/run/secrets/tokens/istio-token' },
      { name: 'ISTIO_META_CLUSTER_ID', value: settings.clusterId },
      { name: 'ISTIO_META_ISTIO_VERSION', value: tagOf(settings.image) },
      { name: 'CLUSTER_DOMAIN', value: settings.clusterDomain },
      { name: 'TRUST_DOMAIN', value: settings.trustDomain },
      { name: 'NETWORK', value: settings.network },
      { name: 'CRL_PATH', value: '/var/run/secrets/crl/ca-crl.pem' },
      { name: 'RUST_LOG', value: settings.logLevel },
      fieldVariable('NODE_NAME', 'spec.nodeName'),
      fieldVariable('POD_NAME', 'metadata.name'),
      fieldVariable('POD_NAMESPACE', 'metadata.namespace'),
      fieldVariable('INSTANCE_IP', 'status.podIP'),
      fieldVariable('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    ],
    resources: settings.resources,
    volumeMounts: [
      { name: 'trust', mountPath: '/var/run/secrets/istio', readOnly: true },
      { name: 'token', mountPath: '/var/run/secrets/tokens', readOnly: true },
      { name: 'crl', mountPath: '/var/run/secrets/crl', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function fieldVariable(name: string, fieldPath: string): PlainObject {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** What the proxy shows as its version; an image that is named by digest alone has none. */
function tagOf(image: string): string {
  const [named = ''] = image.split('@');
  return /:([^:/]+)$/.exec(named)?.[1] ?? 'unknown';
}
