/**
 * A pod that looks at its node as the node agent will see it, and says so in its termination message: is the CNI
 * configuration where the agent will look for it, are the plugins there that it names, does the kernel take the rules of
 * pods. Rules are tried in the pod's own network namespace, which ends with it; of the node it reads only. Pure.
 */
import type { PlainObject } from '@ambit/kube';
import type { AgentPlan } from './mesh-plan.ts';

/** Folders in which distributions keep CNI configurations. */
const KNOWN_FOLDERS: readonly string[] = [
  '/etc/cni/net.d',
  '/etc/kubernetes/cni/net.d',
  '/var/lib/rancher/k3s/agent/etc/cni/net.d',
  '/var/snap/microk8s/current/args/cni-network',
];

/** The features of the packet filter that capture is made of, in both tables. */
const RULES = `*nat
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
`;

const SCRIPT = `
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
const [configurationFolder, pluginFolder, known, rules] = JSON.parse(process.env.PROBE);
const configurations = (folder) => {
  try {
    return readdirSync('/host' + folder).filter((file) => /\\.(conf|conflist|json)$/.test(file)).sort();
  } catch {
    return [];
  }
};
const [configuration] = configurations(configurationFolder);
let types = [];
if (configuration !== undefined) {
  try {
    const { plugins, type } = JSON.parse(readFileSync('/host' + configurationFolder + '/' + configuration, 'utf8'));
    types = (plugins ?? [{ type }]).map((plugin) => plugin.type);
  } catch {}
}
const refusals = ['iptables-nft-restore', 'iptables-legacy-restore'].map((program) => {
  const { status, stderr, error } = spawnSync(program, ['--noflush'], { input: rules, encoding: 'utf8' });
  return status === 0 ? '' : program + ': ' + (error?.message ?? stderr.trim());
});
writeFileSync('/dev/termination-log', JSON.stringify({
  configuration,
  missingPlugins: types.filter((type) => !existsSync('/host' + pluginFolder + '/' + type)),
  otherFolders: known.filter((folder) => folder !== configurationFolder && configurations(folder).length > 0),
  ruleError: refusals.includes('') ? undefined : refusals.join('; ').slice(0, 1000),
}));
`;

export const PROBE_LABEL = 'app.kubernetes.io/name=ambit-node-probe';

export function nodeProbePod(namespace: string, node: string, plan: AgentPlan): PlainObject {
  const [label = '', value = ''] = PROBE_LABEL.split('=');
  return {
    metadata: {
      generateName: 'ambit-node-probe-',
      namespace,
      labels: { [label]: value, 'app.kubernetes.io/part-of': 'ambit', 'istio.io/dataplane-mode': 'none' },
    },
    spec: {
      nodeName: node,
      restartPolicy: 'Never',
      activeDeadlineSeconds: 120,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      tolerations: [{ operator: 'Exists' }],
      imagePullSecrets: plan.pullSecrets,
      containers: [
        {
          name: 'probe',
          image: plan.image,
          imagePullPolicy: plan.pullPolicy,
          command: ['node', '--input-type=module', '-e', SCRIPT],
          env: [
            {
              name: 'PROBE',
              value: JSON.stringify([plan.configurationFolder, plan.pluginFolder, KNOWN_FOLDERS, RULES]),
            },
            { name: 'XTABLES_LOCKFILE', value: '/tmp/xtables.lock' },
          ],
          securityContext: {
            runAsUser: 0,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
          volumeMounts: [
            { name: 'host', mountPath: '/host', readOnly: true },
            { name: 'tmp', mountPath: '/tmp' },
          ],
        },
      ],
      volumes: [
        { name: 'host', hostPath: { path: '/', type: 'Directory' } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  };
}
