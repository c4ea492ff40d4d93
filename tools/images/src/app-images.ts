/** What each image is made of and how it starts. Pure; the builder, the Dockerfiles and the documentation follow it. */

import { type MeshProgram, nodeOptions } from '@ambit/runtime';

/** Layers below the app's own. */
export type BaseName = 'base' | 'base-cni-agent';

/** One app's image. */
export interface AppImage {
  readonly app: MeshProgram;
  readonly base: BaseName;
  readonly title: string;
  /** `uid:gid`, numeric, so that Kubernetes can see that it is not root. */
  readonly user: string;
  /** TCP ports it serves by default. */
  readonly ports: readonly number[];
}

/** Where the bundle lies in each image. */
export const APP_FOLDER = 'app';

/** Static programs beside the node agent's bundle: the plugin that it installs on its node, and its look into namespaces. */
export const AGENT_PROGRAMS: readonly string[] = ['ambit-cni', 'ambit-netns'];

/** All images, in the order in which they are built. */
export const APP_IMAGES: readonly AppImage[] = [
  {
    app: 'ztunnel',
    base: 'base',
    title: 'Ambit node proxy',
    // Other pods' namespaces can be entered by root only; the group keeps its own traffic out of any capture.
    user: '0:1337',
    ports: [15_008, 15_020, 15_021],
  },
  {
    app: 'cni-agent',
    base: 'base-cni-agent',
    title: 'Ambit node agent',
    user: '0:0',
    ports: [8000, 15_014],
  },
  {
    app: 'control-plane',
    base: 'base',
    title: 'Ambit control plane',
    user: '1337:1337',
    ports: [8080, 15_012, 15_014, 15_017],
  },
  {
    app: 'waypoint',
    base: 'base',
    title: 'Ambit waypoint and gateway',
    user: '1337:1337',
    ports: [15_008, 15_020, 15_021],
  },
  {
    app: 'ca',
    base: 'base',
    title: 'Ambit certificate authority',
    user: '1337:1337',
    ports: [15_013, 15_015],
  },
];

/** Name of an image in a registry; the default stands for images that were loaded by hand and can never be pulled. */
export function imageName(repository: string, app: string, tag: string): string {
  return `${repository}/${app}:${tag}`;
}

/** How the container starts; `node` is looked up in the search path, so that other images of Node can be the base. */
export function entrypoint(image: AppImage): readonly string[] {
  return ['node', ...nodeOptions[image.app], `/${APP_FOLDER}/main.mjs`];
}

/** Labels that do not change between builds. */
export function labels(title: string, version: string): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.title': title,
    'org.opencontainers.image.vendor': 'Ambit',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': version,
  };
}
