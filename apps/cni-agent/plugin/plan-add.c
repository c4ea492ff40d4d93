#include "ambit-cni.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>

#define AGENT_PREFIX "ambit-cni-agent-"

/* Copies the value of one of `CNI_ARGS` (A=b;C=d). Values outside of what Kubernetes names may hold count as absent. */
static bool arg(const char *args, const char *name, char *out, size_t size) {
  size_t name_length = strlen(name);
  for (const char *p = args; p && *p; p = *p == ';' ? p + 1 : p) {
    size_t length = strcspn(p, ";");
    if (length > name_length && p[name_length] == '=' && memcmp(p, name, name_length) == 0) {
      size_t value_length = length - name_length - 1;
      if (value_length == 0 || value_length >= size) return false;
      for (size_t i = 0; i < value_length; i++) {
        unsigned char c = (unsigned char)p[name_length + 1 + i];
        if (!isalnum(c) && c != '-' && c != '.') return false;
      }
      memcpy(out, p + name_length + 1, value_length);
      out[value_length] = 0;
      return true;
    }
    p += length;
  }
  return false;
}

static bool append(struct request *out, size_t *used, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = vsnprintf(out->body + *used, sizeof out->body - *used, format, values);
  va_end(values);
  if (written < 0 || (size_t)written >= sizeof out->body - *used) return false;
  *used += (size_t)written;
  return true;
}

/* Go prints a byte slice as base64. */
static void mask_base64(unsigned bits, size_t length, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char mask[18] = {0};
  for (unsigned i = 0; i < bits; i++) mask[i / 8] |= (unsigned char)(0x80u >> (i % 8));
  for (size_t i = 0; i < length; i += 3) {
    unsigned word = (unsigned)mask[i] << 16 | (unsigned)mask[i + 1] << 8 | mask[i + 2];
    for (int j = 0; j < 4; j++) *out++ = i + (size_t)j > length ? '=' : digits[(word >> (18 - 6 * j)) & 63];
  }
  *out = 0;
}

/* One entry of the result's `ips`: `{"address":"10.0.0.5/24","interface":2,"gateway":"10.0.0.1"}`. */
static bool append_ip(struct request *out, size_t *used, struct span entry) {
  char address[64], gateway[64], mask[32], interface[12] = "null";
  struct in6_addr parsed;
  if (!json_text(json_member(entry, "address"), address, sizeof address)) return false;
  char *slash = strchr(address, '/');
  if (!slash) return false;
  *slash = 0;
  bool is_v6 = strchr(address, ':') != NULL;
  char *rest;
  unsigned long bits = strtoul(slash + 1, &rest, 10);
  if (*rest || rest == slash + 1 || bits > (is_v6 ? 128 : 32)) return false;
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address, &parsed) != 1) return false;
  mask_base64((unsigned)bits, is_v6 ? 16 : 4, mask);
  struct span number = json_member(entry, "interface");
  if (number.at && number.length < sizeof interface && isdigit((unsigned char)*number.at)) snprintf(interface, sizeof interface, "%lu", strtoul(number.at, NULL, 10) % 100000);
  bool has_gateway = json_text(json_member(entry, "gateway"), gateway, sizeof gateway) && inet_pton(strchr(gateway, ':') ? AF_INET6 : AF_INET, gateway, &parsed) == 1;
  return append(out, used, "{\"Interface\":%s,\"Address\":{\"IP\":\"%s\",\"Mask\":\"%s\"},\"Gateway\":\"%s\"}", interface, address, mask, has_gateway ? gateway : "");
}

static bool is_plain_path(const char *path) {
  if (path[0] != '/') return false;
  for (; *path; path++)
    if (*path == '"' || *path == '\\' || (unsigned char)*path < 0x20) return false;
  return true;
}

static void refuse(struct request *out, const char *reason) {
  out->verdict = REFUSE;
  out->reason = reason;
}

void plan_add(const char *text, size_t length, const struct environment *environment, struct request *out) {
  char namespace[256], name[256], uid[64] = "", own[256], run_dir[80];
  memset(out, 0, offsetof(struct request, body));
  strcpy(out->version, "0.3.1");
  struct span config = json_parse(text, length);
  if (!config.at || *config.at != '{') return refuse(out, "the configuration is not a JSON object");
  char version[16];
  if (json_text(json_member(config, "cniVersion"), version, sizeof version) && strspn(version, "0123456789.") == strlen(version)) strcpy(out->version, version);
  out->previous_result = json_member(config, "prevResult");
  if (out->previous_result.at && *out->previous_result.at != '{') return refuse(out, "prevResult is not an object");
  if (!json_text(json_member(config, "cni_agent_run_dir"), run_dir, sizeof run_dir) || !is_plain_path(run_dir)) return refuse(out, "cni_agent_run_dir has to be an absolute path of at most 79 bytes");
  snprintf(out->socket_path, sizeof out->socket_path, "%s/pluginevent.sock", run_dir);

  /* A container that is not a pod of Kubernetes belongs to no mesh. */
  if (!environment->args || !strstr(environment->args, "K8S_POD_NAME=")) return;
  if (!arg(environment->args, "K8S_POD_NAME", name, sizeof name) || !arg(environment->args, "K8S_POD_NAMESPACE", namespace, sizeof namespace)) return refuse(out, "CNI_ARGS names no pod that Kubernetes could have");
  arg(environment->args, "K8S_POD_UID", uid, sizeof uid);
  /* The agent itself has to come up before anybody can be asked. */
  if (json_text(json_member(config, "pod_namespace"), own, sizeof own) && strcmp(own, namespace) == 0 && strncmp(name, AGENT_PREFIX, strlen(AGENT_PREFIX)) == 0) return;
  struct span excluded = json_member(config, "exclude_namespaces");
  for (struct span entry = json_next(excluded, (struct span){NULL, 0}); entry.at; entry = json_next(excluded, entry))
    if (json_equals(entry, namespace)) return;

  if (!environment->netns || strlen(environment->netns) > 4096 || !is_plain_path(environment->netns)) return refuse(out, "CNI_NETNS is not an absolute path");
  size_t used = 0;
  bool fits = append(out, &used, "{\"Netns\":\"%s\",\"PodName\":\"%s\",\"PodNamespace\":\"%s\",\"PodUID\":\"%s\",\"IPs\":", environment->netns, name, namespace, uid);
  struct span ips = json_member(out->previous_result, "ips");
  struct span entry = json_next(ips, (struct span){NULL, 0});
  bool has_ips = entry.at != NULL;
  fits = fits && append(out, &used, has_ips ? "[" : "null");
  for (bool first = true; fits && entry.at; first = false, entry = json_next(ips, entry)) {
    fits = first || append(out, &used, ",");
    if (fits && !append_ip(out, &used, entry)) return refuse(out, "an entry of prevResult.ips cannot be read, or there are too many");
  }
  fits = fits && append(out, &used, has_ips ? "]}" : "}");
  if (!fits) return refuse(out, "the request would be too long");
  out->verdict = ASK_AGENT;
}
