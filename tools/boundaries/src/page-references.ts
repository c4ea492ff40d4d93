/** What the pages of the repository say is there: targets of links, and paths in code spans. Pure. */
import { dirname, join, normalize } from 'node:path/posix';
import type { Violation } from './project.ts';

/** A Markdown file of the repository. */
export interface Page {
  /** Relative to the root. */
  readonly file: string;
  readonly text: string;
}

/** `[text](target)`, `![text](target)`; a title after the target is left out. */
const LINK = /\]\(([^()\s]+)(?:\s+"[^"]*")?\)/g;
/**
 * A path in a code span that begins with a folder of the root or, beside the page, with one of a project; wildcards,
 * variables and placeholders are no paths.
 */
const CODE_PATH = /`((?:apps|libs|tools|charts|docs|src|native|bench|testdata)\/[\w./-]+)`/g;
const OF_PROJECT = /^(?:src|native|bench|testdata)\//;
const ELSEWHERE = /^[a-z][a-z+.-]*:/i;
/** Made by a build or a run, or named as an example. */
const MADE = /(?:^|\/)(?:dist|build|results)(?:\/|$)|\bNAME\b/;

/** Dead links, links to headings that are not there, and paths that are gone. `exists` takes a path relative to the root. */
export function checkPages(pages: readonly Page[], exists: (path: string) => boolean): Violation[] {
  const headings = new Map(pages.map(({ file, text }) => [file, headingsOf(text)]));
  return pages.flatMap(({ file, text }) =>
    linesOutsideFences(text).flatMap(([line, number]): Violation[] => {
      const place = `${file}:${number}`;
      const links = [...line.matchAll(LINK)].flatMap(([, target = '']) => linkProblem(file, target) ?? []);
      const paths = isHistory(file)
        ? []
        : [...line.matchAll(CODE_PATH)].flatMap(([, path = '']) => pathProblem(file, path));
      return [...links, ...paths].map((message) => ({ rule: 'page', place, message }));
    }),
  );

  function linkProblem(file: string, target: string): string | undefined {
    if (ELSEWHERE.test(target)) return undefined;
    const [path = '', heading] = target.split('#');
    const there = path === '' ? file : normalize(join(dirname(file), decodeURIComponent(path)));
    if (there.startsWith('..') || !exists(there)) return `dead link: ${target}`;
    const known = headings.get(there);
    return heading === undefined || known === undefined || known.has(heading)
      ? undefined
      : `no such heading: ${target}`;
  }

  function pathProblem(file: string, path: string): string[] {
    // A page of the root says `src/` of every project.
    if (OF_PROJECT.test(path) && dirname(file) === '.') return [];
    const there = OF_PROJECT.test(path) ? join(dirname(file), path) : path;
    return MADE.test(path) || exists(there.replace(/[./]+$/, '')) ? [] : [`no such path: ${path}`];
  }
}

/** Notes of changes tell what was, too. */
function isHistory(file: string): boolean {
  return file === 'CHANGELOG.md' || file.startsWith('changes/');
}

/** Anchors as the usual renderers make them of headings. */
function headingsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [line] of linesOutsideFences(text)) {
    const [, heading] = /^#{1,6}\s+(.*?)\s*#*$/.exec(line) ?? [];
    if (heading === undefined) continue;
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let unique = anchor;
    for (let i = 1; anchors.has(unique); i++) unique = `${anchor}-${i}`;
    anchors.add(unique);
  }
  return anchors;
}

function linesOutsideFences(text: string): readonly (readonly [line: string, number: number])[] {
  let isFenced = false;
  const lines: [string, number][] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trimStart().startsWith('```')) isFenced = !isFenced;
    else if (!isFenced) lines.push([line, i + 1]);
  }
  return lines;
}
