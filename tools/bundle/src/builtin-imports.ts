/**
 * Takes Node's own modules without their whole face. A static import of one reads every property that the module exports,
 * also those that load something at the first look: `import 'node:http'` alone costs 15 MiB, since `http.WebSocket` brings
 * a second HTTP client. `process.getBuiltinModule` reads what is named. Pure.
 */

const STATIC_IMPORT = /\bimport\s*([\w$*{},\s]+?)\s*from\s*"(node:[\w/]+)"\s*;/g;

/** The bundle's text with its imports of Node's modules at run time; they stand before everything else. */
export function takeBuiltinsAtRunTime(code: string): string {
  return code.replace(STATIC_IMPORT, (_whole, names: string, specifier: string) => {
    const module = `process.getBuiltinModule("${specifier}")`;
    const whole = [...names.matchAll(/(?:^|,)\s*(?:\*\s*as\s+)?([\w$]+)\s*(?=,|$)/g)]
      .filter(({ index }) => !isInBraces(names, index))
      .map(([, name]) => `const ${name}=${module};`);
    const named = /\{(?<list>[^}]*)\}/.exec(names)?.groups?.['list'];
    if (named === undefined) return whole.join('');
    return `${whole.join('')}const{${named.replaceAll(/\s+as\s+/g, ':')}}=${module};`;
  });
}

function isInBraces(text: string, index: number): boolean {
  const open = text.indexOf('{');
  return open !== -1 && index > open && index < text.indexOf('}');
}
