/** What an installation is going to need of the nodes, read from what the chart renders to. Pure. */
import { parseAllDocuments } from 'yaml';
import type { PlainObject } from '@ambit/kube';
import { isPlainObject } from '@ambit/kube';
import { fieldAt, objectsAt, textAt } from '../cluster/read-fields.ts';

/** What the node agent's DaemonSet asks for. */
export interface AgentPlan {
  readonly image: string;
  readonly pullPolicy: string;
  readonly pullSecrets: readonly PlainObject[];
  /** Folder of CNI configurations on the nodes. */
  readonly configurationFolder: string;
  /** Folder of CNI plugins on the nodes. */
  readonly pluginFolder: string;
}

export interface MeshPlan {
  /** Undefined when the agent is not part of the installation. */
  readonly agent: AgentPlan | undefined;
  readonly hasCa: boolean;
  readonly hasNodeProxy: boolean;
}

/** @param rendered YAML of the chart's objects */
export function readMeshPlan(rendered: string): MeshPlan {
  const objects = parseAllDocuments(rendered).map((document): unknown => document.toJS());
  const find = (kind: string, name: string): PlainObject | undefined =>
    objects.filter(isPlainObject).find((one) => one['kind'] === kind && textAt(one, 'metadata', 'name') === name);
  const agent = find('DaemonSet', 'ambit-cni-agent');
  return {
    agent: agent === undefined ? undefined : readAgent(agent),
    hasCa: find('Deployment', 'ambit-ca') !== undefined,
    hasNodeProxy: find('DaemonSet', 'ztunnel') !== undefined,
  };
}

function readAgent(daemonSet: PlainObject): AgentPlan {
  const spec = fieldAt(daemonSet, 'spec', 'template', 'spec');
  const [container] = objectsAt(spec, 'containers');
  const volumes = objectsAt(spec, 'volumes');
  const folder = (name: string): string =>
    textAt(
      volumes.find((volume) => volume['name'] === name),
      'hostPath',
      'path',
    ) ?? '';
  return {
    image: textAt(container, 'image') ?? '',
    pullPolicy: textAt(container, 'imagePullPolicy') ?? 'IfNotPresent',
    pullSecrets: objectsAt(spec, 'imagePullSecrets'),
    configurationFolder: folder('cni-conf'),
    pluginFolder: folder('cni-bin'),
  };
}
