/** `node tools/boundaries/src/main.ts`: prints every broken boundary; exit code 79 when there is one. */
import { join } from 'node:path';
import { checkImports, checkProjects } from './rules.ts';
import { readImports, readProjects } from './workspace.ts';

const root = join(import.meta.dirname, '../../..');
const projects = readProjects(root);
const sites = readImports(root, projects);
const violations = [...checkProjects(projects), ...checkImports(projects, sites)];
for (const { rule, place, message } of violations) process.stdout.write(`${place}: ${rule}: ${message}\n`);
process.stdout.write(
  `boundaries: ${projects.length} projects, ${sites.length} imports, ${violations.length} violations\n`,
);
process.exitCode = violations.length > 0 ? 79 : 0;
