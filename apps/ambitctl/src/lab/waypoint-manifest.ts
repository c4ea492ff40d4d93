/**
 * What a Gateway of a waypoint's class becomes in a lab: an account, a pod that is one process, and a Service. As a cluster's
 * control plane deploys it, with a pod in the place of a Deployment. Pure.
 */
import { join } from 'node:path';
import type { Gateway } from '@ambit/kube';
import { memoryEnvironment, nodeOptions } from '@ambit/runtime';
import { FABRIC_ADDRESS } from './address-plan.ts';
import type { LabPaths } from './lab-names.ts';
import { PORTS } from './process-plan.ts';

/** Classes whose Gateways a lab runs. */
const waypointClasses: ReadonlySet<string> = new Set(['ambit-waypoint', 'istio-waypoint']);
const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';

/** Whether a lab runs a process for this Gateway. */
export function isLabWaypoint({ spec }: Pick<Gateway, 'spec'>): boolean {
  return waypointClasses.has(spec.gatewayClassName);
}

/** Name of the only pod of a waypoint. */
export function waypointPod(gateway: string): string {
  return `${gateway}-waypoint`;
}

/** Objects to be written as YAML. `entry` is the file that Node runs. */
export function waypointObjects(
  { metadata: { namespace, name } }: Pick<Gateway, 'metadata'>,
  paths: LabPaths,
  entry: string,
): readonly Readonly<Record<string, unknown>>[] {
  const labels = {
    [gatewayNameLabel]: name,
    'gateway.istio.io/managed': 'ambit.dev-mesh-controller',
    'istio.io/dataplane-mode': 'none',
  };
  const pod = waypointPod(name);
  const root = join(paths.caDirectory, 'root-cert.pem');
  const environment: Readonly<Record<string, string>> = {
    ...memoryEnvironment,
    AMBIT_GATEWAY: name,
    POD_NAME: pod,
    POD_NAMESPACE: namespace,
    SERVICE_ACCOUNT: name,
    // Known when the pod is placed; the lab's kubelet puts them in.
    NODE_NAME: '$(NODE_NAME)',
    INSTANCE_IP: '$(POD_IP)',
    XDS_ADDRESS: `https://${FABRIC_ADDRESS.v4}:${PORTS.controlPlaneXds}`,
    CA_ADDRESS: `https://${FABRIC_ADDRESS.v4}:${PORTS.ca}`,
    XDS_ROOT_CA: root,
    CA_ROOT_CA: root,
    CRL_PATH: join(paths.caDirectory, 'ca-crl.pem'),
    AUTH_TOKEN: paths.token(`pod.${namespace}.${pod}`),
  };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: pod, labels },
      spec: {
        serviceAccountName: name,
        containers: [
          {
            name: 'istio-proxy',
            image: 'waypoint',
            command: ['$(NODE)', ...nodeOptions.waypoint, entry],
            env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
            ports: [{ name: 'status-port', containerPort: 15_021 }],
            readinessProbe: { httpGet: { path: '/healthz/ready', port: 15_021 }, periodSeconds: 1 },
          },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name, labels },
      spec: {
        selector: { [gatewayNameLabel]: name },
        ports: [
          { name: 'status-port', port: 15_021, appProtocol: 'tcp' },
          { name: 'mesh', port: 15_008, appProtocol: 'hbone' },
        ],
      },
    },
  ];
}
