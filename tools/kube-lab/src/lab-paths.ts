/** Files of the cache and of one lab. */
import { join } from 'node:path';
import type { LabSettings } from './lab-settings.ts';

/** What is built once and shared by all labs. */
export class CachePaths {
  readonly home: string;
  readonly programs: string;
  readonly images: string;
  readonly rootFolders: string;
  /** One folder for each lab that is up. */
  readonly labs: string;

  constructor({ home }: Pick<LabSettings, 'home'>) {
    this.home = home;
    this.programs = join(home, 'bin');
    this.images = join(home, 'images');
    this.rootFolders = join(home, 'rootfs');
    this.labs = join(home, 'run');
  }

  program(name: string): string {
    return join(this.programs, name);
  }

  image(name: string): string {
    return join(this.images, `${name}.tar`);
  }
}

/** The state of one lab; removed when it is taken down. */
export class LabPaths {
  readonly name: string;
  readonly root: string;
  readonly processes: string;
  readonly logs: string;
  readonly certificates: string;
  /** Links to images; a node imports them all when it boots. */
  readonly images: string;
  /** Exists once the control plane serves. */
  readonly ready: string;
  readonly description: string;

  constructor({ home, name }: Pick<LabSettings, 'home' | 'name'>) {
    this.name = name;
    this.root = join(home, 'run', name);
    this.processes = join(this.root, 'pid');
    this.logs = join(this.root, 'log');
    this.certificates = join(this.root, 'pki');
    this.images = join(this.root, 'images');
    this.ready = join(this.root, 'ready');
    this.description = join(this.root, 'lab.json');
  }

  kubeconfig(user: string): string {
    return join(this.root, `${user}.kubeconfig`);
  }

  /** The disk of a node; it outlives the node's death. */
  disk(node: number): string {
    return join(this.root, `node${node}`);
  }
}
