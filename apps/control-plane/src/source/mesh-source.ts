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
export async function openMeshSource(config: ControlPlaneConfig, log: ApiLog, clock: Clock): Promise<MeshSource> {
  if (sourceKind(config) === 'kubernetes') return openKubernetes(config, log, clock);
  const { manifestDirs, statusDirs, debounceMs } = config;
  if (manifestDirs.length === 0) {
    throw new AmbitError('NO_SOURCE', 'set AMBIT_SOURCE=kubernetes, or AMBIT_MANIFEST_DIRS to the folders to read');
  }
  const source = new FolderSource({ manifestDirs, statusDirs, debounceMs, clock });
  return { kind: 'folder', source, [Symbol.asyncDispose]: async () => source[Symbol.dispose]() };
}

function sourceKind({ source, manifestDirs, kubeconfig, apiServerHost }: ControlPlaneConfig): 'kubernetes' | 'folder' {
  if (source !== 'auto') return source;
  return manifestDirs.length === 0 && (kubeconfig ?? apiServerHost) !== undefined ? 'kubernetes' : 'folder';
}

/** Nothing is derived from service accounts, so nobody has to be allowed to read them. */
const openKinds = resourceKinds.filter(
  (kind) => kind !== 'ServiceAccount' && kind !== 'Secret' && kind !== 'ConfigMap',
);

/** Certificates of gateways, and roots; only where they are wanted may they be read at all. */
const certificateKinds = [{ kind: 'Secret', fieldSelector: 'type=kubernetes.io/tls' }, 'ConfigMap'] as const;

async function openKubernetes(config: ControlPlaneConfig, log: ApiLog, clock: Clock): Promise<KubernetesSource> {
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
