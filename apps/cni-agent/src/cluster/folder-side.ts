/** Pods from folders of YAML; what becomes of them is written into the lab's status folder. */
import { FolderSource, removePodStatus, writePodStatus, type Pod } from '@ambit/kube';
import { REDIRECTION_ANNOTATION, type Redirection } from '../pods/eligibility.ts';
import type { MeshSide } from './mesh-side.ts';

const STATUS_WRITER = 'cni-agent';

export interface FolderSideOptions {
  readonly manifestDirs: readonly string[];
  readonly statusDir: string;
}

export class FolderSide implements MeshSide {
  readonly source: FolderSource;
  readonly trustsAnnotations = true;
  readonly #statusDir: string;

  constructor({ manifestDirs, statusDir }: FolderSideOptions) {
    this.source = new FolderSource({ manifestDirs, statusDirs: [statusDir] });
    this.#statusDir = statusDir;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  refresh(): void {
    this.source.refresh();
  }

  annotate(pod: Pod, redirection: Redirection | undefined): Promise<void> {
    const { namespace, name } = pod.metadata;
    if (redirection === undefined) removePodStatus(this.#statusDir, namespace, name, STATUS_WRITER);
    else
      writePodStatus(this.#statusDir, namespace, name, STATUS_WRITER, {
        annotations: { [REDIRECTION_ANNOTATION]: redirection },
      });
    return Promise.resolve();
  }

  /** Log, metrics and bus tell it; the lab has no conditions. */
  report(): void {}

  retract(): void {}

  clearReports(): Promise<void> {
    return Promise.resolve();
  }

  onReady(): Promise<void> {
    return Promise.resolve();
  }

  isLeaving(): Promise<boolean> {
    return Promise.resolve(false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.source[Symbol.dispose]();
    return Promise.resolve();
  }
}
