/** The objects of the benchmark's cluster, as an API server shows them. Pure. */
import type { PlainObject } from '@ambit/kube';

export interface MeshSize {
  /** All pods, the node proxies among them. */
  readonly pods: number;
  readonly services: number;
  readonly policies: number;
  /** Each has one node proxy. */
  readonly nodes: number;
}

const NAMESPACES = 50;
export const SYSTEM_NAMESPACE = 'istio-system';

/** Namespaces of the objects, the system's first. */
export function namespaceNames(): readonly string[] {
  return [SYSTEM_NAMESPACE, ...Array.from({ length: NAMESPACES }, (_, i) => `team-${i}`)];
}

export function namespaceObject(name: string): PlainObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'kubernetes.io/metadata.name': name, 'istio.io/dataplane-mode': 'ambient' } },
  };
}

export function nodeName(index: number): string {
  return `node-${index}`;
}

export function nodeObject(index: number): PlainObject {
  const labels = {
    'topology.kubernetes.io/region': 'region-1',
    'topology.kubernetes.io/zone': `zone-${index % 3}`,
    'kubernetes.io/hostname': nodeName(index),
  };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName(index), labels } };
}

export function proxyName(node: number): string {
  return `ztunnel-${node}`;
}

/** What exists of a pod before a kubelet has seen it, and what the kubelet says of it. */
export interface PodParts {
  readonly object: PlainObject;
  readonly status: PlainObject;
}

/** Application pod `index`; `mark` is a label that becomes part of its Workload. */
export function podParts(size: MeshSize, index: number, mark: string): PodParts {
  const service = index % size.services;
  const app = `app-${service}`;
  const address = `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  const labels = { app, 'pod-template-hash': '6d8f9c7b5', version: mark };
  return pod(
    {
      name: podName(index),
      namespace: serviceNamespace(service),
      labels,
      owner: `${app}-6d8f9c7b5`,
      node: nodeName(index % size.nodes),
      account: app,
    },
    address,
  );
}

export function podName(index: number): string {
  return `app-pod-6d8f9c7b5-${index}`;
}

export function podNamespace(size: MeshSize, index: number): string {
  return serviceNamespace(index % size.services);
}

/** The node proxy of a node. */
export function proxyParts(node: number): PodParts {
  const address = `10.127.${node >> 8}.${node & 255}`;
  const identity = { name: proxyName(node), namespace: SYSTEM_NAMESPACE, labels: { app: 'ztunnel' } };
  return pod({ ...identity, owner: 'ztunnel', node: nodeName(node), account: 'ztunnel' }, address);
}

export function serviceObject(index: number): PlainObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `app-${index}`, namespace: serviceNamespace(index), labels: { app: `app-${index}` } },
    spec: {
      clusterIP: serviceAddress(index),
      clusterIPs: [serviceAddress(index)],
      selector: { app: `app-${index}` },
      ports: [
        { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' },
        { name: 'grpc', port: 9090, targetPort: 9090, protocol: 'TCP' },
      ],
    },
  };
}

/** In the default service range of the lab's API server. */
function serviceAddress(index: number): string {
  return `10.96.${16 + (index >> 8)}.${index & 255}`;
}

export function policyObject(size: MeshSize, index: number): PlainObject {
  const service = index % size.services;
  const namespace = serviceNamespace(service);
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `allow-${index}`, namespace },
    spec: {
      selector: { matchLabels: { app: `app-${service}` } },
      action: 'ALLOW',
      rules: [
        {
          from: [{ source: { principals: [`cluster.local/ns/${namespace}/sa/app-${service}`] } }],
          to: [{ operation: { ports: ['8080', '9090'] } }],
        },
      ],
    },
  };
}

export function serviceNamespace(service: number): string {
  return `team-${service % NAMESPACES}`;
}

interface PodIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** ReplicaSet or DaemonSet. */
  readonly owner: string;
  readonly node: string;
  readonly account: string;
}

function pod({ name, namespace, labels, owner, node, account }: PodIdentity, address: string): PodParts {
  const image = `registry.example/${owner}:1.0`;
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 };
  return {
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        generateName: `${owner}-`,
        labels,
        annotations: { 'ambient.istio.io/redirection': 'enabled', 'example.com/config-hash': 'd41d8cd98f00b204e980' },
      },
      spec: {
        nodeName: node,
        serviceAccountName: account,
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'main',
            image,
            ports: [
              { name: 'http', containerPort: 8080 },
              { name: 'grpc', containerPort: 9090 },
            ],
            env: [{ name: 'LOG_LEVEL', value: 'info' }],
            resources: { requests: { cpu: '100m', memory: '128Mi' } },
            readinessProbe: probe,
          },
        ],
      },
    },
    status: {
      phase: 'Running',
      hostIP: '192.168.0.1',
      podIP: address,
      podIPs: [{ ip: address }],
      qosClass: 'Burstable',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True' })),
      containerStatuses: [{ name: 'main', image, imageID: '', ready: true, restartCount: 0, state: { running: {} } }],
    },
  };
}
