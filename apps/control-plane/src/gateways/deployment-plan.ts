/** From a Gateway to the objects that run it. Pure. Spec: control-plane.md section 4.5. */
import type { PlainObject } from '@ambit/kube';
import type { DeploymentSettings } from './deployment-settings.ts';
import type { GatewayObject } from './gateway-object.ts';
import type { OverlayKey, Overlays } from './gateway-overlays.ts';
import type { ManagedClass } from './managed-class.ts';
import { podTemplate } from './pod-template.ts';
import { strategicMerge } from './strategic-merge.ts';

/** An object to apply; without `apiVersion`, `kind`, name and namespace, which `key` and the plan say. */
export interface PlannedObject {
  readonly key: OverlayKey;
  readonly name: string;
  readonly object: PlainObject;
}

/** On every generated object, with the controller's name: such objects are ours to change. */
export const managedLabel = 'gateway.istio.io/managed';
const nameLabel = 'gateway.networking.k8s.io/gateway-name';
const classLabel = 'gateway.networking.k8s.io/gateway-class-name';
const networkLabel = 'topology.istio.io/network';

export interface DeploymentInput {
  readonly gateway: GatewayObject;
  readonly managed: ManagedClass;
  readonly settings: DeploymentSettings;
  /** In the order in which they are laid over: those of the class, then those of the Gateway. */
  readonly overlays: readonly Overlays[];
}

/** Name of Deployment and Service. */
export function deploymentName({ annotations, name, className }: GatewayObject, role: ManagedClass['role']): string {
  const override = annotations['gateway.istio.io/name-override'];
  return override ?? shortened(role === 'waypoint' ? name : `${name}-${className}`);
}

/** Objects in the order in which they are applied: what others refer to comes first. */
export function planDeployment(input: DeploymentInput): readonly PlannedObject[] {
  const { gateway, managed, settings } = input;
  const name = deploymentName(gateway, managed.role);
  const serviceAccount = gateway.annotations['gateway.istio.io/service-account'] ?? name;
  const own = {
    [nameLabel]: gateway.name,
    [classLabel]: gateway.className,
    [managedLabel]: managed.controllerName.replaceAll('/', '-'),
  };
  const copied = copiedMetadata(gateway);
  const network = networkLabels(gateway, managed, settings);
  const metadata = {
    labels: { ...copied.labels, ...network, ...own },
    annotations: copied.annotations,
    ownerReferences: [
      { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: gateway.name, uid: gateway.uid },
    ],
  };
  const selector = { [nameLabel]: gateway.name };
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name };
  const pod = { gateway: gateway.name, workload: name, serviceAccount, ...metadata };
  const rendered: readonly PlannedObject[] = [
    { key: 'serviceAccount', name: serviceAccount, object: { metadata } },
    {
      key: 'deployment',
      name,
      object: {
        metadata,
        spec: {
          selector: { matchLabels: selector },
          strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
          template: podTemplate(pod, managed.role, settings),
        },
      },
    },
    { key: 'service', name, object: { metadata: serviceMetadata(metadata), spec: serviceSpec(input, selector) } },
    { key: 'horizontalPodAutoscaler', name, object: { metadata, spec: { scaleTargetRef: target } } },
    { key: 'podDisruptionBudget', name, object: { metadata, spec: { selector: { matchLabels: selector } } } },
  ];
  return rendered.flatMap((planned) => overlaid(planned, input.overlays));
}

/** Autoscalers and disruption budgets exist only where somebody says what they should be. */
function overlaid(planned: PlannedObject, overlays: readonly Overlays[]): readonly PlannedObject[] {
  const own = overlays.flatMap((overlay): readonly PlainObject[] => {
    const object = overlay[planned.key];
    return object === undefined ? [] : [object];
  });
  const isOptional = planned.key === 'horizontalPodAutoscaler' || planned.key === 'podDisruptionBudget';
  if (isOptional && own.length === 0) return [];
  return [{ ...planned, object: own.reduce(strategicMerge, planned.object) }];
}

/** What `spec.infrastructure` says replaces what is copied from the Gateway itself. */
function copiedMetadata({ infrastructure, labels, annotations }: GatewayObject): {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
} {
  const isSaid =
    infrastructure !== undefined &&
    Object.keys(infrastructure.labels).length + Object.keys(infrastructure.annotations).length > 0;
  const from = isSaid ? infrastructure : { labels, annotations };
  return { labels: foreign(from.labels), annotations: foreign(from.annotations) };
}

/** Without what the controller says itself, and without kubectl's copy of the whole Gateway. */
function foreign(entries: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(entries).filter(
      ([key]) =>
        !key.startsWith('gateway.networking.k8s.io/') &&
        key !== managedLabel &&
        key !== 'kubectl.kubernetes.io/last-applied-configuration',
    ),
  );
}

function networkLabels(
  { labels }: GatewayObject,
  { role }: ManagedClass,
  { network }: DeploymentSettings,
): Readonly<Record<string, string>> {
  if (role === 'waypoint') return network === '' || networkLabel in labels ? {} : { [networkLabel]: network };
  return 'istio.io/dataplane-mode' in labels ? {} : { 'istio.io/dataplane-mode': 'none' };
}

function serviceMetadata<T extends { readonly annotations: Readonly<Record<string, string>> }>(metadata: T): T {
  const annotations = { 'networking.istio.io/traffic-distribution': 'PreferClose', ...metadata.annotations };
  return { ...metadata, annotations };
}

function serviceSpec({ gateway, managed }: DeploymentInput, selector: PlainObject): PlainObject {
  const usual = managed.role === 'waypoint' ? 'ClusterIP' : 'LoadBalancer';
  const seen = new Set<number>([15_021]);
  const names = new Set<string>(['status-port']);
  const listeners = gateway.listeners.flatMap(({ name, port, protocol }) => {
    if (seen.has(port)) return [];
    seen.add(port);
    const portName = isPortName(name) && !names.has(name) ? name : `port-${port}`;
    names.add(portName);
    return [{ name: portName, port, protocol: 'TCP', appProtocol: protocol.toLowerCase() }];
  });
  const type = gateway.annotations['networking.istio.io/service-type'] ?? usual;
  // A load balancer gives one address; that it is asked for by this field is Istio's and most providers' way.
  const wanted = gateway.wantedAddresses.find((address) => address.type === 'IPAddress' && address.value !== '');
  return {
    type,
    ...(type === 'LoadBalancer' && wanted !== undefined ? { loadBalancerIP: wanted.value } : {}),
    ipFamilyPolicy: 'PreferDualStack',
    selector,
    ports: [{ name: 'status-port', port: 15_021, protocol: 'TCP', appProtocol: 'tcp' }, ...listeners],
  };
}

/** Names of listeners may be longer than those of ports, and have dots. */
function isPortName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

/** Names of Services have at most 63 characters, those of Gateways 253. */
function shortened(name: string): string {
  const max = 63;
  if (name.length <= max) return name;
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) >>> 0;
  return `${name.slice(0, max - 9)}-${hash.toString(16).padStart(8, '0')}`;
}
