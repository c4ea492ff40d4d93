/** Brings what a lab needs: packages, programs, images. Each only where it is missing or out of date. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CachePaths } from '../lab-paths.ts';
import type { LabSettings } from '../lab-settings.ts';
import type { Progress } from '../progress.ts';
import { buildBaseImages, buildNodeImage } from './base-images.ts';
import { installPackages } from './debian-packages.ts';
import { buildProgram, type ProgramName } from './go-programs.ts';
import { GoToolchain } from './go-toolchain.ts';

/** Debian packages of labs and of the Docker engine. */
export const packageList: string = join(import.meta.dirname, '../../packages.txt');

export interface BuildOptions {
  readonly programs: readonly ProgramName[];
  /** pause and busybox, and coredns where it is among the programs; default true. */
  readonly withImages?: boolean;
  /** busybox with this Node.js; default false. */
  readonly withNodeImage?: boolean;
  readonly progress: Progress;
}

/** @throws KubeLabError `TOOL_MISSING`, `BUILD_FAILED` */
export async function buildLab(settings: LabSettings, options: BuildOptions): Promise<void> {
  const { programs, withImages = true, withNodeImage = false, progress } = options;
  const cache = new CachePaths(settings);
  mkdirSync(cache.programs, { recursive: true });
  await installPackages(packageList, progress);
  const go = new GoToolchain(settings, cache.programs);
  for (const program of programs) await buildProgram(program, go, cache, progress);
  if (withImages) await buildBaseImages(cache, progress);
  if (withNodeImage) await buildNodeImage(cache, progress);
}
