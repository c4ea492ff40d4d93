/** The second that the last time lay in, as text up to its point: most lines of a busy proxy share it. */
let isoSecond = Number.NaN;
let isoPrefix = '';

/** ISO 8601 in UTC with milliseconds. */
function isoTime(wallTimeMs: number): string {
  const second = Math.floor(wallTimeMs / 1000);
  if (second !== isoSecond) {
    isoPrefix = new Date(second * 1000).toISOString().slice(0, 20);
    isoSecond = second;
  }
  return `${isoPrefix}${String(Math.floor(wallTimeMs) - second * 1000).padStart(3, '0')}Z`;
}

/** ISO 8601 with milliseconds; with a format, strftime's usual letters, `%s` and `%3f`. */
export function startTime(wallTimeMs: number, format: string | undefined): string {
  const iso = isoTime(wallTimeMs);
  if (format === undefined || format === '') return iso;
  return format.replace(/%([1-9]?)([a-zA-Z%])/g, (whole, digits: string, letter: string) => {
    switch (letter) {
      case 'Y':
        return iso.slice(0, 4);
      case 'm':
        return iso.slice(5, 7);
      case 'd':
        return iso.slice(8, 10);
      case 'H':
        return iso.slice(11, 13);
      case 'M':
        return iso.slice(14, 16);
      case 'S':
        return iso.slice(17, 19);
      case 'F':
        return iso.slice(0, 10);
      case 'T':
        return iso.slice(11, 19);
      case 'f':
        return iso
          .slice(20, 23)
          .padEnd(Number(digits || 9), '0')
          .slice(0, Number(digits || 9));
      case 's':
        return String(Math.floor(wallTimeMs / 1000));
      case '%':
        return '%';
      default:
        return whole;
    }
  });
}
