/* Memory that the process does not need just now, given back to the kernel. */
#define _GNU_SOURCE
#include "addon.h"
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* trimHeap(): gives free pages of the C heap back to the kernel; 1 if there were any. musl does that by itself. */
static napi_value js_trim_heap(napi_env env, napi_callback_info info) {
  (void)info;
#ifdef __GLIBC__
  return ret_int(env, malloc_trim(0));
#else
  return ret_int(env, 0);
#endif
}

/*
 * dropProgramPages(): unmaps what is resident of the program's own file; KiB, or -errno. Code and constants are read from the
 * page cache again when they are used. Only mappings that cannot be written and hold no page of their own: what the loader
 * has relocated exists in memory alone.
 */
static napi_value js_drop_program_pages(napi_env env, napi_callback_info info) {
  char program[PATH_MAX], line[PATH_MAX + 128];
  unsigned long start = 0, end = 0, resident = 0, value;
  int64_t dropped = 0;
  ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
  FILE *maps;
  (void)info;
  if (length < 0) return ret_int(env, -errno);
  program[length] = 0;
  maps = fopen("/proc/self/smaps", "re");
  if (maps == NULL) return ret_int(env, -errno);
  while (fgets(line, sizeof(line), maps) != NULL) {
    unsigned long from, to;
    char access[5];
    int path = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &from, &to, access, &path) == 3 && path > 0) {
      int is_constant = access[0] == 'r' && access[1] == '-' && strcmp(line + path, program) == 0;
      start = is_constant ? from : 0;
      end = to;
      resident = 0;
    } else if (start != 0 && sscanf(line, "Rss: %lu kB", &value) == 1) {
      resident = value;
    } else if (start != 0 && sscanf(line, "Anonymous: %lu kB", &value) == 1) {
      if (value == 0 && madvise((void *)start, end - start, MADV_DONTNEED) == 0) dropped += (int64_t)resident;
      start = 0;
    }
  }
  fclose(maps);
  return ret_int(env, dropped);
}

const struct addon_function memory_functions[] = {
  {"trimHeap", js_trim_heap}, {"dropProgramPages", js_drop_program_pages}, {NULL, NULL},
};
