/** Installs the mesh, or upgrades the one that is there. */
import { setTimeout as delay } from 'node:timers/promises';
import { apiKinds, type KubeClient } from '@ambit/kube';
import { hasErrors, type Finding } from '../cluster/finding.ts';
import { checkCluster } from './check-cluster.ts';
import { readClusterFacts, type ClusterFacts } from './cluster-facts.ts';
import { applyGatewayApi, GATEWAY_API_RELEASE, readGatewayApi } from './gateway-api.ts';
import type { Helm } from './helm.ts';
import { InstallError } from './install-error.ts';
import { chartFolder, helmSettings, type InstallationFlags } from './installation.ts';
import { judgeMesh } from './mesh-health.ts';
import { readMeshObjects } from './mesh-objects.ts';

export interface InstallOptions {
  readonly client: KubeClient;
  readonly helm: Helm;
  readonly flags: InstallationFlags;
  /** Source of Gateway API definitions; `skip`: none; undefined: the release on the internet, if it can be reached. */
  readonly gatewayApi: string | undefined;
  readonly timeoutSec: number;
  /** Goes on when checks find errors. */
  readonly isForced: boolean;
  readonly say: (text: string) => void;
  readonly tell: (findings: readonly Finding[]) => void;
}

const HEALTH_TIMEOUT_MS = 60_000;

/** False when the checks forbid it and nothing has been changed, or the mesh does not work. Rejects with InstallError or KubeError. */
export async function installMesh(options: InstallOptions): Promise<boolean> {
  const { client, helm, flags, timeoutSec, say, tell } = options;
  const facts = await readClusterFacts(client, flags.namespace);
  const isUpgrade = (await readMeshObjects(client, flags.namespace)) !== undefined;
  if (!isUpgrade) {
    const findings = await checkCluster(client, helm, flags, facts);
    tell(findings);
    if (hasErrors(findings) && !options.isForced) {
      say('nothing was installed; --force goes on in spite of these errors');
      return false;
    }
  }
  await bringGatewayApi(options, facts);
  await makeNamespace(client, flags.namespace);
  say('installing the definitions of policies (chart ambit-crds)');
  await helm.install('ambit-crds', chartFolder(flags, 'ambit-crds'), [], timeoutSec);
  say(`${isUpgrade ? 'upgrading' : 'installing'} the mesh (chart ambit)`);
  try {
    await helm.install('ambit', chartFolder(flags, 'ambit'), helmSettings(flags, facts), timeoutSec);
  } catch (cause) {
    // Helm names what is not ready; the pods say why.
    const mesh = await readMeshObjects(client, flags.namespace);
    if (mesh !== undefined) tell(judgeMesh(mesh));
    throw cause;
  }
  const health = await untilHealthy(client, flags.namespace);
  tell(health);
  say('next: kubectl label namespace YOUR-NAMESPACE istio.io/dataplane-mode=ambient');
  return !hasErrors(health);
}

/** Pods that ask for the mesh already are brought into it after its parts are ready. @returns the last findings */
async function untilHealthy(client: KubeClient, namespace: string): Promise<readonly Finding[]> {
  for (const deadline = Date.now() + HEALTH_TIMEOUT_MS; ; await delay(1000)) {
    const mesh = await readMeshObjects(client, namespace);
    const health = mesh === undefined ? [] : judgeMesh(mesh);
    if (!hasErrors(health) || Date.now() > deadline) return health;
  }
}

/** Only where there is none: what the user brought stays as it is. */
async function bringGatewayApi(options: InstallOptions, facts: ClusterFacts): Promise<void> {
  const { gatewayApi: source, client, say } = options;
  if (facts.gatewayApi !== undefined || source === 'skip') return;
  try {
    const bundle = await readGatewayApi(source ?? GATEWAY_API_RELEASE);
    say(`installing ${bundle.objects.length} definitions of the Gateway API ${bundle.version}`);
    await applyGatewayApi(client, bundle);
  } catch (cause) {
    // Nobody asked for this source, and the mesh works without.
    if (source !== undefined || !(cause instanceof InstallError)) throw cause;
    say(`going on without the Gateway API: ${cause.message}`);
  }
}

/** The node agent and the node proxy need more than Pod Security grants by default, where it is on. */
async function makeNamespace(client: KubeClient, name: string): Promise<void> {
  const ref = { kind: apiKinds.Namespace, name };
  if ((await client.get(ref)) !== undefined) return;
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await client.create(apiKinds.Namespace, { metadata: { name, labels } });
}
