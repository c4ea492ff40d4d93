/** Checks a cluster before anything is installed. */
import { apiKinds, KubeError, type KubeClient } from '@ambit/kube';
import { good, hasErrors, warning, type Finding } from '../cluster/finding.ts';
import { readClusterFacts, type ClusterFacts } from './cluster-facts.ts';
import type { Helm } from './helm.ts';
import { chartFolder, helmSettings, type InstallationFlags } from './installation.ts';
import { readMeshPlan, type AgentPlan } from './mesh-plan.ts';
import { probeNodes } from './node-probe.ts';
import { judgeNodeOutcomes } from './node-view.ts';
import { judgeCluster } from './preflight.ts';

/**
 * What speaks for and against an installation with these settings. Leaves nothing behind.
 * Rejects with KubeError when the cluster does not answer, with InstallError for settings that helm refuses.
 */
export async function checkCluster(
  client: KubeClient,
  helm: Helm,
  flags: InstallationFlags,
  known?: ClusterFacts,
): Promise<readonly Finding[]> {
  const facts = known ?? (await readClusterFacts(client, flags.namespace));
  const plan = readMeshPlan(await helm.render('ambit', chartFolder(flags, 'ambit'), helmSettings(flags, facts)));
  const findings = [...judgeCluster(facts, plan), judgeGatewayApi(facts.gatewayApi)];
  if (!flags.probe || plan.agent === undefined || hasErrors(findings)) return findings;
  return [...findings, ...(await lookAtNodes(client, facts, plan.agent))];
}

async function lookAtNodes(client: KubeClient, facts: ClusterFacts, plan: AgentPlan): Promise<readonly Finding[]> {
  const place = await client.get({ kind: apiKinds.Namespace, name: facts.namespace });
  try {
    // Without a namespace of its own yet, the probe looks on from one that is always there.
    const outcomes = await probeNodes(client, place === undefined ? 'default' : facts.namespace, facts.nodes, plan);
    return judgeNodeOutcomes(outcomes, plan);
  } catch (cause) {
    if (!(cause instanceof KubeError)) throw cause;
    return [warning(`the nodes could not be looked at: ${cause.message}`, 'Go on without: --no-probe.')];
  }
}

function judgeGatewayApi(version: string | undefined): Finding {
  if (version !== undefined) return good(`Gateway API ${version}`);
  return warning(
    'the Gateway API is missing; waypoints and gateways need it, the rest of the mesh does not',
    'ambitctl install brings it; without a way to the internet: --gateway-api FILE-OR-FOLDER.',
  );
}
