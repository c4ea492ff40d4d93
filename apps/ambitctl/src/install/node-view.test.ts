import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentPlan } from './mesh-plan.ts';
import { readMeshPlan } from './mesh-plan.ts';
import { judgePod } from './node-probe.ts';
import { nodeProbePod } from './node-probe-pod.ts';
import { judgeNodeOutcomes, readNodeView } from './node-view.ts';

const RENDERED = `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ztunnel }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: ambit-cni-agent }
spec:
  template:
    spec:
      imagePullSecrets: [{ name: registry }]
      containers: [{ name: cni-agent, image: example.org/cni-agent:1, imagePullPolicy: Always }]
      volumes:
        - { name: cni-bin, hostPath: { path: /bin/cni } }
        - { name: cni-conf, hostPath: { path: /conf/cni } }
---
# nothing
`;
const FIT = { missingPlugins: [], otherFolders: [], configuration: '10-a.conflist' };

function plan(): AgentPlan {
  const { agent } = readMeshPlan(RENDERED);
  assert.ok(agent !== undefined);
  return agent;
}

function told(view: object): string {
  const pod = { status: { phase: 'Succeeded', containerStatuses: [terminated(JSON.stringify(view))] } };
  const outcome = judgePod('node1', pod);
  assert.ok(outcome !== undefined);
  return judgeNodeOutcomes([outcome], plan())
    .map((finding) => `${finding.kind}: ${finding.text}`)
    .join('\n');
}

function terminated(message: string): object {
  return { state: { terminated: { message } } };
}

test('what the nodes have to have is read from what the chart renders to', () => {
  assert.deepEqual(readMeshPlan(RENDERED), {
    agent: {
      image: 'example.org/cni-agent:1',
      pullPolicy: 'Always',
      pullSecrets: [{ name: 'registry' }],
      configurationFolder: '/conf/cni',
      pluginFolder: '/bin/cni',
    },
    hasCa: false,
    hasNodeProxy: false,
  });
  assert.equal(readMeshPlan('').agent, undefined);
});

test("the probe runs the agent's image, without privileges beyond rules of its own namespace", () => {
  const { spec } = JSON.parse(JSON.stringify(nodeProbePod('default', 'node1', plan())));
  const [container] = spec.containers;
  assert.equal(container.image, 'example.org/cni-agent:1');
  assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] });
  assert.ok(spec.hostNetwork === undefined && spec.automountServiceAccountToken === false);
  assert.ok(
    container.volumeMounts.every(
      ({ readOnly, name }: { readonly readOnly?: boolean; readonly name: string }) =>
        readOnly === true || name === 'tmp',
    ),
  );
});

test('fit nodes share one line', () => {
  assert.match(told(FIT), /^good: .*\/conf\/cni.*\/bin\/cni.*: node1$/);
});

test('each thing that is missing is an error of that node', () => {
  assert.match(
    told({ ...FIT, configuration: undefined, otherFolders: ['/k3s'] }),
    /^error: node1 .*conf\/cni; .*\/k3s$/,
  );
  assert.match(
    told({ ...FIT, missingPlugins: ['bridge'] }),
    /^error: node1 has no bridge in \/bin\/cni, .*10-a\.conflist/,
  );
  assert.match(told({ ...FIT, ruleError: 'iptables: no REDIRECT' }), /^error: the kernel of node1 .*no REDIRECT$/);
});

test('an image that does not come is an error, a probe that fails is not', () => {
  const waiting = { state: { waiting: { reason: 'ErrImagePull', message: 'not found' } } };
  const outcome = judgePod('node1', { status: { phase: 'Pending', containerStatuses: [waiting] } });
  assert.deepEqual(outcome, { kind: 'no-image', node: 'node1', reason: 'not found' });
  assert.equal(judgeNodeOutcomes([outcome], plan())[0]?.kind, 'error');
  const failed = judgePod('node1', { status: { phase: 'Failed', message: 'deadline' } });
  assert.deepEqual(failed, { kind: 'failed', node: 'node1', reason: 'deadline' });
  assert.equal(judgeNodeOutcomes([failed], plan())[0]?.kind, 'warning');
  assert.equal(judgePod('node1', { status: { phase: 'Running' } }), undefined);
});

test('a message that no probe has written is no view', () => {
  assert.equal(readNodeView('{"half'), undefined);
  assert.deepEqual(readNodeView('[]'), {
    configuration: undefined,
    missingPlugins: [],
    otherFolders: [],
    ruleError: undefined,
  });
});
