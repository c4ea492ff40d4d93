import { linkAddresses } from './address-plan.ts';
import type { LabRecord, PodRecord } from './lab-record.ts';
import type { Lab } from './lab.ts';
import type { PodSandbox } from './pod-sandbox.ts';

/** A lab as others see it: what is written down for `lab status`, `lab exec` and `lab label`. */
export function describeLab(lab: Lab, isUp: boolean): LabRecord {
  return {
    lab: lab.name,
    pid: process.pid,
    isUp,
    nodes: lab.description.nodes.map((node) => ({
      name: node.name,
      netns: lab.machine(node.name),
      address: linkAddresses(node.number).node.v4,
    })),
    processes: lab
      .processes()
      .map(({ name, plan, pid, isReady, restarts }) => ({ name, machine: plan.machine, pid, isReady, restarts })),
    pods: lab.pods().map((sandbox) => describePod(lab, sandbox)),
  };
}

function describePod(lab: Lab, sandbox: PodSandbox): PodRecord {
  const { metadata, spec } = sandbox.pod;
  return {
    name: sandbox.key,
    node: sandbox.node.name,
    addresses: [sandbox.address.v4, sandbox.address.v6],
    netns: sandbox.netnsPath,
    directory: lab.paths.pod(metadata.namespace, metadata.name),
    isReady: sandbox.isReady,
    restarts: sandbox.restarts,
    redirection: lab.redirection(sandbox.key),
    identity: `spiffe://cluster.local/ns/${metadata.namespace}/sa/${spec.serviceAccountName}`,
  };
}
