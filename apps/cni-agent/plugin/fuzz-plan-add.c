/*
 * Feeds mutated configurations and arguments to the plugin's decision, built with ASan and UBSan.
 *   fuzz-plan-add ROUNDS SEED    ends with 0 when nothing crashed and every body asked of the agent is well-formed JSON
 */
#include "ambit-cni.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static const char *const seeds[] = {
    "{\"cniVersion\":\"1.0.0\",\"name\":\"x\",\"type\":\"ambit-cni\",\"cni_agent_run_dir\":\"/var/run/ambit-cni\",\"pod_namespace\":\"ambit-system\",\"exclude_namespaces\":[\"kube-system\",\"a\"],"
    "\"prevResult\":{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/x\"}],\"ips\":[{\"address\":\"10.0.0.5/24\",\"interface\":2,\"gateway\":\"10.0.0.1\"},{\"address\":\"fd00::5/64\"}],\"dns\":{}}}",
    "{\"cni_agent_run_dir\":\"/r\",\"prevResult\":{\"ips\":[{\"address\":\"::/128\",\"interface\":99999999999}]}}",
    "{\"cni_agent_run_dir\":\"/r\",\"a\":[[[[[[1,2.5e+10,true,false,null,\"\\\"\"]]]]]]}",
};
static const char *const argument_seeds[] = {"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=0a-1;K8S_POD_INFRA_CONTAINER_ID=ff", "K8S_POD_NAME=;K8S_POD_NAMESPACE=", "K8S_POD_NAME=a;K8S_POD_NAMESPACE=b"};
static const char interesting[] = "{}[]:,\"\\/0129-.;=atfn\n\0\x7f\xff";

static size_t mutate(const char *seed, char *out, size_t size) {
  size_t length = strlen(seed);
  memcpy(out, seed, length);
  for (uint64_t edits = next() % 8; edits > 0; edits--) {
    size_t at = length ? next() % length : 0;
    switch (next() % 16) {
    default:
      if (length) out[at] = interesting[next() % (sizeof interesting - 1)];
      break;
    case 1:
      if (length) memmove(out + at, out + at + 1, --length - at);
      break;
    case 2: {
      size_t count = length - at < 40 ? length - at : next() % 40;
      if (length + count >= size) break;
      memmove(out + at + count, out + at, length - at);
      length += count;
      break;
    }
    case 0:
      length = at;
    }
  }
  return length;
}

int main(int count, char **arguments) {
  static struct request request;
  if (count != 3) return 64;
  long asked = 0, refused = 0, passed = 0;
  state = strtoull(arguments[2], NULL, 10) | 1;
  for (long rounds = strtol(arguments[1], NULL, 10); rounds > 0; rounds--) {
    char text[4096], args[4096];
    size_t length = mutate(seeds[next() % 3], text, sizeof text);
    args[mutate(argument_seeds[next() % 3], args, sizeof args - 1)] = 0;
    /* An exact copy on the heap, so that one byte too far is seen. */
    char *exact = malloc(length ? length : 1);
    if (!exact) return 71;
    memcpy(exact, text, length);
    struct environment environment = {args, next() % 8 ? "/run/netns/cni-1" : NULL, "c"};
    plan_add(exact, length, &environment, &request);
    if (request.verdict == ASK_AGENT && !json_parse(request.body, strlen(request.body)).at) {
      fprintf(stderr, "not JSON: %s\n", request.body);
      return 1;
    }
    if (request.verdict == REFUSE && !request.reason) return 1;
    *(request.verdict == ASK_AGENT ? &asked : request.verdict == PASS ? &passed : &refused) += 1;
    free(exact);
  }
  printf("asked %ld refused %ld passed %ld\n", asked, refused, passed);
  return asked > 0 && refused > 0 && passed > 0 ? 0 : 1;
}
