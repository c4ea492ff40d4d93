/*
 * Looks into the network namespaces of pods for the node agent: one process for all of them, as starting tools for every pod
 * every few seconds would cost more than the mesh itself.
 *
 *   ambit-netns PROC     PROC: a procfs whose sys/net may be written, /proc or /host/proc
 *   stdin:  look PATH [legacy] | prepare PATH | rules PATH | capture PATH RULES     one request a line
 *   stdout: one line of JSON each, in order: {"ok":true,...} or {"ok":false,"error":"..."}
 *
 * `prepare` installs the return path (rule, route, conntrack setting); idempotent. `rules` tells all rules of nftables, and
 * `capture` does what `prepare` does and puts such rules into a namespace that has none: `"fresh":false` when it has some.
 * Ends with its standard input.
 */
#define _GNU_SOURCE
#include "ambit-netns.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *proc_root;

void add_text(struct text *out, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = vsnprintf(out->at + out->used, out->size - out->used, format, values);
  va_end(values);
  if (written < 0) return;
  out->used += (size_t)written < out->size - out->used ? (size_t)written : out->size - out->used - 1;
}

/* The first character of a setting of the namespace the process is in; 0 when there is no such setting. */
static char read_setting(const char *name) {
  char path[256], value = 0;
  snprintf(path, sizeof path, "%s/sys/net/%s", proc_root, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (read(fd, &value, 1) != 1) value = 0;
  close(fd);
  return value;
}

static int clear_setting(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/sys/net/%s", proc_root, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : -errno;
  int result = write(fd, "0\n", 2) == 2 ? 0 : -errno;
  close(fd);
  return result;
}

static const char loose[] = "netfilter/nf_conntrack_tcp_loose";

static bool has_ipv6(void) {
  return read_setting("ipv6/conf/lo/disable_ipv6") == '0';
}

static int prepare(void) {
  int result = clear_setting(loose);
  if (result == 0) result = install_return_path(AF_INET);
  if (result == 0 && has_ipv6()) result = install_return_path(AF_INET6);
  return result;
}

static int capture(const char *rules, struct text *out) {
  bool was_fresh = false;
  int result = prepare();
  if (result == 0) result = put_rules(rules, &was_fresh);
  add_text(out, ",\"fresh\":%s", was_fresh ? "true" : "false");
  return result;
}

static int look(bool legacy, struct text *out) {
  bool rule, route, is_complete;
  int result = look_at_return_path(AF_INET, &rule, &route);
  if (result < 0) return result;
  is_complete = rule && route && read_setting(loose) != '1';
  if (has_ipv6()) {
    if ((result = look_at_return_path(AF_INET6, &rule, &route)) < 0) return result;
    is_complete = is_complete && rule && route;
  }
  add_text(out, ",\"returnPath\":%s,", is_complete ? "true" : "false");
  if ((result = look_at_addresses(out)) < 0) return result;
  add_text(out, ",");
  if ((result = look_at_listeners(out)) < 0) return result;
  add_text(out, ",");
  return look_at_generation(legacy, out);
}

static int answer(const char *verb, const char *option, struct text *out) {
  if (strcmp(verb, "look") == 0) return look(strcmp(option, "legacy") == 0, out);
  if (strcmp(verb, "prepare") == 0) return prepare();
  if (strcmp(verb, "rules") == 0) return look_at_rules(out);
  return strcmp(verb, "capture") == 0 ? capture(option, out) : -EINVAL;
}

static int in_namespace(const char *path, int own, const char *verb, const char *option, struct text *out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
  close(fd);
  if (result < 0) return result;
  result = answer(verb, option, out);
  /* Staying would keep the namespace alive, and the next request would run in it. */
  if (setns(own, CLONE_NEWNET) < 0) abort();
  return result;
}

int main(int count, char **arguments) {
  static char line[128 * 1024], bytes[256 * 1024];
  if (count != 2) {
    fprintf(stderr, "usage: ambit-netns PROC\n");
    return 64;
  }
  proc_root = arguments[1];
  signal(SIGPIPE, SIG_IGN);
  int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) {
    fprintf(stderr, "ambit-netns: /proc/self/ns/net: %s\n", strerror(errno));
    return 71;
  }
  while (fgets(line, sizeof line, stdin)) {
    const char *verb = strtok(line, " \n"), *path = strtok(NULL, " \n"), *option = strtok(NULL, " \n");
    struct text out = {bytes, 0, sizeof bytes};
    add_text(&out, "{\"ok\":true");
    int result = -EINVAL;
    if (verb && path) result = in_namespace(path, own, verb, option ? option : "", &out);
    if (result == 0 && out.used + 2 < out.size) printf("%s}\n", bytes);
    else printf("{\"ok\":false,\"error\":\"%s\"}\n", strerror(result < 0 ? -result : EMSGSIZE));
    if (fflush(stdout) != 0) return 74;
  }
  return 0;
}
