/** `node tools/boundaries/src/main.ts`: prints every broken boundary; exit code 79 when there is one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkPages } from './page-references.ts';
import { checkImports, checkProjects } from './rules.ts';
import { readImports, readPages, readProjects } from './workspace.ts';

const root = join(import.meta.dirname, '../../..');
const projects = readProjects(root);
const sites = readImports(root, projects);
const pages = readPages(root);
const violations = [
  ...checkProjects(projects),
  ...checkImports(projects, sites),
  ...checkPages(pages, (path) => existsSync(join(root, path))),
];
for (const { rule, place, message } of violations) process.stdout.write(`${place}: ${rule}: ${message}\n`);
process.stdout.write(
  `boundaries: ${projects.length} projects, ${sites.length} imports, ${pages.length} pages, ${violations.length} violations\n`,
);
process.exitCode = violations.length > 0 ? 79 : 0;
