/**
 * The Dockerfile of each app: the same image by an engine, from the bundle in `apps/NAME/dist`. Committed, so that nobody
 * has to generate them; a test compares them with these.
 */
import { memoryEnvironment } from '@ambit/runtime';

import { AGENT_PROGRAMS, APP_FOLDER, entrypoint, imageName, labels, type AppImage } from './app-images.ts';

/** Text of `apps/NAME/Dockerfile`. Nothing in it needs BuildKit or a network. */
export function dockerfile(image: AppImage, version: string): string {
  const isNodeAgent = image.base === 'base-cni-agent';
  const environment = Object.entries(memoryEnvironment).map(([key, value]) => `ENV ${key}=${value}`);
  const lines = [
    `# ${image.title}. Before: \`npm run images -- ${image.base} --load-docker\` (the base) and \`node tools/bundle/src/main.ts ${image.app}\`.`,
    ...(isNodeAgent ? ['# And: sh apps/cni-agent/plugin/build.sh'] : []),
    `# Build: docker build -t ${imageName('localhost/ambit', image.app, version)} apps/${image.app}`,
    isNodeAgent
      ? '# Another base needs Node 26 with libatomic, iptables (both back ends), nft, ipset, ip, ss, nsenter, unshare and sh.'
      : '# Another base needs Node 26 with libatomic: --build-arg BASE=node:26-bookworm-slim',
    '# Made by tools/images/src/dockerfile.ts.',
    `ARG BASE=${imageName('localhost/ambit', image.base, version)}`,
    'FROM ${BASE}',
    `LABEL ${Object.entries(labels(image.title, version))
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join(' \\\n      ')}`,
    ...environment,
    `COPY dist /${APP_FOLDER}/`,
    ...(isNodeAgent ? [`COPY ${AGENT_PROGRAMS.map((name) => `plugin/build/${name}`).join(' ')} /${APP_FOLDER}/`] : []),
    'WORKDIR /',
    `USER ${image.user}`,
    `EXPOSE ${image.ports.join(' ')}`,
    `ENTRYPOINT ${JSON.stringify(entrypoint(image))}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Text of `apps/NAME/.dockerignore`: only the bundle, without source maps. */
export function dockerignore(image: AppImage): string {
  const plugin = image.base === 'base-cni-agent' ? ['!plugin', 'plugin/*', '!plugin/build'] : [];
  return `${['*', '!dist', 'dist/*.map', 'dist/key', ...plugin].join('\n')}\n`;
}
