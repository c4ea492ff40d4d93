/** Names and paths of everything that belongs to a lab; the prefix is what `lab down` sweeps by. Pure. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';

export const FABRIC = 'fabric';

/** No dash: otherwise one lab's prefix could begin another lab's name. @throws LabError `BAD_LAB_FILE` */
export function checkLabName(name: string): string {
  if (!/^[a-z][a-z0-9]{0,15}$/.test(name))
    throw new LabError('BAD_LAB_FILE', `a lab's name is 1 to 16 lower-case letters and digits, not "${name}"`);
  return name;
}

export function namespacePrefix(lab: string): string {
  return `ambit-${lab}-`;
}

/** Network namespace of the fabric or of a node. */
export function machineNamespace(lab: string, machine: string): string {
  return `${namespacePrefix(lab)}${machine}`;
}

export function podNamespace(lab: string, namespace: string, pod: string): string {
  return `${namespacePrefix(lab)}pod-${namespace}.${pod}`;
}

export function namespacePath(name: string): string {
  return `/run/netns/${name}`;
}

/** The node's end of a pod's link; interface names are short, so a hash stands for the pod. */
export function podLinkName(namespace: string, pod: string): string {
  return `p${createHash('sha256').update(`${namespace}/${pod}`).digest('hex').slice(0, 12)}`;
}

/** Files of one lab. */
export class LabPaths {
  readonly root: string;

  constructor(stateRoot: string, lab: string) {
    this.root = join(stateRoot, lab);
  }

  /** The copy of the manifests that is in force; `lab label` and `lab add` edit it. */
  get manifests(): string {
    return join(this.root, 'manifests');
  }
  /** Written by machines: kubelet part, agents, allocators. */
  get status(): string {
    return join(this.root, 'status');
  }
  get logs(): string {
    return join(this.root, 'logs');
  }
  get tokens(): string {
    return join(this.root, 'tokens');
  }
  get busSocket(): string {
    return join(this.root, 'bus.sock');
  }
  get jwks(): string {
    return join(this.root, 'jwks.json');
  }
  get assignments(): string {
    return join(this.root, 'assignments.json');
  }
  get caDirectory(): string {
    return join(this.root, 'ca');
  }
  get controlPlaneDirectory(): string {
    return join(this.root, 'control-plane');
  }
  /** What a second `ambitctl` needs to know of a running lab. */
  get record(): string {
    return join(this.root, 'lab.json');
  }
  log(process: string): string {
    return join(this.logs, `${process}.log`);
  }
  /** Scratch space of a pod, with its `/etc/hosts` and `/etc/resolv.conf`. */
  pod(namespace: string, pod: string): string {
    return join(this.root, 'pods', `${namespace}.${pod}`);
  }
  node(node: string): string {
    return join(this.root, 'nodes', node);
  }
  zdsSocket(node: string): string {
    return join(this.node(node), 'ztunnel.sock');
  }
  cniDirectory(node: string): string {
    return join(this.node(node), 'cni');
  }
  token(name: string): string {
    return join(this.tokens, `${name}.jwt`);
  }
}
