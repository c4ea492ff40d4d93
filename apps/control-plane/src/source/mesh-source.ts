/** The one place that knows which sources there are. */
import {
  type ApiLog,
  ApiServerSource,
  clusterAccess,
  FolderSource,
  KubeClient,
  resourceKinds,
  type ResourceSource,
} from '@ambit/kube';
import { AmbitError, type Clock } from '@ambit/runtime';
import type { ControlPlaneConfig } from '../config.ts';

/** Kubernetes behind the mesh. */
export interface KubernetesSource extends AsyncDisposable {
  readonly kind: 'kubernetes';
  readonly source: ApiServerSource;
  readonly client: KubeClient;
  /** Resolves when every kind was listed once. */
  start(options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Folders behind the mesh; they are read when this exists. */
export interface FolderMeshSource extends AsyncDisposable {
  readonly kind: 'folder';
  readonly source: ResourceSource;
}

export type MeshSource = KubernetesSource | FolderMeshSource;

/** Opens the source that the settings name. Rejects with `NO_SOURCE`, or KubeError `ACCESS`. */
export async function openMeshSource(config: SourceSettings, log: ApiLog, clock: Clock): Promise<MeshSource> {
  if (sourceKind(config) === 'kubernetes') return openKubernetes(config, log, clock);
  const { manifestDirs, statusDirs, debounceMs } = config;
  if (manifestDirs.length === 0) {
    throw new AmbitError('NO_SOURCE', 'set AMBIT_SOURCE=kubernetes, or AMBIT_MANIFEST_DIRS to the folders to read');
  }
  const source = new FolderSource({ manifestDirs, statusDirs, debounceMs, clock });
  return { kind: 'folder', source, [Symbol.asyncDispose]: async () => source[Symbol.dispose]() };
}

function sourceKind({ source, manifestDirs, kubeconfig, apiServerHost }: SourceSettings): 'kubernetes' | 'folder' {
  if (source !== 'auto') return source;
  return manifestDirs.length === 0 && (kubeconfig ?? apiServerHost) !== undefined ? 'kubernetes' : 'folder';
}

/** Nothing is derived from service accounts, so nobody has to be allowed to read them. */
const openKinds = resourceKinds.filter(
  (kind) => kind !== 'ServiceAccount' && kind !== 'Secret' && kind !== 'ConfigMap',
);

/** Types of Secrets in which no certificates are kept. Others may be theirs: `kubectl create secret generic` makes Opaque ones. */
const otherSecrets: readonly string[] = [
  'kubernetes.io/service-account-token',
  'kubernetes.io/dockercfg',
  'kubernetes.io/dockerconfigjson',
  'kubernetes.io/basic-auth',
  'kubernetes.io/ssh-auth',
  'bootstrap.kubernetes.io/token',
  'helm.sh/release.v1',
];

/** Certificates of gateways, and roots; only where they are wanted may they be read at all. */
const certificateKinds = [
  { kind: 'Secret', fieldSelector: otherSecrets.map((type) => `type!=${type}`).join(',') },
  'ConfigMap',
] as const;

/** The settings that say where resources come from. */
export type SourceSettings = Pick<
  ControlPlaneConfig,
  | 'source'
  | 'manifestDirs'
  | 'statusDirs'
  | 'debounceMs'
  | 'kubeconfig'
  | 'apiServerHost'
  | 'apiServerPort'
  | 'readsCertificates'
>;

async function openKubernetes(config: SourceSettings, log: ApiLog, clock: Clock): Promise<KubernetesSource> {
  const access = await clusterAccess({
    kubeconfigPath: config.kubeconfig,
    environment: { KUBERNETES_SERVICE_HOST: config.apiServerHost, KUBERNETES_SERVICE_PORT: config.apiServerPort },
  });
  const client = new KubeClient(access, { userAgent: 'ambit-control-plane' });
  const kinds = config.readsCertificates ? [...openKinds, ...certificateKinds] : openKinds;
  const source = new ApiServerSource({ client, kinds, log, clock });
  return {
    kind: 'kubernetes',
    source,
    client,
    start: (options) => source.start(options),
    [Symbol.asyncDispose]: async () => {
      await source[Symbol.asyncDispose]();
      client.close();
    },
  };
}
