/** Reads what a probe has seen, and judges it. Pure. */
import { fieldAt, textAt } from '../cluster/read-fields.ts';
import { failure, good, warning, type Finding } from '../cluster/finding.ts';
import type { AgentPlan } from './mesh-plan.ts';

/** What the pod has seen. */
export interface NodeView {
  /** File in the folder of CNI configurations that the kubelet uses; undefined when there is none. */
  readonly configuration: string | undefined;
  /** Plugins that it names and that are not in the folder of plugins. */
  readonly missingPlugins: readonly string[];
  /** Other folders that hold a CNI configuration. */
  readonly otherFolders: readonly string[];
  /** Why the kernel refused the rules of a pod; undefined when it took them. */
  readonly ruleError: string | undefined;
}

/** What became of the probe of one node. */
export type NodeOutcome =
  | { readonly kind: 'seen'; readonly node: string; readonly view: NodeView }
  | { readonly kind: 'no-image'; readonly node: string; readonly reason: string }
  | { readonly kind: 'failed'; readonly node: string; readonly reason: string };

/** Undefined for what no probe has written. */
export function readNodeView(message: string): NodeView | undefined {
  let view: unknown;
  try {
    view = JSON.parse(message);
  } catch {
    return undefined;
  }
  return {
    configuration: textAt(view, 'configuration'),
    missingPlugins: textsAt(view, 'missingPlugins'),
    otherFolders: textsAt(view, 'otherFolders'),
    ruleError: textAt(view, 'ruleError'),
  };
}

function textsAt(value: unknown, name: string): readonly string[] {
  const found = fieldAt(value, name);
  return Array.isArray(found) ? found.filter((item) => typeof item === 'string') : [];
}

/** One finding for all nodes that are fit, and one or more for each that is not. */
export function judgeNodeOutcomes(outcomes: readonly NodeOutcome[], plan: AgentPlan): readonly Finding[] {
  const findings = outcomes.map((outcome) => judgeOutcome(outcome, plan));
  const fit = outcomes.filter((_, index) => findings[index]?.length === 0).map(({ node }) => node);
  const summary = good(
    `CNI configuration in ${plan.configurationFolder}, plugins in ${plan.pluginFolder}, rules accepted: ${fit.join(', ')}`,
  );
  return [...(fit.length > 0 ? [summary] : []), ...findings.flat()];
}

function judgeOutcome(outcome: NodeOutcome, plan: AgentPlan): readonly Finding[] {
  switch (outcome.kind) {
    case 'failed':
      return [
        warning(`${outcome.node} could not be looked at: ${outcome.reason}`, 'Look at its events, or go on without.'),
      ];
    case 'no-image':
      return [
        failure(
          `${outcome.node} cannot get ${plan.image}: ${outcome.reason}`,
          'Load the images into the nodes, or push them and name the registry: --set global.hub=REGISTRY/PATH.',
        ),
      ];
    case 'seen':
      return judgeView(outcome.node, outcome.view, plan);
  }
}

function judgeView(node: string, view: NodeView, plan: AgentPlan): readonly Finding[] {
  const findings: Finding[] = [];
  if (view.configuration === undefined) {
    const elsewhere = view.otherFolders.length === 0 ? '' : `; there is one in ${view.otherFolders.join(', ')}`;
    findings.push(
      failure(
        `${node} has no CNI configuration in ${plan.configurationFolder}${elsewhere}`,
        'Name the folder: --profile (k3s, openshift, gke) or --set cni-agent.cniConfDir=FOLDER.',
      ),
    );
  }
  if (view.missingPlugins.length > 0) {
    findings.push(
      failure(
        `${node} has no ${view.missingPlugins.join(', ')} in ${plan.pluginFolder}, which ${view.configuration ?? ''} names`,
        'Name the folder of CNI plugins: --set cni-agent.cniBinDir=FOLDER.',
      ),
    );
  }
  if (view.ruleError !== undefined) {
    findings.push(
      failure(
        `the kernel of ${node} refuses the rules of pods: ${view.ruleError}`,
        'Load its modules nf_tables, nft_compat, xt_REDIRECT, xt_connmark and xt_mark, or use a kernel that has them.',
      ),
    );
  }
  return findings;
}
