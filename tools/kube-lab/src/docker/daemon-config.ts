/** Configuration of the engine. Pure. */
import { join } from 'node:path';

export interface EngineFacts {
  readonly root: string;
  readonly cgroup: string;
  /** The runtime for machines without CAP_SYS_RESOURCE. */
  readonly runtime: string;
  readonly hasSysResource: boolean;
}

export function daemonConfig({ root, cgroup, runtime, hasSysResource }: EngineFacts): unknown {
  return {
    'data-root': join(root, 'data'),
    'exec-root': join(root, 'exec'),
    pidfile: join(root, 'dockerd.pid'),
    hosts: [`unix://${join(root, 'docker.sock')}`],
    'storage-driver': 'overlay2',
    'cgroup-parent': `/${cgroup}`,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    runtimes: { 'without-sys-resource': { path: runtime } },
    'default-runtime': hasSysResource ? 'runc' : 'without-sys-resource',
  };
}
