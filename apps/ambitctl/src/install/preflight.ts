/** Judges whether a cluster is fit for an installation, by facts of the API server alone. Pure. */
import { failure, good, type Finding } from '../cluster/finding.ts';
import type { ClusterFacts, NodeFacts } from './cluster-facts.ts';
import type { MeshPlan } from './mesh-plan.ts';

/** The chart's `kubeVersion`. */
const OLDEST_KUBERNETES = [1, 30] as const;
/** RHEL 8; older ones miss `nf_conntrack_tcp_loose` and nf_tables' NAT of today. */
const OLDEST_KERNEL = [4, 18] as const;
const ARCHITECTURES: readonly string[] = ['amd64', 'arm64'];

export function judgeCluster(facts: ClusterFacts, plan: MeshPlan): readonly Finding[] {
  return [
    judgeVersion(facts.version),
    ...judgeRights(facts.missingRights),
    ...judgeNodes(facts.nodes),
    ...judgeOthers(facts, plan),
    ...judgePodSecurity(facts),
  ];
}

function judgeVersion(version: string): Finding {
  if (!isOlder(version, OLDEST_KUBERNETES)) return good(`Kubernetes ${version}`);
  return failure(`Kubernetes ${version} is too old`, `Upgrade the cluster to ${OLDEST_KUBERNETES.join('.')} or later.`);
}

function judgeRights(missing: readonly string[]): readonly Finding[] {
  if (missing.length === 0) return [good('you may create what an installation consists of')];
  return [
    failure(`you may not ${missing.join(', ')}`, 'Use an account with the ClusterRole cluster-admin (--context NAME).'),
  ];
}

function judgeNodes(nodes: readonly NodeFacts[]): readonly Finding[] {
  const linux = nodes.filter(({ system }) => system === 'linux');
  if (linux.length === 0) return [failure('there is no Linux node', 'Add one.')];
  const strange = linux.filter(({ architecture }) => !ARCHITECTURES.includes(architecture));
  const old = linux.filter(({ kernel }) => isOlder(kernel, OLDEST_KERNEL));
  const findings: Finding[] = [];
  if (strange.length > 0) {
    findings.push(
      failure(
        `no images for ${unique(strange.map(({ architecture }) => architecture))} (${names(strange)})`,
        'Leave these nodes out: --set cni-agent.nodeSelector.kubernetes\\.io/arch=amd64, the same for ztunnel.',
      ),
    );
  }
  if (old.length > 0) {
    findings.push(
      failure(
        `kernel ${unique(old.map(({ kernel }) => kernel))} is too old (${names(old)})`,
        `Linux ${OLDEST_KERNEL.join('.')} or later is needed: upgrade these nodes.`,
      ),
    );
  }
  if (findings.length > 0) return findings;
  const kernels = unique(linux.map(({ kernel }) => kernel));
  return [good(`${linux.length} Linux node${linux.length === 1 ? '' : 's'}, kernel ${kernels}`)];
}

function judgeOthers(facts: ClusterFacts, plan: MeshPlan): readonly Finding[] {
  const findings: Finding[] = [];
  const complain = (places: readonly string[], what: string, harm: string, advice: string): void => {
    if (places.length > 0) findings.push(failure(`${what} is there: ${places.join(', ')}; ${harm}`, advice));
  };
  const swap = 'docs/install.md tells how to exchange the parts one at a time.';
  if (plan.hasCa) {
    complain(
      facts.istiods,
      'istiod',
      "two authorities would overwrite each other's trust (istio-ca-root-cert)",
      `Remove it, or let it sign: --set ca.enabled=false; ${swap}`,
    );
  }
  if (plan.agent !== undefined) {
    complain(
      facts.istioAgents,
      "Istio's node agent",
      'two agents would fight over the rules of pods',
      `Remove it, or keep it: --set cni-agent.enabled=false; ${swap}`,
    );
  }
  if (plan.hasNodeProxy) {
    complain(
      facts.otherNodeProxies,
      'another ztunnel',
      "two node proxies would take each other's socket",
      `Remove it, or keep it: --set ztunnel.enabled=false; ${swap}`,
    );
  }
  return findings.length > 0 ? findings : [good('no other ambient mesh')];
}

function judgePodSecurity({ namespace, podSecurity }: ClusterFacts): readonly Finding[] {
  if (podSecurity === undefined || podSecurity === 'privileged') return [];
  return [
    failure(
      `namespace ${namespace} enforces Pod Security "${podSecurity}", which refuses node agent and node proxy`,
      `kubectl label namespace ${namespace} --overwrite pod-security.kubernetes.io/enforce=privileged`,
    ),
  ];
}

/** Compares the first two numbers of a version; what has none is taken for new. */
function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [, first, second] = match.map(Number);
  return (first ?? 0) < major || (first === major && (second ?? 0) < minor);
}

function names(nodes: readonly NodeFacts[]): string {
  const shown = nodes.slice(0, 5).map(({ name }) => name);
  return nodes.length > shown.length ? `${shown.join(', ')} and ${nodes.length - shown.length} more` : shown.join(', ');
}

function unique(values: readonly string[]): string {
  return [...new Set(values)].toSorted().join(', ');
}
