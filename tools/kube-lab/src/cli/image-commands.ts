/** Commands for images. */
import type { Command } from 'commander';
import { LabCluster } from '../cluster/lab-cluster.ts';
import { writeImage } from '../image/image-archive.ts';
import { parseLayerSource } from '../image/layer-source.ts';
import { KubeLabError } from '../kube-lab-error.ts';
import type { LabSettings } from '../lab-settings.ts';
import { printProgress } from '../progress.ts';

interface ImageFlags {
  readonly entrypoint?: string;
  readonly cmd?: string;
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
}

export function addImageCommands(program: Command, settings: LabSettings): void {
  const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value];
  program
    .command('load-image')
    .description('bring image archives to every node')
    .argument('<archives...>')
    .action(async (files: readonly string[]) => {
      await LabCluster.attach(settings).loadImages(files);
      printProgress(`loaded ${files.length} images`);
    });
  program
    .command('mkimg')
    .description('write an image archive without an engine; one layer per part')
    .argument('<archive>')
    .argument('<name:tag>')
    .argument('<parts...>', 'FOLDER, FOLDER:/DESTINATION, FILE:/DESTINATION or LAYER.tar[.gz]')
    .option('--entrypoint <words>', 'words, or a JSON array')
    .option('--cmd <words>', 'the same')
    .option('--env <KEY=value>', 'repeatable', collect, [])
    .option('--user <user>')
    .option('--workdir <folder>')
    .action((file: string, name: string, parts: readonly string[], flags: ImageFlags) => {
      writeImage(file, {
        name,
        layers: parts.map(parseLayerSource),
        environment: flags.env,
        ...(flags.entrypoint === undefined ? {} : { entrypoint: words(flags.entrypoint) }),
        ...(flags.cmd === undefined ? {} : { command: words(flags.cmd) }),
        ...(flags.user === undefined ? {} : { user: flags.user }),
        ...(flags.workdir === undefined ? {} : { workFolder: flags.workdir }),
      });
    });
}

function words(text: string): readonly string[] {
  if (!text.startsWith('[')) return text.split(' ').filter((word) => word !== '');
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return value;
  throw new KubeLabError('BAD_ARGUMENT', `${text} is no array of strings`);
}
